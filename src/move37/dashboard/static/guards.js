// Alarms, canaries, quarantines, the firewall's decisions, and the evidence that effort does harm.
import { el, atIndex, brief, clock, count, empty, list, shorten, soft, stat, table } from "/build.js";
import { legend, plot } from "/charts.js";
import { efforts } from "/team.js";

const STYLES = ["", "parent", "other", "dotted"];

export function draw(run, v) {
  const of = (...words) => v.events.filter((e) => words.some((w) => e.kind.includes(w)));
  const alarms = of("Alarm"), standing = of("Quarantine", "Canary", "Revised"), edges = of("Edge"), rest = of("Diversity", "Dataset");
  const denied = edges.filter((e) => !e.body.allowed);
  return [
    el("h1", {}, "Guards"),
    el("div", { class: "stats" }, stat(count(alarms.length), "alarms", alarms.length ? "bad" : ""), stat(count(of("FamilyQuarantined").length), "families put in quarantine", of("FamilyQuarantined").length ? "bad" : ""),
      stat(`${count(denied.length)} of ${count(edges.length)}`, "edges denied by the firewall"), stat(count(v.n_calls), "model requests watched"), stat(count(v.failed.length), "proposals that failed")),
    el("h2", {}, "Alarms"), alarms.length ? el("div", { class: "cards" }, alarms.map((e) => alarm(run, e))) : empty("No alarm has rung. One rings when more effort turns out to do harm, or when a canary shows that a family has changed."),
    el("h2", {}, "Trends: does thinking longer do harm?"), ...trends(v.trends),
    el("h2", {}, "Effort and outcome"), efforts(v.efforts),
    el("h2", {}, "Canaries and quarantines"), standing.length ? events(run, standing) : empty("No canary has spoken and no family is in quarantine. Families of base models are watched for traits that drift; a quarantined one judges nobody and trains nobody."),
    el("h2", {}, "The firewall's decisions"), edges.length ? flows(run, edges) : empty("Which text may flow from one author to another, who may judge whom, and from whose weights a trial goes on, is decided here."),
    rest.length ? [el("h2", {}, "Diversity and exports"), events(run, rest)] : null,
    el("h2", {}, "Proposals that failed"), v.failed.length ? table(["time", "candidate", "why"], v.failed.map((e) => [clock(e.time), `#${e.candidate_index}`, e.body.reason]), { wide: [2] }) : empty("Every proposal that was asked for could be used."),
  ];
}

function alarm(run, e) {
  const b = e.body, who = [b.role, b.model, b.family].filter(Boolean).join(", ");
  return el("article", { class: "card alarmed" }, el("h3", {}, `${b.guard ?? e.kind}${who ? `: ${who}` : ""}`), el("p", {}, b.reason ?? ""),
    soft(`${clock(e.time)} · at candidate `, atIndex(run, e.candidate_index), ` · e-value ${brief(b.evidence)}${b.cap ? ` · effort capped at ${b.cap}` : ""}${b.trait ? ` · trait: ${b.trait}` : ""}`));
}

function trends(rows) {
  if (!rows.length) return [empty("Each answer of the Researcher or Engineer with little effort is paired with one with much. The evidence that much effort did worse is drawn here, pair by pair; past the line an alarm rings.")];
  const top = Math.log10(rows[0].alarm), most = Math.max(4, ...rows.map((r) => r.first + r.values.length - 1));
  const logs = rows.map((r) => r.values.map((value, k) => [r.first + k, Math.log10(Math.max(value, 1e-6))]));
  const ends = logs.flat().map((p) => p[1]);
  return [
    legend(rows.map((r, k) => [null, `${r.role}, ${r.model}`, STYLES[k % 4]]).concat([[null, `alarm at ${brief(rows[0].alarm)}`, "bad"]])),
    plot({
      label: "Evidence that more effort does harm, over pairs of calls", height: 240, x: { label: "pairs of calls, one with little effort and one with much", low: 0, high: most },
      y: { label: "e-value", low: Math.min(-0.6, ...ends), high: Math.max(top + 0.3, ...ends), ticks: (y) => (Number.isInteger(y) ? brief(10 ** y) : "") },
      lines: [{ points: [[0, top], [most, top]], cls: "bad", name: "alarm" }, ...logs.map((points, k) => ({ points, step: true, until: most, cls: STYLES[k % 4], name: `${rows[k].role}, ${rows[k].model}` }))],
    }),
    table(["role", "model", "calls judged", "levels", "only little effort was right", "only much effort was right"], rows.map((r) => [r.role, r.model, count(r.n_calls), r.levels.join(", "), count(r.n_harmed), count(r.n_helped)]), { numeric: [2, 4, 5], wide: [1], caption: "Pairs that agree say nothing. The evidence may be looked at after every pair: it passes the line by chance once in 20 campaigns at most." }),
  ];
}

function events(run, rows) {
  return table(["time", "at", "kind", "what"], rows.map((e) => [clock(e.time), atIndex(run, e.candidate_index), e.kind, said(e.body)]), { wide: [3] });
}

function said(body) {
  const told = Object.entries(body).filter(([k, v]) => k !== "index" && v !== "" && v !== null);
  return shorten(told.map(([k, v]) => `${k.replaceAll("_", " ")}: ${typeof v === "object" ? JSON.stringify(v) : v}`).join(" · "), 600);
}

function flows(run, edges) {
  const groups = new Map();
  for (const { body, candidate_index: index } of edges) {
    const b = body.kind === "warm-start" && body.allowed ? { ...body, producer: "a candidate", consumer: "itself" } : body;
    const key = [b.producer, b.consumer, b.kind, b.allowed, b.reason].join("\n");
    if (!groups.has(key)) groups.set(key, { ...b, n: 0, at: [] });
    const group = groups.get(key);
    group.n += 1;
    if (group.at.length < 6) group.at.push(index);
  }
  return table(["from", "to", "as", "decision", "times", "why", "candidates"], [...groups.values()].map((g) =>
    [g.producer, g.consumer, g.kind, el("span", { class: g.allowed ? "good" : "bad" }, g.allowed ? "✓ allowed" : "✗ denied"), count(g.n), g.reason, el("span", {}, list(g.at, (i) => atIndex(run, i)), g.n > g.at.length ? " …" : "")]),
  { numeric: [4], wide: [0, 1, 5], caption: "The newest decisions, alike ones together." });
}
