import type { Axis, Group, Report } from "./data";
import { choice, h } from "./dom";
import { type Look, look, mostSeries, swatch } from "./charts";

/** What is compared: one axis whose labels are the series, and a label of every other axis that stays fixed. */
export class Slice {
  readonly element = h("div");
  private readonly hidden = new Set<string>();
  private readonly listeners: (() => void)[] = [];
  private readonly fixed: string[];
  private at: number;

  constructor(private readonly report: Report) {
    const { axes } = report;
    // A reader first wants methods compared, then anything that is no number.
    const rank = (a: Axis) => (/^(method|policy|model)s?$/i.test(a.name) ? 0 : a.numbers ? 2 : 1) + (a.labels.length > 1 ? 0 : 3);
    this.at = axes.map((a, i) => ({ i, r: rank(a) })).sort((x, y) => x.r - y.r || x.i - y.i)[0]?.i ?? -1;
    this.fixed = [...(report.groups[0]?.labels ?? [])];
    this.draw();
  }

  get axis(): Axis | undefined {
    return this.report.axes[this.at];
  }

  changed(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Has everything that shows what is compared drawn again. */
  notify(): void {
    this.listeners.forEach(l => l());
  }

  /** The compared labels with their looks, those that a reader switched off left out. */
  get series(): { name: string; look: Look }[] {
    return this.all.filter(s => !this.hidden.has(s.name));
  }

  /** The row of a label; other axes as they are fixed, but for those given. */
  group(label: string, other: Record<string, string> = {}): Group | undefined {
    return this.report.groups.find(g => g.labels.every((l, i) => {
      const axis = this.report.axes[i]!;
      return l === (i === this.at ? label : other[axis.name] ?? this.fixed[i]);
    }));
  }

  /** A legend that switches series on and off. */
  legend(experts = false): HTMLElement {
    return h("fieldset", { class: "legend", "aria-label": "series" },
      this.all.length > 1 && this.all.map(s => {
        const box = h("input", { type: "checkbox", checked: !this.hidden.has(s.name), change: () => { this.toggle(s.name, !box.checked); } });
        return h("label", {}, box, swatch(s.look), s.name);
      }),
      experts && h("span", { class: "muted" }, "dotted: the experts"));
  }

  private get all(): { name: string; look: Look }[] {
    return (this.axis?.labels ?? [this.report.title]).map((name, i) => ({ name, look: look(i) }));
  }

  private toggle(name: string, off: boolean): void {
    if (off) { this.hidden.add(name); } else { this.hidden.delete(name); }
    this.notify();
  }

  private choose(axis: number): void {
    this.at = axis;
    this.hidden.clear();
    this.all.slice(mostSeries).forEach(s => this.hidden.add(s.name));
    this.draw();
    this.notify();
  }

  private draw(): void {
    const { axes } = this.report;
    if (this.at >= 0 && this.hidden.size === 0) {
      this.all.slice(mostSeries).forEach(s => this.hidden.add(s.name));
    }
    this.element.replaceChildren(h("div", { class: "controls" },
      axes.length > 1 && choice("compare", axes.map((a, i) => ({ value: String(i), text: a.name })), String(this.at), v => this.choose(Number(v))),
      axes.map((a, i) => i !== this.at && a.labels.length > 1 && choice(a.name, a.labels.map(l => ({ value: l, text: l })), this.fixed[i]!, v => {
        this.fixed[i] = v;
        this.notify();
      }))));
  }
}
