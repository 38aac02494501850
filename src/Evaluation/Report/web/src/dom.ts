import type { Column, Estimate } from "./data";

type Child = Node | string | number | null | undefined | false | Child[];
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>;

const svgNamespace = "http://www.w3.org/2000/svg";

/** Makes an element. Text becomes text nodes, never markup: labels come from files. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
export function s<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): SVGElementTagNameMap[K] {
  return fill(document.createElementNS(svgNamespace, tag), attributes, children);
}

function fill<E extends Element>(element: E, attributes: Attributes, children: Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      element.addEventListener(name, value);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  append(element, children);
  return element;
}

function append(element: Element, children: Child[]): void {
  for (const child of children) {
    if (Array.isArray(child)) {
      append(element, child);
    } else if (child !== null && child !== undefined && child !== false) {
      element.append(typeof child === "number" ? String(child) : child);
    }
  }
}

let choices = 0;

/** A labelled choice among texts. */
export function choice(label: string, options: { value: string; text: string }[], value: string, change: (value: string) => void): HTMLElement {
  const id = `choice${choices++}`;
  const select = h("select", { id, change: () => change(select.value) }, options.map(o => h("option", { value: o.value, selected: o.value === value }, o.text)));
  return h("span", { class: "choice" }, h("label", { for: id }, label), select);
}

/** One number as a reader wants it. */
export function format(column: Pick<Column, "percent"> | undefined, value: number | null | undefined): string {
  if (value === null || value === undefined) {
    return "\u2013";
  }
  return column?.percent ? `${(100 * value).toFixed(1)} %` : plain(value);
}

/** A number with three significant digits, without an exponent where that is readable. */
export function plain(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) {
    return value.toExponential(2);
  }
  return value.toFixed(size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

/** An interval, or nothing where there is none. */
export function interval(column: Column | undefined, estimate: Estimate): string {
  const [, low, high] = estimate;
  if (low === null || high === null) {
    return "";
  }
  return column?.percent ? `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}` : `${plain(low)} to ${plain(high)}`;
}

/** A p-value. */
export function probability(value: number): string {
  return value < 0.001 ? "< 0.001" : value.toFixed(3);
}

/** A section of the page with its heading. */
export function section(id: string, title: string, explanation: string, ...children: Child[]): HTMLElement {
  return h("section", { id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title), explanation.length > 0 && h("p", { class: "lead" }, explanation), ...children);
}
