// Charts as SVG: labelled axes with units, shapes beside colours, a title on every mark.
import { brief, el, percent, svg } from "/build.js";

const LEFT = 52, RIGHT = 14, TOP = 12, BOTTOM = 40;

export function mark(kind, x, y, size = 4) {
  const cls = `mark ${kind}`;
  if (kind === "rejected" || kind === "none" || kind === "in flight")
    return svg("path", { class: "mark rejected", d: `M${x - size * .7} ${y - size * .7}l${size * 1.4} ${size * 1.4}m0 ${-size * 1.4}l${-size * 1.4} ${size * 1.4}` });
  if (kind === "confirmed" || kind === "verified")
    return svg("path", { class: cls, d: `M${x} ${y - size * 1.6}l${size * 1.4} ${size * 1.6}l${-size * 1.4} ${size * 1.6}l${-size * 1.4} ${-size * 1.6}z` });
  if (kind === "promoted")
    return svg("path", { class: cls, d: `M${x} ${y - size * 1.2}l${size * 1.2} ${size * 2.1}h${-size * 2.4}z` });
  if (kind === "root") return svg("rect", { class: "mark root", x: x - size * 1.2, y: y - size * 1.2, width: 2.4 * size, height: 2.4 * size });
  if (kind === "refuted") return svg("rect", { class: cls, x: x - size, y: y - size, width: 2 * size, height: 2 * size });
  return svg("circle", { class: cls, cx: x, cy: y, r: size });
}

export function legend(entries) {
  return el("div", { class: "legend" }, entries.map(([kind, name, line]) => el("span", {},
    svg("svg", { width: 16, height: 14, "aria-hidden": "true" },
      line !== undefined ? svg("path", { class: `line ${line}`, d: "M0 7h16" }) : kind === "floor" ? svg("rect", { class: "floor", width: 16, height: 14 }) : mark(kind, 8, 7)), name)));
}

export function ticks(low, high, wanted) {
  const span = high - low || 1;
  const raw = span / Math.max(1, wanted), power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(k * step);
  return found;
}

// spec: label, x: {label, low, high}, y: {label, low, high}, floor, zero, areas, lines, dots, height
export const plot = (spec) => responsive((width) => drawn(spec, width, spec.height ?? 280));

// A picture that is drawn for the width it has, and again when that changes.
export function responsive(make) {
  const host = el("div", {});
  new ResizeObserver(() => {
    const width = host.clientWidth || 600;
    if (String(width) === host.dataset.width) return;
    host.dataset.width = width;
    host.replaceChildren(make(width));
  }).observe(host);
  return host;
}

// The range of an axis of effects: the noise floor is always on it.
export function effects(values, label) {
  const [low, high] = range([-1.2, 1.2, ...values]);
  return { label, low, high };
}

