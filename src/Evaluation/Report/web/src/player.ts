import type { Cell, Report, Scene, Trajectories } from "./data";
import { choice, h, plain, s } from "./dom";
import { distances, look } from "./charts";

const playSeconds = 8;
const tallest = 560;
const width = 840;
const fewAgents = 12;

/** Steps through episodes of cells. */
export class Player {
  readonly element: HTMLElement;
  private readonly body = h("div");
  private stop: () => void = () => undefined;
  private cell: Cell;

  constructor(private readonly report: Report) {
    const shown = report.cells.filter(c => c.trajectories);
    this.cell = shown[0]!;
    this.element = h("div", {}, this.body);
    this.show(this.cell);
  }

  /** Shows a cell's first episode. */
  show(cell: Cell, episode = 0): void {
    this.stop();
    this.cell = cell;
    const sample = cell.trajectories!;
    const scene = this.report.scenes[this.report.groups[cell.group!]!.scene]!;
    const stage = new Stage(scene, sample, episode);
    this.stop = () => stage.pause();
    const shown = this.report.cells.map((c, i) => ({ c, i })).filter(({ c }) => c.trajectories);
    this.body.replaceChildren(
      h("div", { class: "controls" },
        shown.length > 1 && choice("cell", shown.map(({ c, i }) => ({ value: String(i), text: c.label })), String(this.report.cells.indexOf(cell)), v => this.show(this.report.cells[Number(v)]!)),
        choice("episode", sample.episodes.map((e, i) => ({ value: String(i), text: `${e.index}${e.contact ? " \u2013 contact" : ""}${e.missed ? " \u2013 goal missed" : ""}${e.mode ? ` \u2013 ${e.mode}` : ""}` })), String(episode), v => this.show(this.cell, Number(v)))),
      stage.element);
  }
}

/** One episode. */
class Stage {
  readonly element: HTMLElement;
  private readonly x: Float64Array;
  private readonly y: Float64Array;
  private readonly nearest: { distance: number; first: number; second: number }[];
  private readonly bodies: { dot: SVGElement; reach: SVGElement; trail: SVGElement; text: SVGElement | null }[] = [];
  private readonly near = s("line", { class: "near" });
  private readonly slider: HTMLInputElement;
  private readonly button: HTMLButtonElement;
  private readonly readout = h("div", { class: "readout", "aria-live": "off" });
  private readonly showDistance: (time: number) => void;
  private readonly left: number;
  private readonly top: number;
  private readonly scale: number;
  private tick = 0;
  private frame = 0;

