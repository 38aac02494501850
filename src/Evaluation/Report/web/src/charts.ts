import * as Plot from "@observablehq/plot";
import type { Column, Curve, Estimate, Limit, Profile } from "./data";
import { format, h, plain, s } from "./dom";

/** How one series looks: colour, dash and shape together, so that none of them has to be seen. */
export interface Look { colour: string; dash: string; symbol: Plot.SymbolType }

const colours = 8;
const dashes = ["", "7 3", "2 3", "9 3 2 3", "12 4", "4 2", "1 4", "6 2 1 2 1 2"];
const symbols: Plot.SymbolType[] = ["circle", "square", "triangle", "diamond", "star", "cross", "wye", "times"];

/** The look of the i-th series. */
export function look(index: number): Look {
  return { colour: `var(--s${index % colours})`, dash: dashes[index % dashes.length]!, symbol: symbols[index % symbols.length]! };
}

/** The experts' look. */
export const expertLook: Look = { colour: "var(--expert)", dash: "1 3", symbol: "asterisk" };

/** Most series in one chart before a reader chooses. */
export const mostSeries = colours;

const style = { background: "transparent", color: "inherit", fontSize: "12.5px", overflow: "visible" };

/** A chart's frame: what draws it is called again whenever its width changes. */
export function chart(name: string, caption: string, draw: (width: number) => Element): HTMLElement {
  const place = h("div");
  const figure = h("figure", { class: "chart", "data-chart": name }, place, caption.length > 0 && h("figcaption", {}, caption));
  let width = 0;
  new ResizeObserver(() => {
    const now = Math.floor(place.clientWidth);
    if (now > 0 && now !== width) {
      width = now;
      place.replaceChildren(draw(now));
    }
  }).observe(place);
  return figure;
}

/** A sample of a look for a legend. */
export function swatch(of: Look): SVGElement {
  const d = { circle: "M18 6m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0", square: "M14 2h8v8h-8z", triangle: "M18 1l5 9h-10z", diamond: "M18 0l5 6l-5 6l-5 -6z" } as Record<string, string>;
  return s("svg", { width: 36, height: 12, "aria-hidden": true },
    s("line", { x1: 0, x2: 36, y1: 6, y2: 6, stroke: of.colour, "stroke-width": 2.2, "stroke-dasharray": of.dash }),
    s("path", { d: d[String(of.symbol)] ?? "M14 2l8 8m0 -8l-8 8M18 0v12", fill: d[String(of.symbol)] ? of.colour : "none", stroke: of.colour, "stroke-width": 1.6 }));
}

export interface Series<T> { name: string; look: Look; points: T }

export interface Dot { row: string; facet: string; estimate: Estimate; look: Look; expert: number | undefined }

/** A figure of several rows side by side: dots with their intervals, and the experts' value as a tick. */
export function dots(data: Dot[], column: Column, facetName: string): (width: number) => Element {
  const known = data.filter(d => d.estimate[0] !== null);
  const rows = [...new Set(data.map(d => d.row))];
  const facets = [...new Set(data.map(d => d.facet))];
  const experts = known.filter(d => d.expert !== undefined);
  const longest = Math.max(...rows.map(r => r.length), 4);
  return width => Plot.plot({
    width, style, className: "plot", ariaLabel: column.title,
    height: 52 + facets.length * (rows.length * 24 + (facets.length > 1 ? 14 : 0)),
    marginLeft: Math.min(24 + longest * 7.2, 300), marginRight: facets.length > 1 ? 150 : 24, marginBottom: 40,
    x: { label: column.percent ? `${column.title} [%]` : column.title, percent: column.percent, grid: true, nice: true },
    y: { label: null, domain: rows }, fy: { label: facets.length > 1 ? facetName : null, domain: facets },
    marks: [
      ...(facets.length > 1 ? [Plot.frame({ stroke: "var(--line)" }), Plot.axisFy({ label: null, tickFormat: (f: string) => `${facetName} ${f}` })] : []),
      Plot.tickX(experts, { x: "expert", y: "row", fy: "facet", stroke: expertLook.colour, strokeWidth: 2, strokeDasharray: "2 2", title: (d: Dot) => `experts ${format(column, d.expert)}` }),
      Plot.ruleY(known.filter(d => d.estimate[1] !== null), { x1: d => d.estimate[1], x2: d => d.estimate[2], y: "row", fy: "facet", stroke: (d: Dot) => d.look.colour, strokeWidth: 2.4 }),
      // One mark a dot, because a mark has one symbol unless a scale chooses it.
      known.map(k => Plot.dot([k], { x: d => d.estimate[0], y: "row", fy: "facet", r: 4.5, fill: k.look.colour, symbol: k.look.symbol, title: d => `${d.row}: ${format(column, d.estimate[0])}`, tip: true })),
    ],
  });
}

