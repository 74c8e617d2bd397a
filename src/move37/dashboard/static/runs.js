// All runs of the folder, and their best effects side by side.
import { el, at, count, empty, shorten, signed, soft, toCandidate } from "/build.js";
import { legend, plot, effects } from "/charts.js";

const PALETTE = ["", "parent", "other", "dotted", "parent dotted", "other dotted"];

export function draw(_, runs) {
  if (!runs.length) {
    return [el("h1", {}, "No runs yet"),
      empty("Start one with: move37 run --name first --budget 8m. It appears here by itself, with its first candidate within a minute.")];
  }
  const measured = runs.filter((r) => !r.problem && r.records.length).slice(0, PALETTE.length);
  return [el("h1", {}, "Runs"), el("div", { class: "cards" }, runs.map(card)), measured.length > 1 ? sideBySide(measured) : null];
}

function card(r) {
  const title = el("h2", { class: "title" }, el("a", { href: at(r.run, "overview") }, r.run));
  if (r.problem) return el("article", { class: "card" }, title, el("p", { class: "bad" }, r.problem));
  const told = r.best
    ? el("p", {}, `best in search ${signed(r.best[4])}: `, toCandidate(r.run, r.best[0], shorten(r.best[1], 60)))
    : soft(r.state === "imported" ? "published numbers only: see its tree" : "nothing measured yet");
  return el("article", { class: "card" }, title,
    soft(`${r.state} · ${count(r.n_candidates)} candidates · ${count(r.n_trials)} trials${r.preset ? ` · preset ${r.preset}` : ""}`),
    told, el("p", { class: r.gallery.length ? "good" : "soft" }, `${r.gallery.length} in the gallery`), record(r));
}

function record(r) {
  if (r.records.length < 2) return null;
  return plot({
    label: `Best effect of ${r.run} over the order of proposal`, height: 120, x: { label: "", low: 0, high: r.n_candidates },
    y: effects(r.records.map((p) => p[1]), ""), zero: 0, floor: [-1, 1], lines: [{ points: r.records, step: true, until: r.n_candidates }],
  });
}

function sideBySide(runs) {
  return el("figure", {}, el("h2", {}, "Side by side: best effect so far"), legend(runs.map((r, k) => [null, r.run, PALETTE[k]])),
    plot({
      label: "Best search effect over the order of proposal, several runs",
      x: { label: "candidates proposed", low: 0, high: Math.max(...runs.map((r) => r.n_candidates)) },
      y: effects(runs.flatMap((r) => r.records.map((p) => p[1])), "best effect, noise units"), zero: 0, floor: [-1, 1],
      lines: runs.map((r, k) => ({ points: r.records, step: true, cls: PALETTE[k], name: r.run, until: r.n_candidates })),
    }),
    el("figcaption", {}, "Effects are over each run's own baseline, in its own noise units: compare shapes, not heights, unless preset and baseline agree."));
}
