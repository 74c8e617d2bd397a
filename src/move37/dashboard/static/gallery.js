// What held up on fresh seeds: cards, sorted as wished, up to four side by side.
import { el, brief, empty, interval, number, shorten, soft, table, tag, toCandidate } from "/build.js";
import { forest } from "/charts.js";

const MOST = 4;
const KEYS = {
  "effect on fresh seeds": (c) => -(c.effect?.mean ?? 0),
  "lower end of the interval": (c) => -(c.effect?.low ?? 0),
  "e-value": (c) => -(c.e_value ?? 0),
  "judge's quality": (c) => -(c.quality ?? 0),
  name: (c) => c.name.toLowerCase(),
};

export function draw(run, { cards }) {
  if (!cards.length) {
    return [el("h1", {}, "Gallery"),
      empty("Nothing has held up yet. A layer enters when its effect is confirmed on fresh seeds and fresh text, at the campaign's false-discovery level. Most promising candidates do not: that is the point.")];
  }
  const chosen = new Set(), compared = el("div", { role: "status" }), shelf = el("div", { class: "cards" });
  const sort = el("select", { "aria-label": "Sort by", on: { change: () => lay() } }, Object.keys(KEYS).map((k) => el("option", { value: k }, `sort: ${k}`)));
  const pick = (c, box) => {
    if (box.checked && chosen.size >= MOST) {
      box.checked = false;
      compared.replaceChildren(el("p", { class: "bad" }, `${MOST} are being compared already: take one out first.`), ...compared.children);
      return;
    }
    box.checked ? chosen.add(c.id) : chosen.delete(c.id);
    compared.replaceChildren(...sideBySide(run, cards.filter((x) => chosen.has(x.id))));
  };
  const lay = () => {
    const key = KEYS[sort.value];
    shelf.replaceChildren(...[...cards].sort((a, b) => (key(a) < key(b) ? -1 : 1)).map((c) => card(run, c, chosen.has(c.id), pick)));
  };
  lay();
  return [el("h1", {}, "Gallery"), soft(`Layers that held up on fresh seeds and text. Choose up to ${MOST} to compare.`), el("div", { class: "row" }, sort), compared, shelf];
}

function card(run, c, checked, pick) {
  const box = el("input", { type: "checkbox", checked, on: { change: () => pick(c, box) } });
  return el("article", { class: "card" },
    el("div", { class: "row" }, tag(c.kind), el("label", { class: "soft" }, box, " compare")),
    el("h2", { class: "title" }, toCandidate(run, c.id, c.name)),
    el("p", {}, el("b", {}, interval(c.effect)), el("span", { class: "soft" }, ` noise units on ${c.effect?.n_pairs ?? 0} fresh seeds; e-value ${brief(c.e_value)}, needs ${c.level ? brief(1 / c.level) : "–"}`)),
    Object.keys(c.tasks).length ? forest(`Effects of ${c.name} per task`, Object.entries(c.tasks), "noise units, 95 %", "") : null,
    soft(shorten(c.motivation || c.mechanism, 260)));
}

function sideBySide(run, picked) {
  if (picked.length < 2) return picked.length ? [soft("Choose another one to compare it with.")] : [];
  const tasks = [...new Set(picked.flatMap((x) => Object.keys(x.tasks)))];
  const rows = [
    ["effect on fresh seeds", ...picked.map((x) => interval(x.effect))],
    ...tasks.map((t) => [`… on ${t}`, ...picked.map((x) => interval(x.tasks[t]))]),
    ["fresh seeds", ...picked.map((x) => String(x.effect?.n_pairs ?? "–"))],
    ["e-value", ...picked.map((x) => brief(x.e_value))],
    ["judge's quality", ...picked.map((x) => number(x.quality))],
    ["elements", ...picked.map((x) => x.elements.map((e) => e.name).join(", ") || "–")],
    ["mechanism", ...picked.map((x) => shorten(x.mechanism, 300) || "–")],
  ];
  return [el("h2", {}, "Side by side"), el("div", { id: "compared" }, table(["", ...picked.map((x) => toCandidate(run, x.id, shorten(x.name, 40)))], rows, { wide: [1, 2, 3, 4] }))];
}
