// Which page is shown, and when it is asked for again: one small question a second, the rest on change.
import { at, el, empty } from "/build.js";

const PAGES = { overview: "overview", tree: "lineage", gallery: "gallery", team: "team", guards: "guards", cognition: "cognition", ledger: "ledger" };
const QUIET = new Set(["tree", "ledger", "cognition", "candidate", "gallery", "team", "guards"]); // hold a reader's place: redrawn only when untouched
const POLL_MS = 1000;
const page = document.getElementById("page"), nav = document.getElementById("nav"), live = document.getElementById("live");
let shown = "", seen = "", turn = 0, touched = false;

async function ask(path) {
  const reply = await fetch("/api/" + path, { headers: { accept: "application/json" } });
  const told = reply.headers.get("content-type")?.includes("json") ? await reply.json() : { problem: await reply.text() };
  if (!reply.ok) throw new Error(told.problem ?? reply.statusText);
  return told;
}

function where() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  let parts = [];
  try { parts = path.split("/").filter(Boolean).map(decodeURIComponent); } catch { /* not an address of ours */ }
  return { run: parts[0] ?? "", name: parts[1] ?? "overview", id: parts[2] ?? "", query: new URLSearchParams(query) };
}

const go = (hash) => { location.hash = hash; };

async function content({ run, name, id, query }) {
  const isCandidate = name === "candidate", base = encodeURIComponent(run);
  if (run && !isCandidate && !Object.hasOwn(PAGES, name)) throw new Error("there is no such page");
  const script = !run ? "runs" : isCandidate ? "candidate" : PAGES[name];
  const question = !run ? "runs" : isCandidate ? `${base}/candidate/${encodeURIComponent(id)}` : `${base}/${name}`;
  const [answer, { draw }] = await Promise.all([ask(question), import(`/${script}.js`)]); // each page's script comes when it is wanted
  return draw(run, answer, { ask, go, query });
}

async function render(fresh) {
  const place = where(), mine = ++turn;
  drawNav(place);
  let parts;
  try { parts = await content(place); } catch (problem) { parts = [el("h1", {}, "This cannot be shown"), empty(problem.message), el("p", {}, el("a", { href: "#/" }, "All runs"))]; }
  if (mine !== turn) return;
  const height = page.scrollHeight;
  if (!fresh) page.style.minHeight = `${height}px`; // no jump while charts are drawn again
  page.replaceChildren(...parts.flat(3).filter(Boolean));
  page.dataset.page = place.run ? place.name : "runs";
  document.title = `${place.run || "runs"} · move37`;
  if (fresh) { page.style.minHeight = ""; window.scrollTo(0, 0); page.focus({ preventScroll: true }); touched = false; }
  shown = location.hash;
}

function drawNav({ run, name }) {
  const current = name === "candidate" ? "tree" : name;
  nav.replaceChildren(el("a", { href: "#/", "aria-current": run ? null : "page" }, "Runs"),
    ...(run ? Object.keys(PAGES).map((p) => el("a", { href: at(run, p), "aria-current": p === current ? "page" : null }, p[0].toUpperCase() + p.slice(1))) : []));
}

async function beat() {
  const { run, name } = where();
  try {
    const told = run ? await ask(`${encodeURIComponent(run)}/pulse`) : { n_events: 0 };
    const now = run ? `${run} ${told.head}` : "";
    live.className = "live on"; live.textContent = run ? `${told.n_events.toLocaleString("en")} events` : "connected";
    if (run && seen.startsWith(`${run} `) && now !== seen) {
      if (!(QUIET.has(name) && touched)) await render(false);
      else live.textContent += " · new: press R";
    }
    if (!page.querySelector(".empty") || run) seen = now;
  } catch (problem) { live.className = "live off"; live.textContent = problem instanceof TypeError ? "the dashboard has ended" : problem.message.slice(0, 80); }
  if (!document.hidden) setTimeout(beat, POLL_MS); else document.addEventListener("visibilitychange", () => setTimeout(beat, 0), { once: true });
}

const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => { let kept = null; try { kept = localStorage.getItem("theme"); } catch { /* no storage here */ } root.dataset.theme = kept ?? (dark.matches ? "dark" : "light"); };
dark.addEventListener("change", paint);
document.getElementById("theme").addEventListener("click", () => { const next = root.dataset.theme === "dark" ? "light" : "dark"; try { localStorage.setItem("theme", next); } catch { /* no storage here */ } root.dataset.theme = next; });
document.getElementById("skip").addEventListener("click", (e) => { e.preventDefault(); page.focus(); });
page.addEventListener("pointerdown", () => { touched = true; });
page.addEventListener("keydown", (e) => { if (e.key !== "Tab") touched = true; });
document.addEventListener("keydown", (e) => { if (e.key === "r" && !e.ctrlKey && !e.metaKey && !/^(INPUT|SELECT)$/.test(e.target.tagName)) { touched = false; render(false); } });
window.addEventListener("hashchange", () => { if (location.hash !== shown) render(true); });
if (location.search.includes("token=")) history.replaceState(null, "", location.pathname + location.hash); // the cookie has it now
paint();
await render(true);
beat();