function drawn(spec, width, height) {
  const X = (v) => LEFT + ((v - spec.x.low) / (spec.x.high - spec.x.low || 1)) * (width - LEFT - RIGHT);
  const clipped = (v) => Math.min(spec.y.high, Math.max(spec.y.low, v));
  const Y = (v) => TOP + (1 - (clipped(v) - spec.y.low) / (spec.y.high - spec.y.low || 1)) * (height - TOP - BOTTOM);
  const parts = [];
  if (spec.floor) parts.push(svg("rect", { class: "floor", x: LEFT, width: width - LEFT - RIGHT, y: Y(spec.floor[1]), height: Math.max(0, Y(spec.floor[0]) - Y(spec.floor[1])) }));
  for (const y of ticks(spec.y.low, spec.y.high, height / 55).filter((t) => !spec.y.whole || Number.isInteger(t))) parts.push(
    svg("line", { class: "gridline", x1: LEFT, x2: width - RIGHT, y1: Y(y), y2: Y(y) }),
    svg("text", { x: LEFT - 7, y: Y(y) + 4, "text-anchor": "end" }, spec.y.ticks ? spec.y.ticks(y) : brief(y).replace("-", "−")));
  for (const x of ticks(spec.x.low, spec.x.high, width / 110)) parts.push(
    svg("text", { x: X(x), y: height - BOTTOM + 17, "text-anchor": "middle" }, brief(x)));
  parts.push(svg("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: height - BOTTOM, y2: height - BOTTOM }));
  if (spec.zero !== undefined) parts.push(svg("line", { class: "zero", x1: LEFT, x2: width - RIGHT, y1: Y(spec.zero), y2: Y(spec.zero) }));
  for (const area of spec.areas ?? []) parts.push(svg("path", { class: "band", d: areaPath(area, X, Y) }));
  for (const line of spec.lines ?? []) parts.push(svg("path", { class: `line ${line.cls ?? ""}`, d: linePath(line, X, Y) }, svg("title", {}, line.name ?? "")));
  for (const dot of spec.dots ?? []) parts.push(dotOf(dot, X, Y));
  parts.push(svg("text", { x: (LEFT + width - RIGHT) / 2, y: height - 5, "text-anchor": "middle" }, spec.x.label));
  parts.push(svg("text", { x: 0, y: 0, "text-anchor": "middle", transform: `translate(12 ${(TOP + height - BOTTOM) / 2}) rotate(-90)` }, spec.y.label));
  return svg("svg", { class: "plot", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": spec.label }, parts);
}

function dotOf(dot, X, Y) {
  const shape = mark(dot.kind, X(dot.x), Y(dot.y), dot.size ?? 3.6), title = svg("title", {}, dot.title ?? "");
  const whisker = dot.low === undefined || dot.low === null ? null : svg("line", { class: `whisker ${dot.whisker ?? ""}`, x1: X(dot.x), x2: X(dot.x), y1: Y(dot.low), y2: Y(dot.high) });
  return dot.href ? svg("a", { href: dot.href, tabindex: dot.focus ? "0" : "-1" }, whisker, shape, title) : svg("g", {}, whisker, shape, title);
}

function linePath(line, X, Y) {
  let path = "", last = null;
  for (const [x, y] of line.points) {
    path += path === "" ? `M${X(x).toFixed(1)} ${Y(y).toFixed(1)}` : line.step ? `H${X(x).toFixed(1)}V${Y(y).toFixed(1)}` : `L${X(x).toFixed(1)} ${Y(y).toFixed(1)}`;
    last = x;
  }
  return line.step && line.until !== undefined && last !== null ? path + `H${X(line.until).toFixed(1)}` : path;
}

function areaPath(area, X, Y) {
  const there = [], back = [];
  area.points.forEach(([x, low, high], k) => {
    const end = k + 1 < area.points.length ? area.points[k + 1][0] : area.until;
    there.push([x, high], [end, high]);
    back.unshift([end, low], [x, low]);
  });
  return "M" + [...there, ...back].map(([x, y]) => `${X(x).toFixed(1)} ${Y(y).toFixed(1)}`).join("L") + "z";
}

// One line an effect with its interval: rows of [name, effect].
export function forest(label, rows, unit, wanted = "search") {
  const low = Math.min(-0.5, ...rows.map(([, e]) => e.low)), high = Math.max(0.5, ...rows.map(([, e]) => e.high));
  return lines(label, rows.map(([name, e]) => [name, e.mean, e.low, e.high, `${e.mean.toFixed(2)} [${e.low.toFixed(2)}, ${e.high.toFixed(2)}]`]),
    { low, high, zero: 0, unit, wanted, spell: (x) => brief(x).replace("-", "−") });
}

// One line a share with its interval: rows of [name, {success, low, high, n}].
export function shares(label, rows) {
  return lines(label, rows.map(([name, r]) => [name, r.success, r.low, r.high, `${percent(r.success)} of ${r.n}`]),
    { low: 0, high: 1, unit: "turned out well, with 95 % interval", wanted: "search", spell: (x) => percent(x) });
}

const CHARACTER = 7.4, STEP = 28;

function lines(label, rows, { low, high, zero, unit, wanted, spell }) {
  return responsive((width) => {
    const left = Math.min(170, width * 0.36), height = rows.length * STEP + 44;
    const X = (v) => left + ((v - low) / (high - low)) * (width - left - 20);
    const parts = zero === undefined ? [] : [svg("line", { class: "zero", x1: X(zero), x2: X(zero), y1: 4, y2: height - 36 })];
    rows.forEach(([name, middle, from, to, title], k) => {
      const y = k * STEP + 16, room = Math.floor(left / CHARACTER);
      parts.push(svg("text", { x: left - 10, y: y + 4, "text-anchor": "end" }, name.length > room ? name.slice(0, room - 1) + "…" : name),
        svg("g", {}, svg("line", { class: `whisker ${wanted}`, x1: X(from), x2: X(to), y1: y, y2: y }), mark(wanted === "search" ? "explored" : "confirmed", X(middle), y, 4.5), svg("title", {}, `${name}: ${title}`)));
    });
    for (const x of ticks(low, high, (width - left) / 70)) parts.push(svg("text", { x: X(x), y: height - 22, "text-anchor": "middle" }, spell(x)));
    parts.push(svg("text", { x: Math.max(left, (left + width) / 2), y: height - 4, "text-anchor": "middle" }, unit));
    return svg("svg", { class: "plot", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, parts);
  });
}

export function range(values, pad = 0.08) {
  const low = Math.min(...values), high = Math.max(...values), span = high - low || 1;
  return [low - pad * span, high + pad * span];
}
