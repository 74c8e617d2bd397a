// A campaign on one screen.
import { el, at, atIndex, bars, clock, count, duration, empty, interval, meter, shorten, signed, soft, stat, table, toCandidate } from "/build.js";
import { effects, legend, plot } from "/charts.js";

const point = ([id, name, order, kind, effect, low, high, fresh]) => ({ id, name, order, kind, effect, low, high, fresh });

export function draw(run, v) {
  const points = v.points.map(point), best = v.best ? point(v.best) : null;
  return [
    el("h1", {}, v.name),
    soft(`${v.state}${v.preset ? ` · preset ${v.preset}` : ""} · baseline ${v.baseline} · seed ${v.seed} · started ${clock(v.started * 1e6)}`),
    v.is_sandboxed ? null : el("p", { class: "alarm" }, "NOT SANDBOXED. Candidates ran with the rights of the user: do not rely on these numbers."),
    numbers(v, best),
    best ? el("p", {}, "Best in search, optimistic because chosen: ", toCandidate(run, best.id, best.name), ` ${interval({ mean: best.effect, low: best.low, high: best.high })}`) : null,
    el("div", { class: "grid" }, overTime(run, v), discoveries(run, v)),
    el("div", { class: "grid" }, every(run, v, points), el("section", {}, ...work(run, v))),
    el("div", { class: "grid" }, standings(v), failures(v)),
  ];
}

function numbers(v, best) {
  const share = v.budget_seconds ? Math.min(1, v.used_seconds / v.budget_seconds) : 0;
  const left = el("div", { class: "stat" }, el("b", { id: "left" }, v.budget_seconds ? duration(v.left_seconds) : "–"),
    meter(share, "budget used"), el("span", {}, v.budget_seconds ? `left of ${duration(v.budget_seconds)}` : "no budget was set"));
  return el("div", { class: "stats" },
    stat(best ? signed(best.effect) : "–", "best effect in search, noise units"),
    stat(count(v.gallery.length), "in the gallery: held on fresh seeds", v.gallery.length ? "good" : ""),
    stat(count(v.n_candidates), `candidates, ${count(v.n_measured)} measured`),
    ...(v.state === "imported" ? [] : [stat(count(v.n_trials), `trials, ${duration(v.cpu_seconds)} of CPU`), left]));
}

function work(run, v) {
  const why = v.is_live ? "Between two candidates." : v.state === "imported" ? "An imported campaign: nobody works on it."
    : "Nobody works on this campaign. The same move37 run goes on with it.";
  return [el("h2", {}, "At work now"), v.running.length
    ? table(["candidate", "doing"], v.running.map(([i, who, what]) => [i < 0 ? who : atIndex(run, i), what]), { wide: [1] })
    : empty(why)];
}

function standings(v) {
  return el("section", {}, el("h2", {}, "Where candidates stand"), Object.keys(v.verdicts).length
    ? bars(Object.entries(v.verdicts)) : empty("Verdicts come after the first comparison with the baseline."));
}

function failures(v) {
  const found = Object.entries(v.failures).sort((a, b) => b[1] - a[1]);
  return el("section", {}, el("h2", {}, "Failures by kind"), found.length ? bars(found) : empty("No proposal, no probe and no trial has failed."));
}

function overTime(run, v) {
  const title = el("h2", {}, "Best effect over time");
  if (!v.records.length) return el("figure", {}, title, empty(v.state === "imported" ? "Nothing was measured here: the published scores are in the tree." : "The best effect so far will be drawn here with its 95 % interval."));
  const until = Math.max(v.minutes, v.records.at(-1)[0], 0.2);
  const ends = v.records.flatMap(([, effect, low, high]) => [Math.max(low, -4), Math.min(high, effect + 12)]);
  return el("figure", {}, title, legend([[null, "best so far, with its 95 % interval", ""], ["floor", "noise floor (±1)"]]),
    plot({
      label: "Best search effect over time with interval", x: { label: "minutes since the start", low: 0, high: until * 1.02 },
      y: effects(ends, "best effect, noise units"), floor: [-1, 1], zero: 0,
      areas: [{ points: v.records.map(([minutes, , low, high]) => [minutes, low, high]), until }],
      lines: [{ points: v.records.map(([minutes, effect]) => [minutes, effect]), step: true, until, name: "best so far" }],
      dots: v.records.map(([minutes, effect, , , id, name]) => ({ x: minutes, y: effect, kind: "explored", href: at(run, "candidate", id), focus: true, title: `${name}: ${signed(effect)}` })),
    }),
    el("figcaption", {}, "Chosen by search, so too good on average: only the gallery is a claim."));
}

