// One candidate: why, how, what was measured, where it comes from, and the proof.
import { el, at, stat, tag, table, empty, interval, signed, number, count, brief, duration, shorten, clock } from "/build.js";
import { forest, plot, range, legend } from "/charts.js";
import { listing, diff } from "/code.js";

export function candidatePage(run, c, ask) {
  const last = c.verdicts.at(-1), search = c.verdicts.filter((v) => v.level === null).at(-1), fresh = c.verdicts.filter((v) => v.level !== null).at(-1);
  const shown = fresh ?? search;
  return [
    el("div", { class: "row" }, tag(c.verdict ?? c.role), el("span", { class: "soft mono" }, c.id), el("span", { class: "soft" }, `${c.role === "proposed" ? `candidate #${c.candidate_index}` : c.role}${c.operator ? ", " + c.operator : ""}, by ${c.author}`)),
    el("h1", {}, c.name),
    last ? el("p", {}, last.reason) : null,
    el("div", { class: "stats" },
      stat(search?.effect ? signed(search.effect.mean) : "–", "effect in search, noise units (optimistic)"),
      stat(fresh?.effect ? signed(fresh.effect.mean) : "–", "effect on fresh seeds"),
      c.imported ? stat(number(c.imported.score, 4), "published score, as imported") : stat(brief(fresh?.e_value), fresh?.level ? `e-value (needs ${brief(1 / fresh.level)})` : "e-value"),
      stat(c.quality === null ? "–" : number(c.quality), "judge's quality, 0 to 1"),
      stat(duration(c.cost.cpu_seconds), `CPU in ${c.cost.n_trials} trials`),
      stat(c.cost.n_parameters ? count(c.cost.n_parameters) : "–", "parameters of the model")),
    el("dl", {},
      ...pair("motivation", c.idea.motivation), ...pair("mechanism", c.idea.mechanism),
      ...pair("made from", c.parents.length ? c.parents.flatMap((p, k) => [k ? ", " : "", link(run, p)]) : "nothing: a starting point"),
      ...(c.children.length ? pair(`children (${c.children.length})`, c.children.flatMap((p, k) => [k ? ", " : "", link(run, p)])) : []),
      ...c.predictions.flatMap((p) => pair("prediction", `${signed(p.effect)} noise units on ${p.task}, with probability ${number(p.confidence)}${c.lesson && c.lesson.prediction_held !== null ? (c.lesson.prediction_held ? "; it held" : "; it did not hold") : ""}`)),
      ...pair("lesson", c.lesson ? c.lesson.text : "none yet: written after the verdict"),
      ...(c.novelty ? pair("novelty", `${c.novelty.is_novel ? "new" : "a repeat"}: ${c.novelty.reason || "nothing near"} (distance ${number(c.novelty.distance)})`) : [])),
    el("div", { class: "grid" },
      el("section", {}, el("h2", {}, "Effect per task"),
        shown?.task_effects ? forest("Effect over the baseline per task with 95 % intervals", [...(shown.effect ? [["mean of the tasks", shown.effect]] : []), ...Object.entries(shown.task_effects)], `effect, noise units; 95 % (${fresh ? "fresh seeds" : "search seeds: optimistic"})`, fresh ? "" : "search") : empty("Effects appear when a trial and the baseline's twin are done.")),
      el("section", {}, el("h2", {}, "Training curves"), curvePlot(c))),
    el("h2", {}, "Where each element comes from"),
    c.elements.length ? table(["element", "origin", "source"], c.elements.map((e) => [e.name, e.origin, e.origin === "card" ? el("a", { href: at(run, "cognition") + "?card=" + encodeURIComponent(e.source) }, e.source) : e.source ? el("a", { href: at(run, "candidate", e.source) }, e.source_name || e.source) : "the author's own"]))
      : empty("No design elements were declared."),
    el("h2", {}, "Admission probes"),
    c.probes ? table(["probe", "verdict", "breach", "limit", "smallest input that shows it"], c.probes.verdicts.map((v) => [v.name, el("span", { class: v.passed ? "good" : "bad" }, v.passed ? "✓ passed" : "✗ FAILED"), brief(v.breach), brief(v.limit), v.detail]), { numeric: [2, 3], caption: c.probes.reason || "Every probe is executed in the sandbox; breach is in the probe's own unit." })
      : empty("The probes have not run."),
    el("h2", {}, "Code"), codeBox(run, c, ask),
    el("h2", {}, "Trials"),
    c.trials.length ? table(["stage", "rung", "seed", "outcome", "scores, nats", "CPU"], c.trials.map((t) => [t.stage, String(t.rung), String(t.seed), el("span", { class: t.outcome === "completed" ? "" : "bad" }, t.outcome + (t.reason ? ": " + shorten(t.reason, 240) : "")), Object.entries(t.scores).map(([k, s]) => `${k} ${number(s.nats, 3)}`).join(", "), t.cpu_seconds === null || t.cpu_seconds === undefined ? "–" : duration(t.cpu_seconds)]), { numeric: [1, 2, 5] })
      : empty("No trial has finished."),
    c.decisions.length ? table(["rung", "racing's choice", "why", "probability to beat the bar"], c.decisions.map((d) => [String(d.rung), d.decision.choice, d.decision.reason, number(d.decision.probability)]), { numeric: [3] }) : null,
    c.judgements.length ? table(["judge", "quality", "rubric"], c.judgements.map((j) => [j.judge, number(j.quality), Object.entries(j.rubric).map(([k, v]) => `${k} ${number(v)}`).join(", ")]), { numeric: [1] }) : null,
    el("h2", {}, "The conversation that made it"),
    c.calls.length ? table(["role", "model", "effort", "outcome", "tokens in / out", "seconds", "$"], c.calls.map((m) => [m.role, m.model, m.effort, m.outcome + (m.reason ? ": " + shorten(m.reason, 160) : ""), `${count(m.input_tokens)} / ${count(m.output_tokens)}`, number(m.seconds, 1), m.is_priced ? number(m.dollars, 4) : "no price"]), { numeric: [4, 5, 6], caption: "Requests and replies are artefacts of the run, named by the digests in the ledger." })
      : empty("No language model took part: the symbolic team made it."),
    el("h2", {}, "Ledger proof"),
    el("details", {}, el("summary", {}, `${c.proof.length} events tell about it`), table(["event", "kind", "time", "hash"], c.proof.map((r) => [String(r.seq), r.kind, clock(r.time), el("code", {}, r.hash.slice(0, 24) + "…")]))),
  ];
}

const pair = (label, value) => [el("dt", {}, label), el("dd", {}, value || "–")];
const link = (run, p) => el("a", { href: at(run, "candidate", p.id) }, p.name);

function curvePlot(c) {
  if (!c.curves.length) return empty("Curves appear with the first finished trial.");
  const points = c.curves.flatMap((k) => k.points), names = [...new Set(c.curves.map((k) => k.name))];
  const [low, high] = range(points.map((p) => p[1])), most = Math.max(...points.map((p) => p[0]));
  const cls = (name) => (name === c.name ? "thin" : name === c.parents[0]?.name ? "parent" : "other thin");
  return [legend(names.map((name) => [null, name, cls(name)])),
    plot({ label: "Training loss over steps", x: { label: "training step", low: 0, high: most }, y: { label: "training loss, nats", low, high }, height: 250,
      lines: c.curves.map((k) => ({ points: k.points, cls: cls(k.name), name: `${k.name}, ${k.stage}, seed ${k.seed}` })) }),
    el("p", { class: "soft" }, "As printed by the candidates themselves: a picture, not evidence.")];
}

function codeBox(run, c, ask) {
  const box = el("div", {}, listing(c.source));
  const choice = el("select", { id: "against", "aria-label": "Compare with" }, el("option", { value: "" }, "the whole source"),
    c.parents.map((p) => el("option", { value: p.id }, `diff to parent: ${shorten(p.name, 40)}`)), c.children.slice(0, 20).map((p) => el("option", { value: p.id }, `diff to child: ${shorten(p.name, 40)}`)));
  const other = el("input", { type: "search", placeholder: "diff to any candidate's id", "aria-label": "Id of another candidate" });
  const show = async (id) => {
    if (!id) { box.replaceChildren(listing(c.source)); return; }
    try { box.replaceChildren(diff((await ask(`${encodeURIComponent(run)}/diff/${encodeURIComponent(c.id)}/${encodeURIComponent(id)}`)).lines)); }
    catch (problem) { box.replaceChildren(el("p", { class: "bad" }, problem.message)); }
  };
  choice.addEventListener("change", () => show(choice.value));
  other.addEventListener("change", () => show(other.value.trim()));
  return el("div", {}, el("div", { class: "row" }, choice, other, el("span", { class: "soft" }, `${c.source.split("\n").length} lines`)), box);
}
