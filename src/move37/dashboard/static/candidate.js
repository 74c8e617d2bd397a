// One candidate: why, how, what was measured, where it comes from, the talk that made it, and the proof.
import { at, brief, bytes, clock, count, duration, el, empty, list, number, shorten, signed, soft, stat, table, tag, toCandidate } from "/build.js";
import { forest, legend, plot, range } from "/charts.js";
import { diff, listing } from "/code.js";

export function draw(run, c, { ask }) {
  const of = (stage) => c.verdicts.filter((v) => v.stage === stage).at(-1), search = of("search"), fresh = of("confirm");
  const origin = c.role === "proposed" || c.role === "repaired" ? `candidate #${c.candidate_index}` : c.role;
  return [
    el("div", { class: "row" }, tag(c.verdict ?? c.role), el("span", { class: "soft mono" }, c.id), el("span", { class: "soft" }, `${origin}${c.operator ? `, ${c.operator}` : ""}, by ${c.author}`)),
    el("h1", {}, c.name),
    c.verdicts.length ? el("p", {}, c.verdicts.at(-1).reason) : null, inSearch(c, search),
    numbers(c, search, fresh), idea(run, c), c.imported ? published(c.imported) : null,
    el("div", { class: "grid" }, taskEffects(fresh ?? search, Boolean(fresh)), el("section", {}, el("h2", {}, "Training curves"), curves(c))),
    c.source ? [el("h2", {}, "Data flow"), flow(run, c)] : null,
    el("h2", {}, "Where each element comes from"), elements(run, c),
    el("h2", {}, "Admission probes"), probes(c),
    el("h2", {}, "Code"), code(run, c, ask),
    el("h2", {}, "Trials"), ...trials(c),
    el("h2", {}, "The conversation that made it"), talk(run, c, ask),
    el("h2", {}, "Ledger proof"), proof(c),
  ];
}

function inSearch(c, search) { // a promotion says little without the bar that was passed
  if (!search || (!search.bar && search === c.verdicts.at(-1))) return null;
  const own = search === c.verdicts.at(-1) ? "" : `In the search ${search.kind}: ${search.reason}. `;
  return soft(`${own}${search.bar ? `The bar ${search.bar}.` : ""}`);
}

function numbers(c, search, fresh) {
  return el("div", { class: "stats" },
    stat(search?.effect ? signed(search.effect.mean) : "–", "effect in search, noise units (optimistic)"),
    stat(fresh?.effect ? signed(fresh.effect.mean) : "–", "effect on fresh seeds"),
    c.imported ? stat(number(c.imported.score, 4), "published score, as imported") : stat(brief(fresh?.e_value), fresh?.level ? `e-value (needs ${brief(1 / fresh.level)})` : "e-value"),
    stat(c.quality === null ? "–" : number(c.quality), "judge's quality, 0 to 1"),
    stat(duration(c.cost.cpu_seconds), `CPU in ${c.cost.n_trials} trials`),
    stat(c.cost.n_parameters ? count(c.cost.n_parameters) : "–", c.cost.peak_memory_bytes ? `parameters; ${bytes(c.cost.peak_memory_bytes)} at most` : "parameters"));
}

const pair = (label, value) => [el("dt", {}, label), el("dd", {}, value || "–")];

function idea(run, c) {
  const link = (p) => toCandidate(run, p.id, p.name), held = c.lesson?.prediction_held;
  const outcome = held === undefined || held === null ? "" : held ? "; it held" : "; it did not hold";
  return el("dl", {}, ...pair("motivation", c.idea.motivation), ...pair("mechanism", c.idea.mechanism),
    ...pair("made from", c.parents.length ? list(c.parents, link) : "nothing: a starting point"),
    ...(c.children.length ? pair(`children (${c.children.length})`, list(c.children, link)) : []),
    ...c.predictions.flatMap((p) => pair("prediction", `${signed(p.effect)} noise units on ${p.task}, with probability ${number(p.confidence)}${outcome}`)),
    ...pair("lesson", c.lesson ? c.lesson.text : c.imported ? c.imported.summary : "none yet: written after the verdict"),
    ...(c.novelty ? pair("novelty", `${c.novelty.is_novel ? "new" : "a repeat"}: ${c.novelty.reason || "nothing near"} (distance ${number(c.novelty.distance)})`) : []));
}