  constructor(private readonly scene: Scene, private readonly sample: Trajectories, episode: number) {
    const { agents, ticks } = sample;
    const count = agents * ticks.length;
    [this.x, this.y] = coordinates(sample.positions, sample.box, episode * count, count);
    const [goalX, goalY] = coordinates(sample.goals, sample.box, episode * agents, agents);
    this.nearest = ticks.map((_, t) => this.nearestAt(t));

    const all = { x0: Infinity, x1: -Infinity, y0: Infinity, y1: -Infinity };
    const include = (x: number, y: number, r: number) => {
      all.x0 = Math.min(all.x0, x - r); all.x1 = Math.max(all.x1, x + r); all.y0 = Math.min(all.y0, y - r); all.y1 = Math.max(all.y1, y + r);
    };
    this.x.forEach((x, i) => include(x, this.y[i]!, 0));
    goalX.forEach((x, i) => include(x, goalY[i]!, 0));
    scene.obstacles.forEach(o => include(...o));
    const contact = scene.limits.find(l => l.name === scene.contact)!;
    const margin = Math.max(contact.pair / 2, 0.04 * Math.max(all.x1 - all.x0, all.y1 - all.y0));
    const [w, d] = [all.x1 - all.x0 + 2 * margin, all.y1 - all.y0 + 2 * margin];
    const height = Math.min(Math.max(width * d / w, 220), tallest);
    this.scale = Math.min(width / w, height / d);
    this.left = (all.x0 + all.x1) / 2 - width / 2 / this.scale;
    this.top = (all.y0 + all.y1) / 2 + height / 2 / this.scale;

    const world = s("svg", { class: "world", viewBox: `0 0 ${width} ${height.toFixed(0)}`, tabindex: 0, role: "img", "aria-label": "positions of all agents; left and right arrows step, space plays", keydown: e => this.key(e as KeyboardEvent) });
    world.append(...this.fixed(height));
    const few = agents <= fewAgents;
    for (let a = 0; a < agents; a++) {
      const colour = agents <= 8 ? look(a).colour : `hsl(${(360 * a / agents).toFixed(0)} 62% 52%)`;
      const [startX, startY] = [this.px(this.x[a * ticks.length]!), this.py(this.y[a * ticks.length]!)];
      const [gx, gy] = [this.px(goalX[a]!), this.py(goalY[a]!)];
      const arm = few ? 6 : 3;
      const body = {
        trail: s("path", { class: "trail", stroke: colour }),
        reach: s("circle", { class: "reach", r: contact.pair / 2 * this.scale, fill: colour, stroke: colour }),
        dot: s("circle", { class: "agent", r: few ? 8 : 4, fill: colour }),
        text: few ? s("text", {}, String(a + 1)) : null,
      };
      world.append(
        s("path", { class: "whole", stroke: colour, d: this.path(a, ticks.length - 1) }),
        s("circle", { class: "start", stroke: colour, r: few ? 5 : 2.5, cx: startX, cy: startY }),
        s("path", { class: "goal", stroke: colour, d: `M${gx - arm} ${gy - arm}l${2 * arm} ${2 * arm}m0 ${-2 * arm}l${-2 * arm} ${2 * arm}` }),
        body.trail, body.reach);
      this.bodies.push(body);
    }
    world.append(this.near, ...this.bodies.flatMap(b => b.text ? [b.dot, b.text] : [b.dot]));

    this.slider = h("input", { type: "range", min: 0, max: ticks.length - 1, value: 0, "aria-label": "time", input: () => { this.pause(); this.to(Number(this.slider.value)); } });
    this.button = h("button", { type: "button", "data-play": true, click: () => this.toggle() }, "play");
    const of = sample.episodes[episode]!;
    const chart = agents > 1 ? distances(this.nearest.map(n => n.distance), ticks.map(t => t * scene.timeStep), [contact], 320) : null;
    this.showDistance = chart?.show ?? (() => undefined);
    this.element = h("div", { class: "player" },
      h("div", {}, world,
        h("div", { class: "steps" },
          h("button", { type: "button", "data-step": "-1", "aria-label": "one step back", click: () => this.by(-1) }, "\u2039"), this.button,
          h("button", { type: "button", "data-step": "1", "aria-label": "one step on", click: () => this.by(1) }, "\u203a"), this.slider)),
      h("div", {}, this.readout,
        chart && h("figure", { class: "chart", "data-chart": "distance" }, chart.element),
        h("p", { class: "muted" }, `Rings: starts; crosses: goals. The pale discs have half the contact distance (${plain(contact.pair)} m) as radius: two agents touch when their discs do.`,
          of.minimumPair !== undefined && ` Smallest pair distance of the whole episode: ${plain(of.minimumPair)} m.`,
          ticks.length - 1 < ticks[ticks.length - 1]! && ` ${ticks.length} of ${ticks[ticks.length - 1]! + 1} ticks are kept here.`,
          scene.dimensions === 3 && " Seen from above; distances here leave out the height.")));
    this.to(0);
  }

  pause(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.button.textContent = "play";
  }

  private toggle(): void {
    if (this.frame !== 0) {
      this.pause();
      return;
    }
    const last = this.sample.ticks.length - 1;
    const from = this.tick >= last ? 0 : this.tick;
    this.button.textContent = "pause";
    let begun = -1;
    const draw = (now: number) => {
      begun = begun < 0 ? now : begun;
      const at = from + (now - begun) / 1000 / playSeconds * last;
      this.to(Math.min(Math.floor(at), last));
      this.frame = at < last ? requestAnimationFrame(draw) : 0;
      if (at >= last) {
        this.pause();
      }
    };
    this.frame = requestAnimationFrame(draw);
  }

  private by(steps: number): void {
    this.pause();
    this.to(Math.min(Math.max(this.tick + steps, 0), this.sample.ticks.length - 1));
  }

  private key(event: KeyboardEvent): void {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
    if (steps !== undefined) {
      this.by(steps);
    } else if (event.key === " ") {
      this.toggle();
    } else {
      return;
    }
    event.preventDefault();
  }

