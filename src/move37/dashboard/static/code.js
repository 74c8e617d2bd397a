// Python in colours, and line diffs. Text nodes only.
import { el } from "/build.js";

const TOKEN = /("""[\s\S]*?(?:"""|$)|'''[\s\S]*?(?:'''|$)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)|(#[^\n]*)|\b(def|class|return|if|elif|else|for|while|in|not|and|or|is|import|from|as|with|lambda|None|True|False|raise|try|except|finally|yield|assert|pass|break|continue|self|super|global|nonlocal|del|async|await)\b|\b(\d[\w.]*)\b/g;
const MAX_COLOURED = 120_000;

export function coloured(text) {
  if (text.length > MAX_COLOURED) return [text];
  const parts = [];
  let last = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > last) parts.push(text.slice(last, match.index));
    const cls = match[1] ? "s" : match[2] ? "c" : match[3] ? "k" : "n";
    parts.push(el("span", { class: cls }, match[0]));
    last = match.index + match[0].length;
  }
  parts.push(text.slice(last));
  return parts;
}

export const listing = (text) => el("pre", { tabindex: "0", "aria-label": "source code", id: "source" }, el("code", {}, coloured(text)));

export function diff(lines) {
  if (!lines.length) return el("p", { class: "soft" }, "No line differs.");
  const cls = { "+": "add", "-": "cut" };
  return el("pre", { tabindex: "0", "aria-label": "difference", id: "diff" }, lines.map(([sign, before, after, text]) =>
    el("span", { class: cls[sign] ?? "eq" }, el("span", { class: "ln" }, before ?? ""), el("span", { class: "ln" }, after ?? ""), `${sign} `, coloured(text), "\n")));
}