function published(r) {
  const results = Object.entries(r.results);
  if (!results.length && !r.oddities.length) return null;
  return el("section", {}, el("h2", {}, "As published"), r.oddities.length ? soft(`Odd in the record: ${r.oddities.join("; ")}.`) : null,
    results.length ? table(["benchmark", "number as published"], results.map(([k, x]) => [k, brief(x)]), { numeric: [1], caption: "Nothing of this was measured here." }) : null);
}

function taskEffects(verdict, isFresh) {
  const box = el("section", {}, el("h2", {}, "Effect per task"));
  if (!verdict?.task_effects || !Object.keys(verdict.task_effects).length) { box.append(empty("Effects appear when a trial and the baseline's twin are done.")); return box; }
  const rows = [...(verdict.effect ? [["mean of the tasks", verdict.effect]] : []), ...Object.entries(verdict.task_effects)];
  box.append(forest("Effect over the baseline per task with 95 % intervals", rows, `noise units, 95 % (${isFresh ? "fresh seeds; untrained: not in the mean" : "search: optimistic"})`, isFresh ? "" : "search"));
  return box;
}

function curves(c) {
  const own = c.imported?.curve?.length ? [{ name: c.name, stage: "published", seed: "–", points: c.imported.curve }] : [];
  const all = [...c.curves, ...own];
  if (!all.length) return empty("Curves appear with the first finished trial.");
  const points = all.flatMap((k) => k.points), names = [...new Set(all.map((k) => k.name))];
  const [low, high] = range(points.map((p) => p[1])), most = Math.max(...points.map((p) => p[0]));
  const cls = (name) => (name === c.name ? "thin" : name === c.baseline ? "other thin" : "parent");
  const role = (name) => (name === c.baseline && name !== c.name ? `${name} (baseline)` : name === c.parents[0]?.name ? `${name} (parent)` : name);
  return [legend(names.map((name) => [null, role(name), cls(name)])),
    plot({
      label: "Training loss over steps", x: { label: "training step", low: 0, high: most }, y: { label: "training loss, nats", low, high }, height: 250,
      lines: all.map((k) => ({ points: k.points, cls: cls(k.name), name: `${k.name}, ${k.stage}, seed ${k.seed}` })),
    }), soft("As printed by the candidates themselves: a picture, not evidence.")];
}

function flow(run, c) { // as an image: nothing in it can run, whatever the program says
  const source = `/api/${encodeURIComponent(run)}/flow/${encodeURIComponent(c.id)}`;
  return el("figure", { class: "scroll" }, el("img", { class: "flow", src: source, alt: `Data flow of ${c.name}`, loading: "lazy" }),
    el("figcaption", {}, "Read from the description or the code, which is never run for it. Where neither says, the picture says so."));
}

function elements(run, c) {
  if (!c.elements.length) return empty("No design elements were declared.");
  const source = (e) => (e.origin === "card" ? el("a", { href: at(run, "cognition") + "?card=" + encodeURIComponent(e.source) }, e.source)
    : e.source_name ? toCandidate(run, e.source, e.source_name) : e.source || "the author's own");
  return table(["element", "origin", "source"], c.elements.map((e) => [e.name, e.origin, source(e)]), { wide: [0, 2] });
}

function probes(c) {
  if (!c.probes) return empty("The probes have not run.");
  const size = (v) => (v.breach && v.limit ? `${brief(v.breach / v.limit)} × the limit` : "–");
  return table(["probe", "verdict", "breach", "limit", "size", "smallest input that shows it"], c.probes.verdicts.map((v) =>
    [v.name.replaceAll("_", " "), el("span", { class: v.passed ? "good" : "bad" }, v.passed ? "✓ passed" : "✗ FAILED"), brief(v.breach), brief(v.limit), size(v), v.detail]),
  { numeric: [2, 3, 4], wide: [5], caption: c.probes.reason || "Every probe is executed in the sandbox; breach is in the probe's own unit." });
}

