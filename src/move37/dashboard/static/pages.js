// All pages but the candidate's: each takes the run and its JSON and gives elements.
import { el, at, stat, tag, table, empty, interval, signed, number, count, brief, duration, shorten, clock } from "/build.js";
import { plot, legend, forest, range } from "/charts.js";
import { treeView, scaleBar } from "/tree.js";

const KINDS = [["explored", "explored"], ["promoted", "promoted"], ["confirmed", "fresh seeds, with interval"], ["floor", "noise floor (±1)"]];

export function runsPage(runs) {
  if (!runs.length) return [el("h1", {}, "No runs yet"), empty("Start one with: move37 run --name first --budget 8m. It appears here by itself, with its first candidate within a minute.")];
  const good = runs.filter((r) => !r.problem && r.points.some((p) => p[1] !== null)).slice(0, 6);
  const palette = ["", "parent", "other"];
  return [
    el("h1", {}, "Runs"),
    el("div", { class: "cards" }, runs.map((r) => el("article", { class: "card" },
      el("h3", {}, el("a", { href: at(r.run, "overview") }, r.run)),
      r.problem ? el("p", { class: "bad" }, r.problem) : [
        el("p", { class: "soft" }, `${r.state} · ${count(r.n_candidates)} candidates · ${count(r.n_trials)} trials · preset ${r.preset || "–"}`),
        r.best ? el("p", {}, `best in search ${signed(r.best.effect)}: `, el("a", { href: at(r.run, "candidate", r.best.id) }, shorten(r.best.name, 60))) : el("p", { class: "soft" }, r.state === "imported" ? "published numbers only: see its tree" : "nothing measured yet"),
        el("p", { class: r.gallery.length ? "good" : "soft" }, `${r.gallery.length} in the gallery`), record(r)]))),
    good.length > 1 ? el("figure", {}, el("h2", {}, "Side by side: best effect so far"), legend(good.map((r, k) => [null, r.run, palette[k % 3]])),
      plot({ label: "Best search effect over the order of proposal, several runs", x: { label: "candidates proposed", low: 0, high: Math.max(...good.map((r) => r.n_candidates)) }, y: yRange(good.flatMap((r) => best(r.points).map((p) => p[1])), "best effect, noise units"), zero: 0,
        lines: good.map((r, k) => ({ points: best(r.points), step: true, cls: palette[k % 3], name: r.run, until: r.n_candidates })) })) : null,
  ];
}

const best = (points) => { let top = -Infinity; return points.flatMap(([x, y]) => (y !== null && y > top ? [[x, (top = y)]] : [])); };
const yRange = (values, label) => { const [low, high] = range([-1.2, 1.2, ...values]); return { label, low, high }; };
function record(r) {
  const points = best(r.points);
  if (points.length < 2) return null;
  return plot({ label: "best effect so far", height: 120, x: { label: "", low: 0, high: r.n_candidates }, y: yRange(points.map((p) => p[1]), ""), zero: 0, floor: [-1, 1], lines: [{ points, step: true, until: r.n_candidates }] });
}