export interface AxisPoint { x: number; estimate: Estimate; expert: number | undefined }

/** A figure along a numeric axis, one line a series. */
export function along(data: Series<AxisPoint[]>[], column: Column, axis: string): (width: number) => Element {
  const experts = [...new Map(data.flatMap(d => d.points).filter(p => p.expert !== undefined).map(p => [p.x, { x: p.x, y: p.expert! }])).values()].sort((a, b) => a.x - b.x);
  const xs = [...new Set(data.flatMap(d => d.points.map(p => p.x)))].sort((a, b) => a - b);
  // Numbers that double want a logarithmic axis.
  const doubling = xs.length > 2 && xs[0]! > 0 && xs[xs.length - 1]! / xs[0]! >= 8;
  return width => Plot.plot({
    width, height: 330, style, className: "plot", ariaLabel: `${column.title} along ${axis}`, marginLeft: 58, marginBottom: 42,
    x: { label: axis, ticks: xs.length <= 12 ? xs : undefined, tickFormat: (x: number) => plain(x), type: doubling ? "log" : "linear", inset: 34 },
    y: { label: column.percent ? `${column.title} [%]` : column.title, percent: column.percent, grid: true, nice: true },
    marks: [
      experts.length > 0 ? Plot.line(experts, { x: "x", y: "y", stroke: expertLook.colour, strokeDasharray: expertLook.dash, strokeWidth: 2 }) : null,
      data.map((d, i) => {
        // Beside each other, so that intervals at the same place are told apart.
        const dx = (i - (data.length - 1) / 2) * 7;
        const known = d.points.filter(p => p.estimate[0] !== null);
        return [
          Plot.ruleX(known.filter(p => p.estimate[1] !== null), { x: "x", y1: p => p.estimate[1], y2: p => p.estimate[2], stroke: d.look.colour, strokeWidth: 2, dx }),
          Plot.line(known, { dx, x: "x", y: p => p.estimate[0], stroke: d.look.colour, strokeWidth: 2, strokeDasharray: d.look.dash }),
          Plot.dot(known, { dx, x: "x", y: p => p.estimate[0], fill: d.look.colour, symbol: d.look.symbol, r: 4.5, title: p => `${d.name}, ${axis} ${plain(p.x)}: ${format(column, p.estimate[0])}`, tip: true }),
        ];
      }),
    ],
  });
}

/** Share of episodes below a distance, as steps with pointwise intervals; marked: the thresholds that tables quote. */
export function curves(data: Series<Curve>[], label: string, marks: { x: number; name: string }[]): (width: number) => Element {
  // Limits that share a value share a line.
  const named = [...new Set(marks.map(m => m.x))].sort((a, b) => a - b).map(x => ({ x, name: marks.filter(m => m.x === x).map(m => m.name).join(", ") }));
  return width => Plot.plot({
    width, height: 360, style, className: "plot", marginLeft: 58, marginBottom: 42, marginTop: 30 + 13 * Math.min(named.length, 4),
    ariaLabel: `share of episodes by ${label}`,
    x: { label: `threshold: ${label}` },
    y: { label: "episodes below the threshold [%]", percent: true, domain: [0, 100], grid: true },
    marks: [
      Plot.ruleY([0], { stroke: "var(--line)" }),
      Plot.ruleX(named, { x: "x", stroke: "var(--muted)", strokeDasharray: "2 3" }),
      named.map((l, i) => Plot.text([l], { x: "x", frameAnchor: "top", text: "name", lineAnchor: "bottom", dy: -12 * (i % 4) - 5, fill: "var(--muted)", fontSize: 11 })),
      data.map(d => {
        const points = d.points.at.map((x, i) => ({ x, y: d.points.shares[i]!, low: d.points.low[i]!, high: d.points.high[i]! }));
        return [
          Plot.areaY(points, { x: "x", y1: "low", y2: "high", curve: "step-before", fill: d.look.colour, fillOpacity: 0.14 }),
          Plot.line(points, { x: "x", y: "y", curve: "step-before", stroke: d.look.colour, strokeWidth: 2.2, strokeDasharray: d.look.dash }),
        ];
      }),
      Plot.tip(data.flatMap(d => d.points.at.map((x, i) => ({ x, y: d.points.shares[i]!, text: `${d.name}\nbelow ${plain(x)} m: ${(100 * d.points.shares[i]!).toFixed(1)} %` }))), Plot.pointer({ x: "x", y: "y", title: "text" })),
    ],
  });
}