function trials(c) {
  if (!c.trials.length) return [empty("No trial has finished.")];
  const outcome = (t) => el("span", { class: t.outcome === "completed" ? "" : "bad" }, t.outcome.replaceAll("_", " ") + (t.reason ? `: ${shorten(t.reason, 240)}` : ""));
  const scores = (t) => Object.entries(t.scores).map(([k, s]) => `${k} ${number(s.nats, 3)}`).join(", ");
  return [
    table(["stage", "rung", "seed", "outcome", "scores, nats", "CPU"], c.trials.map((t) => [t.stage, String(t.rung), String(t.seed), outcome(t), scores(t), t.cpu_seconds ? duration(t.cpu_seconds) : "–"]), { numeric: [1, 2, 5], wide: [3, 4] }),
    c.decisions.length ? table(["rung", "racing's choice", "why", "probability to beat the bar"], c.decisions.map((d) => [String(d.rung), d.decision.choice, d.decision.reason, number(d.decision.probability)]), { numeric: [3], wide: [2] }) : null,
    c.judgements.length ? table(["judge", "quality", "rubric"], c.judgements.map((j) => [j.judge, number(j.quality), Object.entries(j.rubric).map(([k, v]) => `${k} ${number(v)}`).join(", ")]), { numeric: [1], wide: [0, 2] }) : null];
}

function talk(run, c, ask) {
  if (!c.calls.length) return empty("No language model took part: the symbolic team made it.");
  return el("div", {}, c.calls.map((m) => {
    const box = el("div", {});
    const paid = m.is_priced ? `$${number(m.dollars, 4)}` : "no price";
    const head = `${m.role}, ${m.model}: ${m.outcome}${m.reason ? ` (${shorten(m.reason, 120)})` : ""} · effort ${m.effort || "default"} · ${count(m.input_tokens)} tokens in, ${count(m.output_tokens)} out · ${number(m.seconds, 1)} s · ${paid}`;
    let asked = false;
    return el("details", { class: "call", on: { toggle: async () => {
      if (asked) return;
      asked = true;
      try { box.replaceChildren(...spoken(await ask(`${encodeURIComponent(run)}/said/${m.seq}`))); }
      catch (problem) { box.replaceChildren(el("p", { class: "bad" }, problem.message)); asked = false; }
    } } }, el("summary", {}, head), box);
  }), soft("Written by models and by what they read: shown as text, cut where it is long. The whole lies in the run's artefacts, by the digests in the ledger."));
}

function spoken(told) {
  const part = (p) => el("div", { class: "part" }, el("p", { class: "soft" }, p.who), el("pre", { tabindex: "0", "aria-label": p.who, class: "wrapped" }, p.text + (p.n_cut ? `\n… ${count(p.n_cut)} characters more` : "")));
  return [...told.problems.map((words) => el("p", { class: "bad" }, words)), told.n_left_out ? soft(`${count(told.n_left_out)} parts in between are left out.`) : null, ...told.parts.map(part)].filter(Boolean);
}

function proof(c) {
  return el("details", {}, el("summary", {}, `${c.proof.length} events tell about it`),
    table(["event", "kind", "time", "hash"], c.proof.map((r) => [String(r.seq), r.kind, clock(r.time), el("code", {}, r.hash)]), { wide: [3] }),
    soft("Each hash covers the event and the hash before it. The page Ledger recomputes them all."));
}

function code(run, c, ask) {
  const box = el("div", {}, listing(c.source));
  const option = (what) => (p) => el("option", { value: p.id }, `diff to ${what}: ${shorten(p.name, 40)}`);
  const choice = el("select", { id: "against", "aria-label": "Compare with" }, el("option", { value: "" }, "the whole source"), c.parents.map(option("parent")), c.children.slice(0, 20).map(option("child")));
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
