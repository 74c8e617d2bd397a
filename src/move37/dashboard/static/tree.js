// The lineage on a canvas: thousands of candidates, zoom, search, play-back, keyboard.
import { el, at, signed, number } from "/build.js";

const RING = 46, SHEET = 15, TURN = 2 * Math.PI;

export function treeView(run, data, open) {
  const n = data.ids.length;
  const canvas = el("canvas", { tabindex: "0", role: "application", "aria-label": `Lineage of ${n} candidates. Arrow keys walk, Enter opens, plus and minus zoom, 0 shows all.` });
  const tip = el("div", { class: "tip", role: "status" }, "Point at a candidate, or walk with the arrow keys; Enter or a click opens it.");
  const box = el("div", { class: "treebox" }, canvas, tip);
  const children = Array.from({ length: n }, () => []);
  data.parents.forEach((p, k) => { if (p >= 0) children[p].push(k); });
  const view = { layout: "radial", scale: 1, x: 0, y: 0, chosen: -1, found: new Set(), shown: n, family: "" };
  let place = radial(data, children), queued = false, shades = readShades();

  const colour = (k) => {
    const v = data.values[k];
    if (v === null) return shades.none;
    const middle = data.low < 0 && data.high > 0 ? 0 : (data.low + data.high) / 2;
    const t = v >= middle ? (v - middle) / (data.high - middle || 1) : (v - middle) / (middle - data.low || 1);
    return mixed(shades, Math.max(-1, Math.min(1, t)));
  };
  let colours = data.ids.map((_, k) => colour(k));

  function paint() {
    queued = false;
    const ratio = window.devicePixelRatio || 1, w = box.clientWidth, h = box.clientHeight;
    if (canvas.width !== w * ratio || canvas.height !== h * ratio) { canvas.width = w * ratio; canvas.height = h * ratio; }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, w, h);
    pen.setTransform(ratio * view.scale, 0, 0, ratio * view.scale, ratio * view.x, ratio * view.y);
    pen.lineWidth = 0.8 / Math.sqrt(view.scale);
    pen.strokeStyle = shades.edge;
    pen.beginPath();
    for (let k = 0; k < view.shown; k++) edge(pen, k);
    pen.stroke();
    if (view.chosen >= 0) {
      pen.strokeStyle = shades.ink; pen.lineWidth = 2 / view.scale; pen.beginPath();
      for (let k = view.chosen, guard = 0; k >= 0 && guard < n; k = data.parents[k], guard++) edge(pen, k);
      pen.stroke();
    }
    const size = Math.max(2.6, Math.min(6, 4 / Math.sqrt(view.scale)));
    const dim = view.found.size > 0 || view.family !== "";
    for (let k = 0; k < view.shown; k++) {
      const [x, y] = place[k], lit = !dim || view.found.has(k) || (view.family && data.families[k] === view.family);
      pen.globalAlpha = lit ? 1 : 0.14;
      pen.fillStyle = colours[k];
      shape(pen, data.kinds[k], x, y, lit && dim ? size * 1.5 : size, shades);
    }
    pen.globalAlpha = 1;
    if (view.chosen >= 0 && view.chosen < view.shown) {
      const [x, y] = place[view.chosen];
      pen.strokeStyle = shades.ink; pen.lineWidth = 2.2 / view.scale;
      pen.beginPath(); pen.arc(x, y, size * 1.9, 0, TURN); pen.stroke();
    }
  }
  function edge(pen, k) {
    const p = data.parents[k];
    if (p < 0) return;
    const [x, y, a, r] = place[k], [px, py, pa, pr] = place[p];
    pen.moveTo(px, py);
    if (view.layout === "radial") {
      const middle = (r + pr) / 2;
      pen.bezierCurveTo(Math.cos(pa) * middle, Math.sin(pa) * middle, Math.cos(a) * middle, Math.sin(a) * middle, x, y);
    } else pen.bezierCurveTo((x + px) / 2, py, (x + px) / 2, y, x, y);
  }
  const queue = () => { if (!queued) { queued = true; requestAnimationFrame(paint); } };

  function fit() {
    const w = box.clientWidth, h = box.clientHeight;
    let left = Infinity, right = -Infinity, top = Infinity, bottom = -Infinity;
    for (const [x, y] of place) { left = Math.min(left, x); right = Math.max(right, x); top = Math.min(top, y); bottom = Math.max(bottom, y); }
    view.scale = Math.min(2.4, (w - 40) / (right - left || 1), (h - 40) / (bottom - top || 1));
    view.x = w / 2 - view.scale * (left + right) / 2;
    view.y = h / 2 - view.scale * (top + bottom) / 2;
    queue();
  }
  function zoom(factor, cx = box.clientWidth / 2, cy = box.clientHeight / 2) {
    const next = Math.max(0.02, Math.min(24, view.scale * factor)), f = next / view.scale;
    view.x = cx - f * (cx - view.x); view.y = cy - f * (cy - view.y); view.scale = next;
    queue();
  }
  function nearest(event) {
    const bounds = canvas.getBoundingClientRect();
    const x = (event.clientX - bounds.left - view.x) / view.scale, y = (event.clientY - bounds.top - view.y) / view.scale;
    let best = -1, distance = (14 / view.scale) ** 2;
    for (let k = 0; k < view.shown; k++) {
      const d = (place[k][0] - x) ** 2 + (place[k][1] - y) ** 2;
      if (d < distance) { distance = d; best = k; }
    }
    return best;
  }
  function choose(k) {
    if (k < 0 || k >= n) return;
    view.chosen = k;
    const v = data.values[k];
    tip.textContent = `${data.names[k]} · ${data.kinds[k]} · ${data.families[k]} · ${v === null ? "no number" : data.unit.startsWith("effect") ? signed(v) + " noise units" : number(v, 4)}`;
    const [x, y] = [place[k][0] * view.scale + view.x, place[k][1] * view.scale + view.y];
    if (x < 0 || y < 0 || x > box.clientWidth || y > box.clientHeight) {
      view.x += box.clientWidth / 2 - x; view.y += box.clientHeight / 2 - y;
    }
    const [left, top] = [place[k][0] * view.scale + view.x, place[k][1] * view.scale + view.y];
    box.dataset.chosen = `${left.toFixed(1)},${top.toFixed(1)}`;
    queue();
  }

  const fingers = new Map();
  let moved = 0;
  canvas.addEventListener("pointerdown", (e) => { canvas.setPointerCapture(e.pointerId); fingers.set(e.pointerId, [e.clientX, e.clientY]); moved = 0; });
  canvas.addEventListener("pointermove", (e) => {
    const was = fingers.get(e.pointerId);
    if (!was) { const k = nearest(e); if (k >= 0 && k !== view.chosen) choose(k); canvas.classList.toggle("over", k >= 0); return; }
    const others = [...fingers].filter(([id]) => id !== e.pointerId).map(([, p]) => p);
    if (others.length) {
      const [o] = others, b = canvas.getBoundingClientRect();
      const before = Math.hypot(was[0] - o[0], was[1] - o[1]) || 1, after = Math.hypot(e.clientX - o[0], e.clientY - o[1]);
      zoom(after / before, (e.clientX + o[0]) / 2 - b.left, (e.clientY + o[1]) / 2 - b.top);
    } else { view.x += e.clientX - was[0]; view.y += e.clientY - was[1]; queue(); }
    moved += Math.hypot(e.clientX - was[0], e.clientY - was[1]);
    fingers.set(e.pointerId, [e.clientX, e.clientY]);
  });
  const lift = (e) => fingers.delete(e.pointerId);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerup", (e) => { lift(e); if (moved < 5) { const k = nearest(e); if (k >= 0) open(data.ids[k]); } });
  canvas.addEventListener("wheel", (e) => { e.preventDefault(); const b = canvas.getBoundingClientRect(); zoom(Math.exp(-e.deltaY / 400), e.clientX - b.left, e.clientY - b.top); }, { passive: false });
  canvas.addEventListener("keydown", (e) => {
    const k = view.chosen, p = k >= 0 ? data.parents[k] : -1, kin = p >= 0 ? children[p] : data.parents.flatMap((q, i) => (q < 0 ? [i] : [])), spot = kin.indexOf(k);
    const acts = {
      ArrowUp: () => choose(k < 0 ? 0 : p), ArrowDown: () => choose(k < 0 ? 0 : children[k][0] ?? k),
      ArrowRight: () => choose(kin[(spot + 1) % kin.length] ?? 0), ArrowLeft: () => choose(kin[(spot - 1 + kin.length) % kin.length] ?? 0),
      Enter: () => k >= 0 && open(data.ids[k]), "+": () => zoom(1.3), "=": () => zoom(1.3), "-": () => zoom(1 / 1.3), 0: fit,
    };
    if (acts[e.key]) { e.preventDefault(); acts[e.key](); }
  });
  new ResizeObserver(() => { if (!box.dataset.fitted && box.clientWidth) { box.dataset.fitted = "1"; fit(); } queue(); }).observe(box);
  new MutationObserver(() => { shades = readShades(); colours = data.ids.map((_, k) => colour(k)); queue(); }).observe(document.documentElement, { attributes: true });

  return {
    box, fit, zoom, choose,
    search(text) {
      const wanted = text.trim().toLowerCase();
      view.found = new Set(wanted ? data.ids.flatMap((id, k) => (id.startsWith(wanted) || data.names[k].toLowerCase().includes(wanted) ? [k] : [])) : []);
      if (view.found.size) choose([...view.found][0]);
      queue();
      return wanted ? view.found.size : null;
    },
    family(name) { view.family = name; queue(); },
    show(count) { view.shown = count; queue(); },
    layout(name) { view.layout = name; place = name === "radial" ? radial(data, children) : rows(data, children); fit(); },
  };
}

