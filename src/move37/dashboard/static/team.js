// Who works, how they are related, what it cost and how often they were right.
import { el, count, empty, number, percent, shorten, soft, stat, table } from "/build.js";
import { legend, plot, shares } from "/charts.js";
import { familyGraph } from "/families.js";

export function draw(run, v) {
  return [
    el("h1", {}, "Team"),
    el("div", { class: "cards small" }, Object.entries(v.roles).filter(([, who]) => who && who !== "null").map(([role, who]) => stat(shorten(who, 60), role))),
    el("h2", {}, "Who proposed, and how it ended"), proposers(v),
    el("h2", {}, "How the models are related"), ...related(v.relations),
    el("h2", {}, "Calibration"), ...calibration(v.calibration),
    el("h2", {}, "Models, tokens, money"), models(v),
    v.spend.length > 1 ? el("figure", {}, el("h2", {}, "Spend"), spend(v.spend)) : null,
    el("h2", {}, "Effort and outcome"), efforts(v.efforts),
  ];
}

function proposers(v) {
  if (!Object.keys(v.authors).length) return empty("Nobody has proposed anything yet.");
  return table(["author", "candidates", "ended"], Object.entries(v.authors).map(([who, kinds]) =>
    [who, count(Object.values(kinds).reduce((a, b) => a + b, 0)), Object.entries(kinds).map(([k, n]) => `${n} ${k}`).join(", ")]), { numeric: [1] });
}

function related(r) {
  if (!r.models.length) return [empty("No language model is in this team. With models, their lines of origin are drawn here: judges must be unrelated to authors, and nothing trains a relative.")];
  const said = r.stated ? [el("p", {}, `Diversity: ${r.stated.level}. ${r.stated.reason}.`)] : [];
  const sources = table(["line", "vendor", "weights from", "answers from", "evidence", "source"], r.lines.map((l) =>
    [l.name, l.vendor, l.weights_from.join(", ") || (l.root_known ? "its own" : "not disclosed"), l.answers_from.join(", ") || "–", l.evidence, `${l.source} (${l.date})`]), { wide: [0, 5] });
  return [...said, familyGraph(r),
    r.pairs.length ? table(["models", "related", "why"], r.pairs.map((p) => [p.pair.join(" and "), el("span", { class: p.related ? "warn" : "good" }, p.related ? "related" : "unrelated"), p.reason])) : null,
    el("details", {}, el("summary", {}, "Where this is known from"), sources)];
}

function calibration(rows) {
  if (!rows.length) return [empty("A prediction names a task, a sign and a probability before the trial. How often each author was right is drawn here after the first measured ones.")];
  const shapes = ["explored", "promoted", "confirmed", "refuted"];
  const dots = rows.flatMap((r, k) => r.bins.map((b) => ({ x: b.said, y: b.held, low: b.low, high: b.high, whisker: "search", kind: shapes[k % 4], title: `${r.author}: said ${percent(b.said)}, held ${percent(b.held)} of ${b.n}` })));
  return [el("div", { class: "grid" },
    el("figure", {}, legend(rows.slice(0, 4).map((r, k) => [shapes[k], r.author])), plot({
      label: "How often predictions held over the probability given", height: 240, x: { label: "probability given before the trial", low: 0, high: 1 }, y: { label: "share that held", low: 0, high: 1 },
      lines: [{ points: [[0, 0], [1, 1]], cls: "other", name: "perfectly calibrated" }], dots,
    }), el("figcaption", {}, "On the line: as sure as it may be. Bars: 95 % intervals.")),
    table(["author", "predictions", "held", "mean probability", "Brier score"], rows.map((r) => [r.author, count(r.n), `${count(r.held)} (${percent(r.held / r.n)})`, number(r.confidence), number(r.brier, 3)]), { numeric: [1, 2, 3, 4], caption: "Brier: mean squared error, 0.25 for always saying one half." }))];
}

function models(v) {
  if (!v.models.length) return empty("No language model was asked in this run: the symbolic team works offline and costs no money. With models, each role's requests, tokens and dollars stand here.");
  return table(["role", "model", "family", "requests", "replied", "tokens in", "tokens out", "seconds", "$"], v.models.map((m) =>
    [m.role, m.model, m.family, count(m.n), count(m.replied), count(m.input_tokens), count(m.output_tokens), number(m.seconds, 0), number(m.dollars, 3) + (m.unpriced ? ` (${m.unpriced} without a price)` : "")]),
  { numeric: [3, 4, 5, 6, 7, 8], wide: [1] });
}

function spend(points) {
  const start = points[0][0];
  return plot({
    label: "Dollars spent over time", height: 200, x: { label: "minutes since the first request", low: 0, high: Math.max(0.1, (points.at(-1)[0] - start) / 60) },
    y: { label: "dollars", low: 0, high: Math.max(0.001, points.at(-1)[1] * 1.1) }, lines: [{ points: points.map(([t, d]) => [(t - start) / 60, d]), step: true }],
  });
}

export function efforts(rows) {
  if (!rows.length) return empty("When models answer, each reasoning effort is set against what became of its answers: more thinking may hurt, and this is where it would show.");
  const groups = grouped(rows);
  return el("div", { class: "cards" }, [...groups].map(([name, group]) => el("article", { class: "card" }, el("h3", {}, name),
    shares(`${name}, by effort`, group.map((r) => [`${r.effort || "default"} (${r.n})`, r])),
    soft(`mean output tokens: ${group.map((r) => `${r.effort || "default"} ${count(r.tokens)}`).join(", ")}`))));
}

function grouped(rows) {
  const found = new Map();
  for (const r of rows) {
    const name = `${r.role}: ${r.measure.replaceAll("_", " ")}`;
    found.set(name, [...(found.get(name) ?? []), r]);
  }
  return found;
}