export function overviewPage(run, v) {
  const share = v.budget_seconds ? Math.min(1, v.used_seconds / v.budget_seconds) : 0;
  const fill = el("i", {}); fill.style.width = `${(100 * share).toFixed(1)}%`;
  const failures = Object.entries(v.failures).sort((a, b) => b[1] - a[1]), most = Math.max(1, ...failures.map((f) => f[1]));
  return [
    el("h1", {}, v.name), el("p", { class: "soft" }, `${v.state} · preset ${v.preset || "–"} · baseline ${v.baseline} · seed ${v.seed} · started ${clock(v.started * 1e6)}`),
    v.is_sandboxed ? null : el("p", { class: "alarm" }, "NOT SANDBOXED. Candidates ran with the rights of the user: do not rely on these numbers."),
    el("div", { class: "stats" },
      stat(v.best ? signed(v.best.effect) : "–", "best effect in search, noise units"),
      stat(count(v.gallery.length), "in the gallery: held on fresh seeds", v.gallery.length ? "good" : ""),
      stat(count(v.n_candidates), `candidates, ${count(v.n_measured)} measured`),
      stat(count(v.n_trials), `trials, ${duration(v.cpu_seconds)} of CPU`),
      el("div", { class: "stat" }, el("b", { id: "left" }, v.budget_seconds ? duration(v.left_seconds) : "–"), el("div", { class: "meter", role: "meter", "aria-valuenow": Math.round(100 * share), "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": "budget used" }, fill), el("span", {}, v.budget_seconds ? `left of ${duration(v.budget_seconds)}` : "no budget was set"))),
    v.best ? el("p", {}, "Best in search, optimistic because chosen: ", el("a", { href: at(run, "candidate", v.best.id) }, v.best.name), ` ${interval({ mean: v.best.effect, low: v.best.low, high: v.best.high })}`) : null,
    el("div", { class: "grid" }, discovery(run, v), overTime(run, v)),
    el("div", { class: "grid" },
      el("section", {}, el("h2", {}, "At work now"), v.running.length ? table(["candidate", "doing"], v.running.map(([i, what]) => [i < 0 ? "baseline or opponent" : `#${i}`, what])) : empty(v.is_live ? "Between two candidates." : v.state === "imported" ? "An imported campaign: nobody works on it." : "Nobody works on this campaign. The same move37 run goes on with it.")),
      el("section", {}, el("h2", {}, "Where candidates stand"), Object.keys(v.verdicts).length ? bars(Object.entries(v.verdicts)) : empty("Verdicts come after the first comparison with the baseline."),
        el("h2", {}, "Failures by kind"), failures.length ? bars(failures, most) : empty("No probe and no trial has failed."))),
  ];
}

function bars(entries, most = Math.max(...entries.map((e) => e[1]))) {
  return table(["kind", "count", ""], entries.map(([name, n]) => { const bar = el("i", {}); bar.style.width = `${(100 * n) / most}%`; return [name.replaceAll("_", " "), count(n), el("div", { class: "meter" }, bar)]; }), { numeric: [1] });
}

const floorOf = (values) => { const sorted = [...values].sort((a, b) => a - b), q = sorted[Math.floor(sorted.length * .05)] ?? -1.2; return Math.max(q, -6); };

function discovery(run, v) {
  const measured = v.points.filter((p) => p.effect !== null);
  const title = el("h2", {}, "Discovery");
  if (!measured.length) return el("figure", {}, title, empty(v.state === "imported" ? "Imported campaigns hold published scores, no effects measured here: see the tree." : "Each candidate becomes a dot here when its first trial is compared with the baseline."));
  const high = Math.max(1.3, ...measured.map((p) => p.effect), ...v.points.flatMap((p) => (p.fresh ? [p.fresh[2]] : [])));
  const low = Math.min(-1.3, floorOf(measured.map((p) => p.effect)));
  const gap = (high - low) * .06;
  const dots = v.points.map((p) => ({ x: p.order, y: p.effect ?? low, kind: p.effect === null || p.kind === "rejected" ? "rejected" : p.kind === "promoted" || p.kind === "refuted" ? p.kind : "explored", size: 3.2, href: at(run, "candidate", p.id), title: `#${p.order} ${p.name}: ${p.effect === null ? p.kind : signed(p.effect)}` }));
  const tested = v.points.filter((p) => p.fresh).map((p) => ({ x: p.order, y: p.fresh[0], low: p.fresh[1], high: p.fresh[2], kind: v.gallery.some((g) => g.id === p.id) ? "confirmed" : "refuted", size: 3.6, focus: true, href: at(run, "candidate", p.id), title: `#${p.order} ${p.name}, fresh seeds: ${signed(p.fresh[0])}` }));
  return el("figure", {}, title, legend([...KINDS, ["refuted", "tested, not confirmed"], ["rejected", "no number"]]),
    plot({ label: "Effect of every candidate over the order of proposal", x: { label: "order of proposal", low: 0, high: Math.max(4, v.n_candidates) }, y: { label: "effect, noise units", low: low - gap, high: high + gap }, floor: [-1, 1], zero: 0, dots: [...dots, ...tested] }),
    el("figcaption", {}, `Effect over ${v.baseline} of equal size; 0 is the baseline. ${v.n_points_left_out ? `${count(v.n_points_left_out)} dots are left out, no record and no test among them. ` : ""}Far below: drawn at the edge.`));
}