  private to(tick: number): void {
    this.tick = tick;
    this.slider.value = String(tick);
    const ticks = this.sample.ticks;
    this.bodies.forEach((body, a) => {
      const [x, y] = [this.px(this.x[a * ticks.length + tick]!), this.py(this.y[a * ticks.length + tick]!)];
      for (const part of [body.dot, body.reach]) {
        part.setAttribute("cx", x.toFixed(2));
        part.setAttribute("cy", y.toFixed(2));
      }
      body.text?.setAttribute("x", x.toFixed(2));
      body.text?.setAttribute("y", y.toFixed(2));
      body.trail.setAttribute("d", this.path(a, tick));
    });
    const time = ticks[tick]! * this.scene.timeStep;
    this.slider.setAttribute("aria-valuetext", `${time.toFixed(2)} seconds`);
    this.showDistance(time);
    const { distance, first, second } = this.nearest[tick]!;
    const contact = this.scene.limits.find(l => l.name === this.scene.contact)!.pair;
    const touching = distance < contact;
    this.readout.replaceChildren(
      h("div", {}, h("strong", {}, `${time.toFixed(2)} s`), ` \u2013 tick ${ticks[tick]} of ${ticks[ticks.length - 1]}`),
      ...(Number.isFinite(distance) ? [h("div", { class: touching ? "bad" : "" }, `nearest pair ${distance.toFixed(3)} m (agents ${first + 1} and ${second + 1})${touching ? ", contact" : ""}`)] : []));
    if (Number.isFinite(distance)) {
      const [i, j] = [first * ticks.length + tick, second * ticks.length + tick];
      this.near.setAttribute("x1", this.px(this.x[i]!).toFixed(2));
      this.near.setAttribute("y1", this.py(this.y[i]!).toFixed(2));
      this.near.setAttribute("x2", this.px(this.x[j]!).toFixed(2));
      this.near.setAttribute("y2", this.py(this.y[j]!).toFixed(2));
      this.near.setAttribute("class", touching ? "near bad" : "near");
    }
  }

  private nearestAt(tick: number): { distance: number; first: number; second: number } {
    const { agents, ticks } = this.sample;
    const best = { distance: Infinity, first: 0, second: 0 };
    for (let a = 0; a < agents; a++) {
      for (let b = a + 1; b < agents; b++) {
        const [i, j] = [a * ticks.length + tick, b * ticks.length + tick];
        const distance = Math.hypot(this.x[i]! - this.x[j]!, this.y[i]! - this.y[j]!);
        if (distance < best.distance) {
          best.distance = distance; best.first = a; best.second = b;
        }
      }
    }
    return best;
  }

  private fixed(height: number): SVGElement[] {
    const { low, high, obstacles } = this.scene;
    const parts: SVGElement[] = [];
    if (low && high) {
      const end = (value: number | null | undefined, pixel: (v: number) => number, open: number) => value === null || value === undefined ? open : pixel(value);
      const [x0, x1] = [end(low[0], v => this.px(v), -9), end(high[0], v => this.px(v), width + 9)];
      const [y0, y1] = [end(high[1], v => this.py(v), -9), end(low[1], v => this.py(v), height + 9)];
      parts.push(s("rect", { class: "bounds", x: x0, y: y0, width: Math.max(x1 - x0, 0), height: Math.max(y1 - y0, 0) }));
    }
    return [...parts, ...obstacles.map(([x, y, r]) => s("circle", { class: "obstacle", cx: this.px(x), cy: this.py(y), r: r * this.scale }))];
  }

  private path(agent: number, to: number): string {
    const from = agent * this.sample.ticks.length;
    let d = "";
    for (let t = 0; t <= to; t++) {
      d += `${t === 0 ? "M" : "L"}${this.px(this.x[from + t]!).toFixed(1)} ${this.py(this.y[from + t]!).toFixed(1)}`;
    }
    return d;
  }

  private px(x: number): number {
    return (x - this.left) * this.scale;
  }

  private py(y: number): number {
    return (this.top - y) * this.scale;
  }
}

function coordinates(text: string, box: [number, number, number], from: number, count: number): [Float64Array, Float64Array] {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const [x, y] = [new Float64Array(count), new Float64Array(count)];
  for (let i = 0; i < count; i++) {
    const at = 4 * (from + i);
    x[i] = box[0] + box[2] * view.getUint16(at, true);
    y[i] = box[1] + box[2] * view.getUint16(at + 2, true);
  }
  return [x, y];
}