/** Performance profiles. */
export function profiles(data: Series<Profile>[], score: string): (width: number) => Element {
  return width => Plot.plot({
    width, height: 320, style, className: "plot", marginLeft: 58, marginBottom: 42, ariaLabel: `share of runs by ${score}`,
    x: { label: `score: ${score} [%]`, percent: true, domain: [0, 100] },
    y: { label: "runs above the score [%]", percent: true, domain: [0, 100], grid: true },
    marks: [
      Plot.ruleY([0], { stroke: "var(--line)" }),
      data.map(d => {
        const points = d.points.at.map((x, i) => ({ x, y: d.points.shares[i]![0], low: d.points.shares[i]![1], high: d.points.shares[i]![2] }));
        return [
          Plot.areaY(points, { x: "x", y1: "low", y2: "high", curve: "step-after", fill: d.look.colour, fillOpacity: 0.14 }),
          Plot.line(points, { x: "x", y: "y", curve: "step-after", stroke: d.look.colour, strokeWidth: 2.2, strokeDasharray: d.look.dash }),
        ];
      }),
    ],
  });
}

export interface ModeBar { mode: string; series: string; estimate: Estimate; look: Look }

/** Shares of joint modes, a block a mode, the experts' bar in each. */
export function modes(data: ModeBar[], order: string[]): (width: number) => Element {
  const names = [...new Set(data.map(d => d.mode))];
  return width => Plot.plot({
    width, height: 290, style, className: "plot", marginLeft: 58, marginBottom: 44, ariaLabel: "shares of joint modes",
    fx: { label: null, domain: names, padding: 0.12, axis: null }, x: { axis: null, domain: order, padding: 0.08 },
    y: { label: "episodes [%]", percent: true, grid: true, nice: true, zero: true },
    marks: [
      Plot.ruleY([0], { stroke: "var(--line)" }),
      Plot.barY(data, { fx: "mode", x: "series", y: d => d.estimate[0], fill: d => d.look.colour, fillOpacity: 0.85, title: d => `${d.series}, ${d.mode}: ${format({ percent: true }, d.estimate[0])}`, tip: true }),
      Plot.ruleX(data.filter(d => d.estimate[1] !== null), { fx: "mode", x: "series", y1: d => d.estimate[1], y2: d => d.estimate[2], stroke: "var(--text)", strokeWidth: 1.4 }),
      Plot.axisFx({ label: null, anchor: "bottom", lineWidth: Math.max(4, width / names.length / 13), textOverflow: undefined }),
    ],
  });
}

/** The distance of the nearest pair over an episode, with a line at the present that can be moved. */
export function distances(values: number[], times: number[], limits: Limit[], width: number): { element: Element; show: (time: number) => void } {
  const plot = Plot.plot({
    width, height: 170, style: { ...style, fontSize: "11.5px" }, className: "plot", marginLeft: 40, marginBottom: 34, marginRight: 8, ariaLabel: "distance of the nearest pair over time",
    x: { label: "time [s]" }, y: { label: "nearest pair [m]", zero: true, grid: true, ticks: 4 },
    marks: [
      Plot.ruleY(limits, { y: "pair", stroke: "var(--bad)", strokeDasharray: "3 3" }),
      Plot.line(values, { x: times, y: values, stroke: "var(--s0)", strokeWidth: 2 }),
    ],
  });
  const scale = plot.scale("x")!;
  const present = s("line", { y1: 20, y2: 136, stroke: "currentColor", "stroke-width": 1.5 });
  plot.append(present);
  return {
    element: plot,
    show: time => {
      const x = scale.apply(time) as number;
      present.setAttribute("x1", String(x));
      present.setAttribute("x2", String(x));
    },
  };
}