function overTime(run, v) {
  let top = -Infinity;
  const records = v.points.filter((p) => p.effect !== null && p.kind !== "rejected").sort((a, b) => a.minutes - b.minutes).filter((p) => p.effect > top && ((top = p.effect), true));
  const title = el("h2", {}, "Best effect over time");
  if (!records.length) return el("figure", {}, title, empty("The best effect so far will be drawn here with its 95 % interval."));
  const until = Math.max(...v.points.map((p) => p.minutes), 0.2);
  return el("figure", {}, title, legend([[null, "best so far, with its 95 % interval", ""], ["floor", "noise floor (±1)"]]),
    plot({ label: "Best search effect over time with interval", x: { label: "minutes since the start", low: 0, high: until * 1.02 }, y: yRange(records.flatMap((p) => [Math.max(p.low, -4), Math.min(p.high, p.effect + 12)]), "best effect, noise units"), floor: [-1, 1], zero: 0,
      areas: [{ points: records.map((p) => [p.minutes, p.low, p.high]), until }], lines: [{ points: records.map((p) => [p.minutes, p.effect]), step: true, until, name: "best so far" }],
      dots: records.map((p) => ({ x: p.minutes, y: p.effect, kind: "explored", href: at(run, "candidate", p.id), focus: true, title: `${p.name}: ${signed(p.effect)}` })) }),
    el("figcaption", {}, "Chosen by search, so too good on average: only the gallery is a claim."));
}

export function treePage(run, data, go) {
  if (!data.ids.length) return [el("h1", {}, "Lineage"), empty("The first starting point appears here when the campaign begins.")];
  const view = treeView(run, data, (id) => go(at(run, "candidate", id)));
  const n = data.ids.length, said = el("span", { class: "soft", role: "status" }, `${count(n)} candidates`);
  const find = el("input", { type: "search", id: "find", placeholder: "Search name or id", "aria-label": "Search the lineage", on: { input: () => { const hits = view.search(find.value); said.textContent = hits === null ? `${count(n)} candidates` : `${count(hits)} found`; } } });
  const slider = el("input", { type: "range", min: 1, max: n, value: n, "aria-label": "Play back the growth", on: { input: () => { stop(); view.show(Number(slider.value)); said.textContent = `first ${count(slider.value)} of ${count(n)}`; } } });
  let timer = 0;
  const stop = () => { clearInterval(timer); timer = 0; play.textContent = "▶ Play growth"; };
  const play = el("button", { type: "button", on: { click: () => {
    if (timer) { stop(); return; }
    let k = Number(slider.value) >= n ? 1 : Number(slider.value);
    play.textContent = "❚❚ Pause";
    timer = setInterval(() => { k = Math.min(n, k + Math.max(1, n / 240)); slider.value = k; view.show(Math.floor(k)); said.textContent = `first ${count(k)} of ${count(n)}`; if (k >= n || !view.box.isConnected) stop(); }, 33);
  } } }, "▶ Play growth");
  const families = [...new Set(data.families)].sort();
  const family = el("select", { "aria-label": "Mark a family", on: { change: () => view.family(family.value) } }, el("option", { value: "" }, "all families"), families.map((f) => el("option", { value: f }, f)));
  let sheet = false;
  const turn = el("button", { type: "button", on: { click: () => { sheet = !sheet; view.layout(sheet ? "rows" : "radial"); turn.textContent = sheet ? "Rings" : "Rows"; } } }, "Rows");
  const press = (text, label, act) => el("button", { type: "button", "aria-label": label, on: { click: act } }, text);
  return [
    el("div", { class: "row" }, el("h1", {}, "Lineage"), said),
    el("div", { class: "row" }, find, family, turn, press("+", "Zoom in", () => view.zoom(1.4)), press("−", "Zoom out", () => view.zoom(1 / 1.4)), press("Fit", "Show all", view.fit)),
    el("p", {}), view.box,
    el("div", { class: "row" }, play, slider),
    el("div", { class: "row" }, scaleBar(data), legend([["explored", "explored"], ["promoted", "promoted"], ["confirmed", "confirmed"], ["rejected", "rejected"]]), el("span", { class: "soft" }, "square: root")),
    el("p", { class: "soft" }, `Colour: ${data.unit}, clipped to the quantiles 2 % and 98 %; orange is worse, blue better. Lines: first parents.`),
  ];
}