function order(data, children) { // depth, and the place of each among the leaves; iterative: lineages are deep
  const n = data.ids.length, depth = new Array(n).fill(0), spot = new Array(n).fill(0);
  let leaves = 0;
  for (let root = 0; root < n; root++) {
    if (data.parents[root] >= 0) continue;
    const waiting = [[root, 0]];
    while (waiting.length) {
      const top = waiting[waiting.length - 1], [k, next] = top;
      if (next === 0 && data.parents[k] >= 0) depth[k] = depth[data.parents[k]] + 1;
      if (next < children[k].length) { top[1]++; waiting.push([children[k][next], 0]); continue; }
      const kin = children[k];
      spot[k] = kin.length ? (spot[kin[0]] + spot[kin[kin.length - 1]]) / 2 : leaves++;
      waiting.pop();
    }
  }
  return { depth, spot, leaves };
}

function radial(data, children) {
  const { depth, spot, leaves } = order(data, children);
  const deepest = Math.max(1, ...depth);
  const ring = Math.max(RING, (leaves * 7) / TURN / deepest);
  const roots = data.parents.filter((p) => p < 0).length;
  return depth.map((d, k) => {
    const angle = (spot[k] / Math.max(1, leaves)) * TURN - Math.PI / 2, r = (d + (roots > 1 ? 0.7 : 0)) * ring;
    return [Math.cos(angle) * r, Math.sin(angle) * r, angle, r];
  });
}