function discoveries(run, v) {
  const title = el("h2", {}, "Discovery curve");
  if (!v.discoveries.length) return el("figure", {}, title, empty("Layers that hold up on fresh seeds are counted here over the compute that was used. None has so far; most campaigns of minutes end with none."));
  const hours = Math.max(v.cpu_seconds / 3600, v.discoveries.at(-1)[0], 1e-6), unit = hours > 1 ? ["hours", 1] : ["minutes", 60];
  const points = v.discoveries.map(([h], k) => [h * unit[1], k + 1]);
  return el("figure", {}, title, plot({
    label: "Layers in the gallery over CPU time", x: { label: `CPU ${unit[0]} of all trials`, low: 0, high: hours * unit[1] },
    y: { label: "layers in the gallery", low: 0, high: Math.max(2, points.length * 1.15), whole: true },
    lines: [{ points: [[0, 0], ...points], step: true, until: hours * unit[1], cls: "good", name: "held up on fresh seeds" }],
    dots: v.discoveries.map(([h, id, name], k) => ({ x: h * unit[1], y: k + 1, kind: "confirmed", href: at(run, "candidate", id), focus: true, title: name })),
  }), el("figcaption", {}, `${count(points.length)} in ${duration(v.cpu_seconds)} of CPU; each was confirmed on fresh seeds at the campaign's false-discovery level.`));
}

function every(run, v, points) {
  const measured = points.filter((p) => p.effect !== null), title = el("h2", {}, "Every candidate");
  if (!measured.length) return el("figure", {}, title, empty(v.state === "imported" ? "Imported campaigns hold published scores, no effects measured here: see the tree." : "Each candidate becomes a dot here when its first trial is compared with the baseline."));
  const high = Math.max(1.3, ...measured.map((p) => p.effect), ...points.flatMap((p) => (p.fresh ? [p.fresh[2]] : [])));
  const low = Math.min(-1.3, edge(measured.map((p) => p.effect))), gap = (high - low) * 0.06;
  const held = new Set(v.gallery.map((p) => p[0]));
  return el("figure", {}, title,
    legend([["explored", "explored"], ["promoted", "promoted"], ["confirmed", "fresh seeds, with interval"], ["refuted", "tested, not in the gallery"], ["rejected", "no number"], ["floor", "noise floor (±1)"]]),
    plot({
      label: "Effect of every candidate over the order of proposal", x: { label: "order of proposal", low: 0, high: Math.max(4, v.n_candidates) },
      y: { label: "effect, noise units", low: low - gap, high: high + gap }, floor: [-1, 1], zero: 0,
      dots: [...points.map((p) => searchDot(run, p, low)), ...points.filter((p) => p.fresh).map((p) => testDot(run, p, held.has(p.id)))],
    }),
    el("figcaption", {}, `Effect over ${v.baseline} of equal size; 0 is the baseline. ${v.n_points_left_out ? `${count(v.n_points_left_out)} dots are left out, no record and no test among them. ` : ""}Far below: drawn at the edge.`));
}

function edge(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.max(sorted[Math.floor(sorted.length * 0.05)] ?? -1.2, -6);
}

function searchDot(run, p, low) {
  const kind = p.effect === null || p.kind === "rejected" ? "rejected" : p.kind === "promoted" || p.kind === "refuted" ? p.kind : "explored";
  return { x: p.order, y: p.effect ?? low, kind, size: 3.2, href: at(run, "candidate", p.id), title: `#${p.order} ${shorten(p.name, 60)}: ${p.effect === null ? p.kind : signed(p.effect)}` };
}

function testDot(run, p, held) {
  const [mean, low, high] = p.fresh;
  return { x: p.order, y: mean, low, high, kind: held ? "confirmed" : "refuted", size: 3.6, focus: true, href: at(run, "candidate", p.id), title: `#${p.order} ${p.name}, fresh seeds: ${signed(mean)}${p.kind === "refuted" ? "; refuted at the larger scale" : ""}` };
}