export function galleryPage(run, { cards }) {
  if (!cards.length) return [el("h1", {}, "Gallery"), empty("Nothing has held up yet. A layer enters when its effect is confirmed on fresh seeds and fresh text, at the campaign's false-discovery level. Most promising candidates do not: that is the point.")];
  const chosen = new Set(), compared = el("div", { role: "status" });
  const keys = { "effect on fresh seeds": (c) => -(c.effect?.mean ?? 0), "lower end of the interval": (c) => -(c.effect?.low ?? 0), "e-value": (c) => -(c.e_value ?? 0), name: (c) => c.name.toLowerCase() };
  const sort = el("select", { "aria-label": "Sort by", on: { change: () => draw() } }, Object.keys(keys).map((k) => el("option", { value: k }, `sort: ${k}`)));
  const list = el("div", { class: "cards" });
  const draw = () => { const key = keys[sort.value]; list.replaceChildren(...[...cards].sort((a, b) => (key(a) < key(b) ? -1 : 1)).map(card)); };
  const pick = (c, box) => {
    if (box.checked && chosen.size >= 4) { box.checked = false; return; }
    box.checked ? chosen.add(c.id) : chosen.delete(c.id);
    const picked = cards.filter((x) => chosen.has(x.id));
    const tasks = [...new Set(picked.flatMap((x) => Object.keys(x.tasks)))];
    compared.replaceChildren(...(picked.length < 2 ? [] : [el("h2", {}, "Side by side"), table(["", ...picked.map((x) => x.name)], [["effect, fresh seeds", ...picked.map((x) => interval(x.effect))], ...tasks.map((t) => [t, ...picked.map((x) => interval(x.tasks[t]))]), ["e-value", ...picked.map((x) => brief(x.e_value))], ["mechanism", ...picked.map((x) => shorten(x.mechanism, 300))]])]));
  };
  const card = (c) => {
    const box = el("input", { type: "checkbox", checked: chosen.has(c.id), on: { change: () => pick(c, box) } });
    return el("article", { class: "card" }, el("div", { class: "row" }, tag(c.kind), el("label", { class: "soft" }, box, " compare")), el("h3", {}, el("a", { href: at(run, "candidate", c.id) }, c.name)),
      el("p", {}, el("b", {}, interval(c.effect)), el("span", { class: "soft" }, ` on ${c.effect?.n_pairs ?? 0} fresh seeds; e-value ${brief(c.e_value)}, needs ${c.level ? brief(1 / c.level) : "–"}`)),
      Object.keys(c.tasks).length ? forest(`Effects of ${c.name} per task`, Object.entries(c.tasks), "noise units, 95 %", "") : null,
      el("p", { class: "soft" }, shorten(c.motivation || c.mechanism, 260)));
  };
  draw();
  return [el("h1", {}, "Gallery"), el("p", { class: "soft" }, "Layers that held up on fresh seeds and text. Choose up to four to compare."), el("div", { class: "row" }, sort), list, compared];
}

