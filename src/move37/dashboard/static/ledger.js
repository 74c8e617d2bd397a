// Every event, newest first, and the proof that none was changed.
import { el, atIndex, clock, count, shorten, soft, table } from "/build.js";

const PAGE = 100;

export function draw(run, v, { ask }) {
  const body = el("div", {}), base = encodeURIComponent(run);
  const kind = el("select", { "aria-label": "Kind of event", on: { change: () => load() } },
    el("option", { value: "" }, `all kinds (${count(v.total.n_events)})`), Object.entries(v.kinds).sort().map(([k, n]) => el("option", { value: k }, `${k} (${count(n)})`)));
  const press = (text, act) => el("button", { type: "button", on: { click: act } }, text);
  const show = (page, before) => body.replaceChildren(events(run, page.events),
    el("div", { class: "row" }, before ? press("Newest", () => load()) : null, page.events.length === PAGE ? press("Older", () => load(page.events.at(-1).seq)) : null));
  const load = async (before) => {
    try { show(await ask(`${base}/ledger?kind=${encodeURIComponent(kind.value)}${before ? `&before=${before}` : ""}`), before); }
    catch (problem) { body.replaceChildren(el("p", { class: "bad" }, problem.message)); }
  };
  show(v);
  return [el("h1", {}, "Ledger"), soft(`${count(v.total.n_events)} events; head `, el("code", {}, v.total.head)), el("div", { class: "row" }, kind, ...verifier(base, ask)), body];
}

function events(run, rows) {
  return table(["event", "time", "kind", "at", "content"], rows.map((e) => [String(e.seq), clock(e.time), e.kind, atIndex(run, e.candidate_index),
    el("details", {}, el("summary", { class: "mono" }, shorten(e.text, 90)), el("p", { class: "mono" }, e.text + (e.text.length >= 600 ? " …" : "")), el("p", { class: "soft mono" }, `hash ${e.hash}`))]), { wide: [4] });
}

function verifier(base, ask) {
  const verdict = el("span", { role: "status" });
  const verify = el("button", { type: "button", id: "verify", on: { click: async () => {
    verify.disabled = true; verdict.className = "soft"; verdict.textContent = "recomputing the chain and all tables …";
    try {
      const found = await ask(`${base}/verify`);
      verdict.className = found.holds ? "good" : "bad";
      verdict.textContent = found.holds ? "✓ Every event and every table verifies." : `✗ ${found.difference}`;
    } catch (problem) { verdict.className = "bad"; verdict.textContent = problem.message; }
    verify.disabled = false;
  } } }, "Verify");
  return [verify, verdict];
}
