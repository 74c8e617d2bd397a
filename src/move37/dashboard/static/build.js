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

const missing = (x) => x === null || x === undefined;
export const number = (x, digits = 2) => (missing(x) ? "–" : Number(x).toFixed(digits));
export const signed = (x, digits = 2) => (missing(x) ? "–" : (x < 0 ? "−" : "+") + Math.abs(x).toFixed(digits));
export const count = (x) => (missing(x) ? "–" : Math.round(x).toLocaleString("en"));
export const interval = (e) => (e ? `${signed(e.mean)} [${signed(e.low)}, ${signed(e.high)}]` : "–");
export const shorten = (text, n) => (text.length > n ? text.slice(0, n - 1) + "…" : text);
export const clock = (microseconds) => new Date(microseconds / 1000).toLocaleString("sv");
export const percent = (x, digits = 0) => (missing(x) ? "–" : `${(100 * x).toFixed(digits)} %`);

export function brief(x) { // three digits; powers of ten where zeros would fill the line
  if (missing(x)) return "–";
  const size = Math.abs(x);
  if (size && (size < 1e-4 || size >= 1e7)) {
    const [digits, power] = Number(x).toExponential(1).split("e");
    return `${digits}·10${[...String(Number(power))].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"["0123456789-".indexOf(c)]).join("")}`;
  }
  return Number(Number(x).toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 8 });
}

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export function bytes(n) {
  if (!n) return "–";
  const power = Math.min(3, Math.floor(Math.log2(n) / 10));
  return `${brief(n / 1024 ** power)} ${["B", "KiB", "MiB", "GiB"][power]}`;
}

export function stat(value, label, cls = "") {
  return el("div", { class: "stat" }, el("b", { class: cls }, value), el("span", {}, label));
}

export const tag = (kind) => el("span", { class: `tag ${/^[a-z ]+$/.test(kind ?? "") ? kind : ""}` }, kind || "in flight");
export const empty = (text) => el("p", { class: "empty" }, text);
export const soft = (...parts) => el("p", { class: "soft" }, ...parts);

export function meter(share, label) {
  const bar = el("i", {});
  bar.style.width = `${(100 * Math.max(0, Math.min(1, share))).toFixed(1)}%`;
  return el("div", {
    class: "meter", role: "meter", "aria-valuenow": Math.round(100 * share), "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": label,
  }, bar);
}

// numeric: columns to the right; wide: columns with room for words; code: columns in a fixed width
export function table(headings, rows, { numeric = [], wide = [0], caption = "" } = {}) {
  const cls = (k) => (numeric.includes(k) ? "num" : wide.includes(k) ? "wide" : null);
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption || "table" },
    el("table", {},
      el("thead", {}, el("tr", {}, headings.map((h, k) => el("th", { class: cls(k), scope: "col" }, h)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, k) => el("td", { class: cls(k) }, cell ?? "–")))))),
    caption ? soft(caption) : null);
}

export function bars(entries, most = Math.max(...entries.map((e) => e[1]))) {
  return table(["kind", "count", ""],
    entries.map(([name, n]) => [name.replaceAll("_", " "), count(n), meter(n / most, `${name}: ${n}`)]), { numeric: [1], wide: [2] });
}

export const at = (run, ...path) => "#/" + [run, ...path].map(encodeURIComponent).join("/");
export const toCandidate = (run, id, name) => el("a", { href: at(run, "candidate", id) }, name || id);
export const atIndex = (run, index) => (index < 0 ? "–" : toCandidate(run, `#${index}`, `#${index}`));
export const list = (items, draw) => items.flatMap((item, k) => [k ? ", " : "", draw(item)]);