export function teamPage(run, v) {
  return [
    el("h1", {}, "Team"),
    el("div", { class: "cards" }, Object.entries(v.roles).filter(([, who]) => who && who !== "null").map(([role, who]) => el("div", { class: "stat" }, el("b", {}, shorten(who, 60)), el("span", {}, role)))),
    el("h2", {}, "Who proposed, and how it ended"),
    Object.keys(v.authors).length ? table(["author", "candidates", "ended"], Object.entries(v.authors).map(([who, kinds]) => [who, count(Object.values(kinds).reduce((a, b) => a + b, 0)), Object.entries(kinds).map(([k, n]) => `${n} ${k}`).join(", ")]), { numeric: [1] }) : empty("Nobody has proposed anything yet."),
    el("h2", {}, "Predictions"), v.predictions.n ? el("p", {}, `${v.predictions.held} of ${v.predictions.n} predictions held (${number((100 * v.predictions.held) / v.predictions.n, 0)} %). A prediction names a task and a sign before the trial.`) : empty("Whether predictions hold is known after the first lessons."),
    el("h2", {}, "Models, tokens, money"),
    v.models.length ? table(["role", "model", "family", "requests", "replied", "tokens in", "tokens out", "seconds", "$"], v.models.map((m) => [m.role, m.model, m.family, count(m.n), count(m.replied), count(m.input_tokens), count(m.output_tokens), number(m.seconds, 0), number(m.dollars, 3) + (m.unpriced ? ` (${m.unpriced} without a price)` : "")]), { numeric: [3, 4, 5, 6, 7, 8] }) : empty("No language model was asked in this run: the symbolic team works offline and costs no money. With models, each role's requests, tokens and dollars stand here."),
    v.spend.length > 1 ? el("figure", {}, el("h2", {}, "Spend"), spend(v.spend)) : null,
    el("h2", {}, "Effort and outcome"), effortTable(v.efforts),
  ];
}

const effortTable = (rows) => rows.length ? table(["role", "measure", "effort", "answers", "success", "mean output tokens"], rows.map((r) => [r.role, r.measure.replaceAll("_", " "), r.effort || "default", count(r.n), `${number(100 * r.success, 0)} %`, count(r.tokens)]), { numeric: [3, 4, 5], caption: "Success is a fact that came later: probes passed, the repair ran, the prediction held." }) : empty("When models answer, each reasoning effort is set against what became of its answers: more thinking may hurt, and this is where it would show.");

function spend(points) {
  const start = points[0][0];
  return plot({ label: "Dollars spent over time", height: 200, x: { label: "minutes since the first request", low: 0, high: Math.max(0.1, (points.at(-1)[0] - start) / 60) }, y: { label: "dollars", low: 0, high: Math.max(0.001, points.at(-1)[1] * 1.1) }, lines: [{ points: points.map(([t, d]) => [(t - start) / 60, d]), step: true }] });
}

const said = (body) => shorten(Object.entries(body).filter(([k]) => k !== "index").map(([k, v]) => `${k}: ${typeof v === "object" ? JSON.stringify(v) : v}`).join(" · "), 600);

export function guardsPage(run, v) {
  const alarms = v.events.filter((e) => e.kind.includes("Alarm"));
  return [
    el("h1", {}, "Guards"),
    el("div", { class: "stats" }, stat(count(alarms.length), "alarms", alarms.length ? "bad" : ""), stat(count(v.events.length), "guard events"), stat(count(v.n_calls), "model requests watched"), stat(count(v.failed.length), "proposals that failed")),
    el("h2", {}, "Alarms, canaries, decisions"),
    v.events.length ? table(["time", "kind", "what"], v.events.map((e) => [clock(e.time), e.kind, said(e.body)])) : empty("No alarm, canary or firewall decision is in this ledger. They appear when language models take part: a family that drifts, an edge that was denied, an effort that hurts."),
    el("h2", {}, "Effort trends"), effortTable(v.efforts),
    el("h2", {}, "Proposals that failed"), v.failed.length ? table(["time", "candidate", "why"], v.failed.map((e) => [clock(e.time), `#${e.candidate_index}`, said(e.body)])) : empty("Every proposal that was asked for could be used."),
  ];
}