function rows(data, children) {
  const { depth, spot } = order(data, children);
  return depth.map((d, k) => [d * 120, spot[k] * SHEET, 0, 0]);
}

function shape(pen, kind, x, y, size, shades) {
  pen.beginPath();
  if (kind === "confirmed" || kind === "verified") {
    const s = size * 2;
    pen.moveTo(x, y - s); pen.lineTo(x + s, y); pen.lineTo(x, y + s); pen.lineTo(x - s, y); pen.closePath();
    pen.fill(); pen.strokeStyle = shades.good; pen.lineWidth = size * .5; pen.stroke();
  } else if (kind === "promoted") {
    pen.moveTo(x, y - size * 1.5); pen.lineTo(x + size * 1.4, y + size); pen.lineTo(x - size * 1.4, y + size); pen.closePath(); pen.fill();
  } else if (kind === "rejected") {
    pen.moveTo(x - size * .8, y - size * .8); pen.lineTo(x + size * .8, y + size * .8); pen.moveTo(x + size * .8, y - size * .8); pen.lineTo(x - size * .8, y + size * .8);
    pen.strokeStyle = shades.none; pen.lineWidth = size * .4; pen.stroke();
  } else if (kind === "root") {
    pen.rect(x - size * 1.3, y - size * 1.3, size * 2.6, size * 2.6); pen.fill(); pen.strokeStyle = shades.ink; pen.lineWidth = size * .35; pen.stroke();
  } else { pen.arc(x, y, size, 0, TURN); pen.fill(); }
}

function readShades() {
  const dark = document.documentElement.dataset.theme === "dark";
  return dark
    ? { none: "#868d99", edge: "#3d434e", ink: "#e4e6ea", good: "#55c48a", low: [237, 160, 78], middle: [92, 98, 110], high: [120, 178, 245] }
    : { none: "#a8adb5", edge: "#d3d7dd", ink: "#1b1e24", good: "#1c7f49", low: [201, 119, 26], middle: [205, 208, 213], high: [30, 91, 168] };
}

function mixed(shades, t) {
  const end = t < 0 ? shades.low : shades.high, share = Math.abs(t);
  return `rgb(${shades.middle.map((m, k) => Math.round(m + (end[k] - m) * share)).join(",")})`;
}

export function scaleBar(data) {
  const bar = el("canvas", { class: "scale", width: 180, height: 10, "aria-hidden": "true" });
  const draw = () => {
    const pen = bar.getContext("2d"), shades = readShades();
    for (let x = 0; x < 180; x++) { pen.fillStyle = mixed(shades, x / 90 - 1); pen.fillRect(x, 0, 1, 10); }
  };
  draw();
  new MutationObserver(draw).observe(document.documentElement, { attributes: true });
  const digits = data.unit.startsWith("effect") ? 1 : 3;
  return el("span", { class: "row soft" }, number(data.low, digits), bar, number(data.high, digits), el("span", {}, data.unit));
}
