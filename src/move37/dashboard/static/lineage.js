// The tree's page: the canvas, and what steers it.
import { el, at, count, empty, soft } from "/build.js";
import { legend } from "/charts.js";
import { scaleBar, treeView } from "/tree.js";

const FRAME_MS = 33, FRAMES = 240;

export function draw(run, data, { go }) {
  if (!data.ids.length) return [el("h1", {}, "Lineage"), empty("The first starting point appears here when the campaign begins.")];
  const view = treeView(run, data, (id) => go(at(run, "candidate", id)));
  const n = data.ids.length, said = el("span", { class: "soft", role: "status" }, `${count(n)} candidates`);
  const press = (text, label, act) => el("button", { type: "button", "aria-label": label, on: { click: act } }, text);
  return [
    el("div", { class: "row" }, el("h1", {}, "Lineage"), said),
    el("div", { class: "row" }, finder(view, said, n), families(view, data), layouts(view),
      press("+", "Zoom in", () => view.zoom(1.4)), press("−", "Zoom out", () => view.zoom(1 / 1.4)), press("Fit", "Show all", view.fit)),
    view.box,
    el("div", { class: "row" }, ...player(view, said, n)),
    el("div", { class: "row" }, scaleBar(data),
      legend([["explored", "explored"], ["promoted", "promoted"], ["confirmed", "confirmed"], ["refuted", "refuted"], ["rejected", "rejected"], ["root", "starting point"]])),
    soft(`Colour: ${data.unit}, clipped to the quantiles 2 % and 98 %; orange is worse, blue better. Lines: first parents.`),
  ];
}

function finder(view, said, n) {
  const find = el("input", { type: "search", id: "find", placeholder: "Search name or id", "aria-label": "Search the lineage", on: { input: () => {
    const hits = view.search(find.value);
    said.textContent = hits === null ? `${count(n)} candidates` : `${count(hits)} found`;
  } } });
  return find;
}

function families(view, data) {
  const names = [...new Set(data.families)].sort();
  const choice = el("select", { "aria-label": "Mark a family", on: { change: () => view.family(choice.value) } },
    el("option", { value: "" }, "all families"), names.map((name) => el("option", { value: name }, name)));
  return choice;
}

function layouts(view) {
  let sheet = false;
  const turn = el("button", { type: "button", "aria-label": "Rings or rows", on: { click: () => {
    sheet = !sheet;
    view.layout(sheet ? "rows" : "radial");
    turn.textContent = sheet ? "Rings" : "Rows";
  } } }, "Rows");
  return turn;
}

function player(view, said, n) {
  let timer = 0, k = n;
  const show = () => { view.show(Math.floor(k)); said.textContent = `first ${count(Math.floor(k))} of ${count(n)}`; };
  const stop = () => { clearInterval(timer); timer = 0; play.textContent = "▶ Play growth"; };
  const step = () => { k = Math.min(n, k + Math.max(1, n / FRAMES)); slider.value = k; show(); if (k >= n || !view.box.isConnected) stop(); };
  const slider = el("input", { type: "range", min: 1, max: n, value: n, "aria-label": "Play back the growth", on: { input: () => { stop(); k = Number(slider.value); show(); } } });
  const play = el("button", { type: "button", id: "play", on: { click: () => {
    if (timer) { stop(); return; }
    if (k >= n) k = 1;
    play.textContent = "❚❚ Pause";
    timer = setInterval(step, FRAME_MS);
  } } }, "▶ Play growth");
  return [play, slider];
}
