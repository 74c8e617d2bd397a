// Elements and numbers. Text goes in as text, never as markup: there is no way to hand HTML to `el`.
const SVG = "http://www.w3.org/2000/svg";

export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else if (key === "href" && !String(value).startsWith("#")) continue; // links stay in the page
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(9).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

export const number = (x, digits = 2) => (x === null || x === undefined ? "–" : Number(x).toFixed(digits));
export const signed = (x, digits = 2) => (x === null || x === undefined ? "–" : (x < 0 ? "−" : "+") + Math.abs(x).toFixed(digits));
export const count = (x) => (x === null || x === undefined ? "–" : Math.round(x).toLocaleString("en"));
export const brief = (x) => (x === null || x === undefined ? "–" : String(Number(Number(x).toPrecision(3))));
export const interval = (e) => (e ? `${signed(e.mean)} [${signed(e.low)}, ${signed(e.high)}]` : "–");
export const shorten = (text, n) => (text.length > n ? text.slice(0, n - 1) + "…" : text);
export const clock = (microseconds) => new Date(microseconds / 1000).toLocaleString("sv");

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export function stat(value, label, cls = "") {
  return el("div", { class: "stat" }, el("b", { class: cls }, value), el("span", {}, label));
}

export const tag = (kind) => el("span", { class: `tag ${/^[a-z ]+$/.test(kind ?? "") ? kind : ""}` }, kind || "in flight");
export const empty = (text) => el("p", { class: "empty" }, text);

export function table(headings, rows, { numeric = [], caption = "" } = {}) {
  const cls = (k) => (numeric.includes(k) ? "num" : k === 0 ? "wide" : null);
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption || "table" },
    el("table", {},
      el("thead", {}, el("tr", {}, headings.map((h, k) => el("th", { class: cls(k), scope: "col" }, h)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, k) => el("td", { class: cls(k) }, cell ?? "–")))))),
    caption ? el("p", { class: "soft" }, caption) : null);
}

export const at = (run, ...path) => "#/" + [run, ...path].map(encodeURIComponent).join("/");