export function cognitionPage(run, v, query) {
  const box = el("div", { class: "cards" }), said = el("span", { class: "soft", role: "status" });
  const find = el("input", { type: "search", placeholder: "Search cards", "aria-label": "Search cards", value: query.get("card") ?? "", on: { input: () => draw() } });
  const draw = () => {
    const wanted = find.value.trim().toLowerCase();
    const hits = v.cards.filter((c) => !wanted || [c.id, c.title, c.claim, c.when].join(" ").toLowerCase().includes(wanted));
    said.textContent = `${count(hits.length)} of ${count(v.cards.length)} cards${hits.length > 60 ? ", the first 60 shown" : ""}`;
    box.replaceChildren(...hits.slice(0, 60).map((c) => el("article", { class: "card" }, el("h3", {}, c.id), el("p", { class: "soft" }, `${c.title}${c.year ? `, ${c.year}` : ""}${c.link ? ` · ${c.link}` : ""}`), el("p", {}, c.claim),
      el("p", { class: "soft" }, `offered ${count(c.offered)} times, used by ${count(c.used)}${c.effect === null ? "" : `; mean effect of its users ${signed(c.effect)} (${c.n_effects}), of all ${signed(v.mean_effect)}`}`),
      c.users.length ? el("p", { class: "soft" }, "used in ", c.users.slice(0, 8).flatMap((id, k) => [k ? ", " : "", el("a", { href: at(run, "candidate", id) }, id.slice(0, 8))]), c.users.length > 8 ? " …" : "") : null, c.when ? el("details", {}, el("summary", {}, "when and how"), el("p", {}, c.when), el("p", {}, c.mechanism)) : null)));
  };
  draw();
  const total = Object.values(v.origins).reduce((a, b) => a + b, 0);
  return [el("h1", {}, "Cognition"),
    total ? el("div", { class: "stats" }, Object.entries(v.origins).map(([k, n]) => stat(`${number((100 * n) / total, 0)} %`, `of ${count(total)} design elements: ${k}`)), stat(count(v.n_reads), "times cards were read")) : empty("Where design elements come from (a card, a lesson, the author's own) is counted as candidates are proposed."),
    el("p", { class: "soft" }, "Mean effects compare users of a card with everybody: an association, not an ablation."), el("div", { class: "row" }, find, said), box];
}

export function ledgerPage(run, v, ask, query) {
  const body = el("div", {}), verdict = el("p", { role: "status" });
  const kind = el("select", { "aria-label": "Kind of event", on: { change: () => load() } }, el("option", { value: "" }, `all kinds (${count(v.total.n_events)})`), Object.entries(v.kinds).sort().map(([k, n]) => el("option", { value: k }, `${k} (${count(n)})`)));
  const show = (page) => body.replaceChildren(table(["event", "time", "kind", "candidate", "content"], page.events.map((e) => [String(e.seq), clock(e.time), e.kind, e.candidate_index < 0 ? "–" : `#${e.candidate_index}`, el("details", {}, el("summary", { class: "mono" }, shorten(e.text, 90)), el("p", { class: "mono" }, e.text), el("p", { class: "soft mono" }, e.hash))])),
    page.events.length === 100 ? el("button", { type: "button", on: { click: () => load(page.events.at(-1).seq) } }, "Older") : el("span", {}));
  const load = async (before) => show(await ask(`${encodeURIComponent(run)}/ledger?kind=${encodeURIComponent(kind.value)}${before ? `&before=${before}` : ""}`));
  const verify = el("button", { type: "button", id: "verify", on: { click: async () => {
    verify.disabled = true; verdict.className = ""; verdict.textContent = "recomputing the chain and all tables …";
    try { const found = await ask(`${encodeURIComponent(run)}/verify`); verdict.className = found.holds ? "good" : "bad"; verdict.textContent = found.holds ? "✓ Every event and every table verifies." : `✗ ${found.difference}`; }
    catch (problem) { verdict.className = "bad"; verdict.textContent = problem.message; }
    verify.disabled = false;
  } } }, "Verify");
  show(v);
  return [el("h1", {}, "Ledger"), el("p", { class: "soft" }, `${count(v.total.n_events)} events; head `, el("code", {}, v.total.head)), el("div", { class: "row" }, kind, verify, verdict), body];
}
