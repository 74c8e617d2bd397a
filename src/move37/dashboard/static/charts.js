// Charts as SVG: labelled axes with units, shapes beside colours, a title on every mark.
import { el, svg, brief } from "/build.js";

const LEFT = 52, RIGHT = 14, TOP = 12, BOTTOM = 40;

export function mark(kind, x, y, size = 4) {
  const cls = `mark ${kind}`;
  if (kind === "rejected" || kind === "none" || kind === "in flight")
    return svg("path", { class: "mark rejected", d: `M${x - size * .7} ${y - size * .7}l${size * 1.4} ${size * 1.4}m0 ${-size * 1.4}l${-size * 1.4} ${size * 1.4}` });
  if (kind === "confirmed" || kind === "verified")
    return svg("path", { class: cls, d: `M${x} ${y - size * 1.6}l${size * 1.4} ${size * 1.6}l${-size * 1.4} ${size * 1.6}l${-size * 1.4} ${-size * 1.6}z` });
  if (kind === "promoted")
    return svg("path", { class: cls, d: `M${x} ${y - size * 1.2}l${size * 1.2} ${size * 2.1}h${-size * 2.4}z` });
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
export function plot(spec) {
  const host = el("div", {});
  const draw = () => {
    const width = host.clientWidth || 600;
    if (String(width) === host.dataset.width) return;
    host.dataset.width = width;
    host.replaceChildren(drawn(spec, width, spec.height ?? 280));
  };
  new ResizeObserver(draw).observe(host);
  return host;
}

function drawn(spec, width, height) {
  const X = (v) => LEFT + ((v - spec.x.low) / (spec.x.high - spec.x.low || 1)) * (width - LEFT - RIGHT);
  const clipped = (v) => Math.min(spec.y.high, Math.max(spec.y.low, v));
  const Y = (v) => TOP + (1 - (clipped(v) - spec.y.low) / (spec.y.high - spec.y.low || 1)) * (height - TOP - BOTTOM);
  const parts = [];
  if (spec.floor) parts.push(svg("rect", { class: "floor", x: LEFT, width: width - LEFT - RIGHT, y: Y(spec.floor[1]), height: Math.max(0, Y(spec.floor[0]) - Y(spec.floor[1])) }));
  for (const y of ticks(spec.y.low, spec.y.high, height / 55)) parts.push(
    svg("line", { class: "gridline", x1: LEFT, x2: width - RIGHT, y1: Y(y), y2: Y(y) }),
    svg("text", { x: LEFT - 7, y: Y(y) + 4, "text-anchor": "end" }, brief(y).replace("-", "−")));
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
  const parts = [];
  if (dot.low !== undefined && dot.low !== null) parts.push(svg("line", { class: `whisker ${dot.whisker ?? ""}`, x1: X(dot.x), x2: X(dot.x), y1: Y(dot.low), y2: Y(dot.high) }));
  parts.push(mark(dot.kind, X(dot.x), Y(dot.y), dot.size ?? 3.6), svg("title", {}, dot.title ?? ""));
  const group = svg("g", {}, parts);
  if (!dot.href) return group;
  return svg("a", { href: dot.href, tabindex: dot.focus ? "0" : "-1" }, group);
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
  const host = el("div", {});
  const draw = () => {
    const width = host.clientWidth || 500, left = Math.min(170, width * .36), step = 28;
    if (String(width) === host.dataset.width) return;
    host.dataset.width = width;
    const height = rows.length * step + 44;
    const X = (v) => left + ((v - low) / (high - low)) * (width - left - 16);
    const parts = [svg("line", { class: "zero", x1: X(0), x2: X(0), y1: 4, y2: height - 36 })];
    rows.forEach(([name, e], k) => {
      const y = k * step + 16;
      parts.push(svg("text", { x: left - 10, y: y + 4, "text-anchor": "end" }, name.length > left / 7.2 ? name.slice(0, left / 7.2) + "…" : name),
        svg("g", {}, svg("line", { class: `whisker ${wanted}`, x1: X(e.low), x2: X(e.high), y1: y, y2: y }), mark(wanted === "search" ? "explored" : "confirmed", X(e.mean), y, 4.5),
          svg("title", {}, `${name}: ${e.mean.toFixed(2)} [${e.low.toFixed(2)}, ${e.high.toFixed(2)}]`)));
    });
    for (const x of ticks(low, high, (width - left) / 70)) parts.push(svg("text", { x: X(x), y: height - 22, "text-anchor": "middle" }, brief(x).replace("-", "−")));
    parts.push(svg("text", { x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, unit));
    host.replaceChildren(svg("svg", { class: "plot", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, parts));
  };
  new ResizeObserver(draw).observe(host);
  return host;
}

export function range(values, pad = 0.08) {
  const low = Math.min(...values), high = Math.max(...values), span = high - low || 1;
  return [low - pad * span, high + pad * span];
}
