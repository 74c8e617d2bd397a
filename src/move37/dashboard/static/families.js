// Lines of base models and who descends from whom: origins to the left, the team's models to the right.
import { el, shorten, svg } from "/build.js";
import { legend, responsive } from "/charts.js";

const ROW = 46, BOX = 30, CHARACTER = 7.2;

export function familyGraph(r) {
  const columns = placed(r), host = responsive((width) => drawn(r, columns, width));
  return el("figure", {}, legend([[null, "weights from", ""], [null, "answers from", "parent"], [null, "related: may not judge each other", "bad"]]), host,
    el("figcaption", {}, "Squares: lines of base models; round: models of this team. Names and vendors are what people declare."));
}

function placed(r) {
  const lines = new Map(r.lines.map((l) => [l.name, l])), depth = new Map();
  const deep = (name, guard = 0) => {
    if (!depth.has(name)) {
      const above = [...lines.get(name).weights_from, ...lines.get(name).answers_from].filter((p) => lines.has(p));
      depth.set(name, guard > 20 ? 0 : Math.max(0, ...above.map((p) => deep(p, guard + 1) + 1)));
    }
    return depth.get(name);
  };
  r.lines.forEach((l) => deep(l.name));
  const last = Math.max(0, ...depth.values());
  const columns = Array.from({ length: last + 2 }, () => []);
  for (const l of r.lines) columns[depth.get(l.name)].push({ key: `line ${l.name}`, text: l.name, title: `${l.vendor}; ${l.root_known ? "root known" : "root not disclosed"}; ${l.evidence}: ${l.source}` });
  for (const m of r.models) columns[last + 1].push({ key: m.label, text: m.label.split(":").pop(), round: true, title: `${m.label}${m.roles.length ? `, ${m.roles.join(", ")}` : ""}` });
  return columns;
}

function drawn(r, columns, width) {
  const rows = Math.max(...columns.map((c) => c.length)), margin = 70, gap = Math.min(60, width / (columns.length * 6));
  const box = Math.min(190, (width - margin - gap * (columns.length - 1)) / columns.length), height = rows * ROW + 10, spots = new Map();
  columns.forEach((column, k) => column.forEach((item, row) => spots.set(item.key, { x: k * (box + gap) + 1, y: (row + 0.5) * (height / column.length) - BOX / 2 })));
  const parts = [];
  const link = (from, to, cls, title) => {
    const a = spots.get(from), b = spots.get(to);
    if (!a || !b) return;
    const [x1, y1, x2, y2] = [a.x + box, a.y + BOX / 2, b.x, b.y + BOX / 2], middle = (x1 + x2) / 2;
    parts.push(svg("path", { class: `line ${cls}`, d: `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}` }, svg("title", {}, title)));
  };
  for (const l of r.lines) {
    l.weights_from.forEach((p) => link(`line ${p}`, `line ${l.name}`, "", `${l.name} has weights from ${p}`));
    l.answers_from.forEach((p) => link(`line ${p}`, `line ${l.name}`, "parent", `${l.name} learnt from answers of ${p}`));
  }
  for (const m of r.models) link(`line ${m.line}`, m.label, "", `${m.label} is of the line ${m.line}`);
  r.pairs.filter((p) => p.related).forEach((p, k) => parts.push(arc(spots.get(p.pair[0]), spots.get(p.pair[1]), box, 22 + (k % 4) * 12, p)));
  for (const item of columns.flat()) parts.push(node(item, spots.get(item.key), box));
  return svg("svg", { class: "plot", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Relations between the base models of the team" }, parts);
}

function arc(a, b, box, bulge, p) {
  const x = a.x + box, y1 = a.y + BOX / 2, y2 = b.y + BOX / 2;
  return svg("path", { class: "line bad", d: `M${x} ${y1}C${x + bulge} ${y1} ${x + bulge} ${y2} ${x} ${y2}` }, svg("title", {}, `${p.pair.join(" and ")}: ${p.reason}`));
}

function node(item, spot, box) {
  return svg("g", {},
    svg("rect", { class: "node", x: spot.x, y: spot.y, width: box, height: BOX, rx: item.round ? BOX / 2 : 3 }),
    svg("text", { class: "ink", x: spot.x + box / 2, y: spot.y + BOX / 2 + 4, "text-anchor": "middle" }, shorten(item.text, Math.max(4, Math.floor((box - 14) / CHARACTER)))),
    svg("title", {}, item.title));
}
