// The cards: what they say, where each was used, and how its users fared.
import { el, atIndex, count, empty, list, percent, shorten, signed, soft, stat, toCandidate } from "/build.js";

const MOST = 60, MOST_USERS = 8;

export function draw(run, v, { query }) {
  const box = el("div", { class: "cards" }), said = el("span", { class: "soft", role: "status" });
  const find = el("input", { type: "search", id: "cards", placeholder: "Search cards", "aria-label": "Search cards", value: query.get("card") ?? "", on: { input: () => show() } });
  const used = el("input", { type: "checkbox", on: { change: () => show() } });
  const show = () => {
    const wanted = find.value.trim().toLowerCase();
    const hits = v.cards.filter((c) => (!used.checked || c.used) && (!wanted || [c.id, c.title, c.claim, c.when].join(" ").toLowerCase().includes(wanted)));
    said.textContent = `${count(hits.length)} of ${count(v.cards.length)} cards${hits.length > MOST ? `, the first ${MOST} shown` : ""}`;
    box.replaceChildren(...hits.slice(0, MOST).map((c) => card(run, c)));
  };
  show();
  return [el("h1", {}, "Cognition"), origins(v),
    soft("Mean effects compare the users of a card with everybody else: an association, not an ablation."),
    el("div", { class: "row" }, find, el("label", { class: "soft" }, used, " only those that were used"), said), box, reads(run, v.reads)];
}

function origins(v) {
  const total = Object.values(v.origins).reduce((a, b) => a + b, 0);
  if (!total) return empty("Where design elements come from (a card, a lesson, the author's own) is counted as candidates are proposed.");
  return el("div", { class: "stats" }, Object.entries(v.origins).map(([k, n]) => stat(percent(n / total), `of ${count(total)} design elements: ${k}`)), stat(count(v.n_reads), "times cards were read"));
}

function card(run, c) {
  const source = `${c.title}${c.year ? `, ${c.year}` : ""}${c.link ? ` · ${c.link}` : ""}`;
  return el("article", { class: "card" }, el("h3", {}, c.id), soft(source), el("p", {}, c.claim), helped(c),
    c.users.length ? el("p", { class: "soft" }, "used in ", list(c.users.slice(0, MOST_USERS), (u) => el("span", {}, toCandidate(run, u.id, shorten(u.name, 36)), u.effect === null ? "" : ` ${signed(u.effect)}`)), c.used > MOST_USERS ? ` and ${c.used - MOST_USERS} more` : "") : null,
    c.when ? el("details", {}, el("summary", {}, "when and how"), el("p", {}, c.when), el("p", {}, c.mechanism)) : null);
}

function helped(c) {
  const use = `offered ${count(c.offered)} times, used by ${count(c.used)}`;
  if (c.effect === null) return soft(use);
  const better = c.others === null ? null : c.effect > c.others;
  return el("p", { class: "soft" }, `${use}; mean effect of ${c.n_effects === 1 ? "its one measured user" : `its ${c.n_effects} measured users`} `,
    el("b", { class: better === null ? "" : better ? "good" : "warn" }, signed(c.effect)), c.others === null ? "" : `, of all others ${signed(c.others)}`);
}

function reads(run, rows) {
  if (!rows.length) return null;
  return el("details", {}, el("summary", {}, `The last ${count(rows.length)} questions to the library`), rows.map((r) =>
    el("p", { class: "soft" }, atIndex(run, r.index), `: ${shorten(r.query, 200)} → ${r.cards.join(", ") || "no card"}`)));
}
