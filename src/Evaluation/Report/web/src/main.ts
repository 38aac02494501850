import "./style.css";
import { along, chart, curves, dots, expertLook, modes, type ModeBar, profiles, swatch } from "./charts";
import { type Cell, type Column, type Curves, type Estimate, type Group, readReport } from "./data";
import { choice, format, h, interval, probability, section } from "./dom";
import { Player } from "./player";
import { Slice } from "./slice";

const report = readReport();
const { axes, columns, groups, cells, origin } = report;
const column = new Map(columns.map(c => [c.key, c]));
const slice = new Slice(report);
const player = cells.some(c => c.trajectories) ? new Player(report) : null;
const contactColumn: Column = { key: "contact", title: "contact", percent: true, better: "lower", headline: false };

/** A part that is drawn again whenever what is compared changes. */
function live(draw: (again: () => void) => (Node | string)[]): HTMLElement {
  const place = h("div");
  const again = () => place.replaceChildren(...draw(again));
  slice.changed(again);
  again();
  return place;
}

function labelOf(group: Group): string {
  return axes.length === 0 ? group.scenario : axes.map((a, i) => `${a.name} ${group.labels[i]}`).join(", ");
}

/** A value with its interval, and what it is read beside: the experts' own value, or what chance alone gives. */
function estimateCell(of: Column | undefined, estimate: Estimate | undefined, expert: number | undefined, chance?: Estimate, without = ""): HTMLElement {
  if (!estimate) {
    return h("td", { class: "n muted" }, "\u2013");
  }
  return h("td", { class: "n" }, h("span", { class: "v" }, format(of, estimate[0])), h("span", { class: "i" }, interval(of, estimate) || without), expert !== undefined && h("span", { class: "i" }, `experts ${format(of, expert)}`),
    typeof chance?.[0] === "number" && h("span", { class: "i" }, `chance ${format(of, chance[0])}`));
}

function figureCell(of: Column, group: Group | undefined): HTMLElement {
  return estimateCell(of, group?.values[of.key], group?.experts[of.key], of.key === "modes.totalVariation" ? group?.values["modes.resamplingFloor"] : undefined);
}

// ---- Results

function results(): HTMLElement {
  const shown = new Set(columns.filter(c => c.headline).map(c => c.key));
  let sorted: { key: string; down: boolean } | null = null;
  const place = h("div", { class: "scroll" });
  const draw = () => {
    const of = columns.filter(c => shown.has(c.key));
    const value = (g: Group, key: string): string | number => {
      const axis = axes.findIndex(a => `axis ${a.name}` === key);
      return axis >= 0 ? axes[axis]!.labels.indexOf(g.labels[axis]!) : key === "scenario" ? g.scenario : key === "agents" ? g.agents : key === "seeds" ? g.seeds : key === "episodes" ? g.episodes : g.values[key]?.[0] ?? -Infinity;
    };
    const rows = [...groups];
    if (sorted) {
      const { key, down } = sorted;
      rows.sort((a, b) => { const [x, y] = [value(a, key), value(b, key)]; return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1); });
    }
    const head = (key: string, text: string, number: boolean, title?: string) => h("th", { scope: "col", class: number ? "n" : "", title, "aria-sort": sorted?.key === key ? (sorted.down ? "descending" : "ascending") : "none" },
      h("button", { type: "button", click: () => { sorted = { key, down: sorted?.key === key ? !sorted.down : number }; draw(); } }, text));
    const fixed = axes.length > 0 ? axes.map(a => head(`axis ${a.name}`, a.name, false)) : [head("scenario", "scenario", false)];
    const many = new Set(groups.map(g => g.agents)).size > 1 && !axes.some(a => a.name === "agents");
    place.replaceChildren(h("table", { "data-table": "results" },
      h("thead", {}, h("tr", {}, fixed, many && head("agents", "agents", true), head("seeds", "seeds", true), head("episodes", "episodes", true), of.map(c => head(c.key, c.title, true, c.definition)), h("th", {}, ""))),
      h("tbody", {}, rows.map(g => h("tr", {},
        axes.length > 0 ? g.labels.map((l, i) => i === 0 ? h("th", { scope: "row" }, l) : h("td", {}, l)) : h("th", { scope: "row" }, g.scenario),
        many && h("td", { class: "n" }, g.agents), h("td", { class: "n" }, g.seeds), h("td", { class: "n" }, g.episodesText),
        of.map(c => figureCell(c, g)),
        h("td", { class: "links" }, g.cells.map((c, i) => [i > 0 && " ", h("a", { href: `#cell=${cells[c]!.id}`, title: cells[c]!.label }, g.cells.length > 1 ? `${i > 0 ? "" : "cells "}${i + 1}` : "look closer")])))))));
  };
  draw();
  return section("results", "Results",
    "One row for cells that differ in nothing but the training seed; beneath each value its 95 % interval and the experts' own value. Of one cell: Wilson's interval for rates, the normal one for means. " +
    "Of several training seeds: the mean over seeds with Student's interval over seeds, for rates never narrower than Wilson's over all episodes. Column titles sort.",
    h("details", {}, h("summary", {}, "more figures"), h("div", { class: "checks" }, columns.map(c => {
      const box = h("input", { type: "checkbox", checked: shown.has(c.key), change: () => { if (box.checked) { shown.add(c.key); } else { shown.delete(c.key); } draw(); } });
      return h("label", {}, box, " ", c.title);
    }))), place);
}

// ---- Comparison

let figure = columns.find(c => c.headline)?.key ?? columns[0]?.key ?? "";
let across = "";

function figureChoice(): HTMLElement {
  return choice("figure", columns.map(c => ({ value: c.key, text: c.title })), figure, v => { figure = v; slice.notify(); });
}

function comparison(): HTMLElement {
  const place = h("div");
  const draw = () => {
    const of = column.get(figure)!;
    const others = axes.filter(a => a !== slice.axis && a.labels.length > 1);
    // Scenarios side by side, where there are several.
    if (!others.some(a => a.name === across)) {
      across = others.find(a => /^scenario/i.test(a.name))?.name ?? others.find(a => !a.numbers)?.name ?? others[0]?.name ?? "";
    }
    const facets = others.find(a => a.name === across)?.labels ?? [""];
    const at = (name: string, facet: string) => slice.group(name, facet ? { [across]: facet } : {});
    const data = slice.series.flatMap(s => facets.flatMap(f => {
      const g = at(s.name, f);
      const estimate = g?.values[of.key];
      return estimate ? [{ row: s.name, facet: f, estimate, look: s.look, expert: g!.experts[of.key] }] : [];
    }));
    place.replaceChildren(
      h("div", { class: "controls" }, figureChoice(), others.length > 1 && choice("beside each other", others.map(a => ({ value: a.name, text: a.name })), across, v => { across = v; draw(); })),
      h("div", { class: "scroll" }, h("table", { "data-table": "comparison" },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, slice.axis?.name ?? "scenario"), facets.map(f => h("th", { scope: "col", class: "n" }, f ? `${across} ${f}` : of.title)))),
        h("tbody", {}, slice.series.map(s => h("tr", {}, h("th", { scope: "row" }, s.name), facets.map(f => figureCell(of, at(s.name, f)))))))),
      data.length > 0 ? chart("comparison", `${of.title}: value and 95 % interval${data.some(d => d.expert !== undefined) ? "; the dashed tick is the experts' own" : ""}.`, dots(data, of, across)) : h("p", { class: "muted" }, "Nothing to draw: no row has these labels and this figure."));
  };
  slice.changed(draw);
  draw();
  return section("comparison", "Comparison", "What is chosen here holds for the charts below as well.", slice.element, place);
}

/** A difference of shares in percentage points, with its sign. */
function points(value: number | null): string {
  return value === null ? "\u2013" : `${value > 0 ? "+" : value < 0 ? "\u2212" : ""}${Math.abs(100 * value).toFixed(1)}`;
}

function tests(): HTMLElement | null {
  if (report.comparisons.length === 0) {
    return null;
  }
  return section("tests", "Differences",
    "Rows two by two that differ on the compared axis alone and whose episodes have the same starts and goals. Positive: the first has more of it. P-values are corrected by Holm's method for all comparisons of a figure on this axis. " +
    "A large p-value is no evidence that two are equal; it only says that these runs do not tell them apart.",
    live(() => {
      const rows = report.comparisons.filter(c => c.axis === slice.axis?.name);
      if (rows.length === 0) {
        return [h("p", { class: "muted" }, "No two rows that differ on this axis alone have common starts.")];
      }
      const all = h("tbody", {}, rows.map(c => {
        const of = c.figure === "contact" ? contactColumn : column.get(c.figure)!;
        const [first, second] = [groups[c.first]!, groups[c.second]!];
        const i = axes.findIndex(a => a.name === c.axis);
        const rest = axes.map((a, k) => k === i || a.labels.length < 2 ? "" : `${a.name} ${first.labels[k]}`).filter(t => t).join(", ");
        return h("tr", {}, h("th", { scope: "row" }, `${first.labels[i]} \u2212 ${second.labels[i]}`), h("td", {}, rest), h("td", {}, of.title), h("td", { class: "n" }, h("span", { class: "v" }, points(c.difference[0])), h("span", { class: "i" }, c.difference[1] === null || c.difference[2] === null ? "" : `${points(c.difference[1])} to ${points(c.difference[2])}`)), h("td", { class: "n" }, c.pValue === undefined ? "\u2013" : probability(c.pValue)), h("td", { class: "muted" }, c.test));
      }));
      return [h("div", { class: "scroll" }, h("table", { "data-table": "tests" }, h("thead", {}, h("tr", {}, ["difference", "with", "figure", "first \u2212 second [% points]", "p, Holm", "test"].map((t, i) => h("th", { scope: "col", class: i === 3 || i === 4 ? "n" : "" }, t)))), all))];
    }));
}

function alongAxes(): HTMLElement | null {
  const numeric = axes.filter(a => a.numbers);
  if (numeric.length === 0) {
    return null;
  }
  return section("along", "Along an axis", "How the chosen figure changes with a number: means or rates with their 95 % intervals, and the experts' own value where it is known.",
    live(() => numeric.map(axis => {
      const of = column.get(figure)!;
      const points = (groupAt: (label: string) => Group | undefined) => axis.labels.flatMap((l, i) => {
        const g = groupAt(l);
        const estimate = g?.values[of.key];
        return estimate ? [{ x: axis.numbers![i]!, estimate, expert: g!.experts[of.key] }] : [];
      }).sort((a, b) => a.x - b.x);
      const own = axis === slice.axis;
      const data = own
        ? [{ name: axis.name, look: slice.series[0]?.look ?? expertLook, points: points(l => slice.group(l)) }]
        : slice.series.map(s => ({ ...s, points: points(l => slice.group(s.name, { [axis.name]: l })) })).filter(s => s.points.length > 0);
      return h("div", {}, h("h3", {}, `${of.title} along ${axis.name}`), own ? "" : slice.legend(data.some(d => d.points.some(p => p.expert !== undefined))), chart("along", "", along(data, of, axis.name)));
    })));
}

function collisions(): HTMLElement | null {
  const kinds: { key: keyof Curves; text: string; label: string }[] = [
    { key: "pair", text: "of a pair of agents", label: "smallest distance of a pair [m]" },
    { key: "obstacle", text: "to an obstacle's centre", label: "smallest distance to an obstacle's centre [m]" },
    { key: "clearance", text: "beyond what is to be kept, both", label: "smallest clearance of pair and obstacle [m]" },
  ];
  const there = kinds.filter(k => groups.some(g => g.curves[k.key]));
  if (there.length === 0) {
    return null;
  }
  let kind = there[0]!;
  const part = live(again => {
    const data = slice.series.flatMap(s => { const points = slice.group(s.name)?.curves[kind.key]; return points ? [{ ...s, points }] : []; });
    const first = slice.series.map(s => slice.group(s.name)).find(g => g?.curves[kind.key]);
    const expert = first?.expertCurves?.[kind.key];
    const limits = first ? report.scenes[first.scene]!.limits : [];
    const marks = kind.key === "clearance" ? [{ x: 0, name: "to be kept" }] : limits.flatMap(l => { const x = kind.key === "pair" ? l.pair : l.obstacle; return x === undefined ? [] : [{ x, name: l.name }]; });
    return [
      h("div", { class: "controls" }, there.length > 1 && choice("distance", there.map(k => ({ value: k.key, text: k.text })), kind.key, v => { kind = there.find(k => k.key === v)!; again(); })),
      slice.legend(expert !== undefined),
      data.length > 0
        ? chart("curves", `Counted at ${data[0]!.points.at.length} thresholds from the smallest distance of each of ${data[0]!.points.episodes} episodes; the band is Wilson's 95 % interval at each. Dashed: the limits that the tables quote.`,
          curves([...data, ...(expert ? [{ name: "experts", look: expertLook, points: expert }] : [])], kind.label, marks))
        : h("p", { class: "muted" }, "No row with these labels has such distances."),
    ];
  });
  return section("collisions", "Collision curves", "Share of episodes in which the smallest distance stays below a threshold. A collision is a curve and not a number: lower is better everywhere, and curves that cross say that the quoted limit decides.", part);
}

function performance(): HTMLElement | null {
  if (report.profiles.length === 0) {
    return null;
  }
  let score = report.profiles[0]!.score;
  const titleOf = (key: string) => { const c = column.get(key)!; return c.better === "lower" ? `no ${c.title}` : c.title; };
  const part = live(again => {
    const here = report.profiles.filter(p => p.axis === slice.axis?.name);
    const scores = [...new Set(here.map(p => p.score))];
    const data = slice.series.flatMap(s => { const points = here.find(p => p.label === s.name && p.score === score); return points ? [{ ...s, points }] : []; });
    return [
      h("div", { class: "controls" }, choice("score", scores.map(k => ({ value: k, text: titleOf(k) })), score, v => { score = v; again(); })),
      slice.legend(),
      chart("profiles", "Bands: pointwise 95 % intervals of a bootstrap over runs, stratified by task (2,000 resamples). With few runs they are too narrow; of one run a task there are none.", profiles(data, titleOf(score))),
      h("div", { class: "scroll" }, h("table", { "data-table": "profiles" }, h("thead", {}, h("tr", {}, ["", "runs a task", "tasks", "interquartile mean of the score"].map((t, i) => h("th", { scope: "col", class: i > 0 ? "n" : "" }, t)))),
        h("tbody", {}, data.map(d => h("tr", {}, h("th", { scope: "row" }, d.name), h("td", { class: "n" }, d.points.runs), h("td", { class: "n" }, d.points.tasks), estimateCell(contactColumn, d.points.middle, undefined, undefined, d.points.runs === 1 ? "one run" : "no spread between runs")))))),
    ];
  });
  return section("profiles", "Performance profiles", "For each label of the compared axis: the share of its runs (training seeds x all that the other axes vary) whose score is above a threshold. A curve that lies above another everywhere is better by any summary.", part);
}

function modeShares(): HTMLElement | null {
  if (!groups.some(g => g.modes)) {
    return null;
  }
  const most = 10;
  const experts = "experts";
  return section("modes", "Joint modes", "Share of episodes in each joint mode, read off the geometry of all agents' paths together, beside the experts' own shares.",
    live(() => {
      const rows = slice.series.flatMap(s => { const g = slice.group(s.name); return g?.modes ? [{ ...s, g, m: g.modes }] : []; });
      const first = rows[0];
      if (!first) {
        return [h("p", { class: "muted" }, "No row with these labels tells modes apart.")];
      }
      const same = rows.filter(r => r.m.names.length === first.m.names.length);
      const own = same.find(r => r.m.experts)?.m.experts;
      const weight = (i: number) => Math.max(own?.[i] ?? 0, ...same.map(r => r.m.shares[i]![0] ?? 0));
      const indices = first.m.names.map((_, i) => i);
      const kept = new Set([...indices].sort((a, b) => weight(b) - weight(a)).slice(0, most).filter(i => weight(i) > 0));
      const bars: ModeBar[] = indices.filter(i => kept.has(i)).flatMap(i => [
        ...same.map(r => ({ mode: first.m.names[i]!, series: r.name, estimate: r.m.shares[i]!, look: r.look })),
        ...(own ? [{ mode: first.m.names[i]!, series: experts, estimate: [own[i]!, null, null] as Estimate, look: expertLook }] : []),
      ]);
      const left = indices.filter(i => !kept.has(i) && weight(i) > 0).length;
      return [
        slice.legend(),
        own ? h("div", { class: "legend" }, h("span", {}, swatch(expertLook), ` ${experts}`)) : h("p", { class: "muted" }, "The experts' shares are not known here."),
        chart("modes", left > 0 ? `The ${kept.size} commonest modes; ${left} more occur.` : "", modes(bars, [...same.map(r => r.name), ...(own ? [experts] : [])])),
      ];
    }));
}

// ---- One cell

function closer(): HTMLElement {
  const place = h("div");
  const show = (cell: Cell) => {
    const group = cell.group === undefined ? undefined : groups[cell.group];
    place.replaceChildren(
      h("div", { class: "controls" },
        choice("cell", cells.map(c => ({ value: c.id, text: c.label + (c.error ? " \u2013 failed" : "") })), cell.id, v => { location.hash = `cell=${v}`; }),
        player && cell.trajectories && h("button", { type: "button", click: () => { player.show(cell); document.getElementById("trajectories")!.scrollIntoView(); } }, "watch its episodes")),
      cell.error ? h("p", { class: "note bad" }, `It failed: ${cell.error}`) : "",
      h("div", { class: "two" },
        h("div", {}, h("h3", {}, "Figures"), h("div", { class: "scroll" }, h("table", { "data-table": "cell" },
          h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "figure"), ["value", "95 % interval", "experts"].map(t => h("th", { scope: "col", class: "n" }, t)))),
          h("tbody", {}, columns.filter(c => cell.values[c.key]).map(c => h("tr", {}, h("th", { scope: "row", title: c.definition }, c.title),
            h("td", { class: "n" }, format(c, cell.values[c.key]![0])), h("td", { class: "n" }, interval(c, cell.values[c.key]!)), h("td", { class: "n" }, group?.experts[c.key] === undefined ? "" : format(c, group.experts[c.key])))))))),
        h("div", {}, h("h3", {}, "What it is"), h("dl", {}, h("dt", {}, "id"), h("dd", {}, cell.id), cell.details.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
          cell.commands.map(([what, line]) => [h("h3", {}, `Command: ${what}`), h("pre", {}, line)]))));
  };
  const fromHash = (): Cell | undefined => cells.find(c => `#cell=${c.id}` === location.hash);
  addEventListener("hashchange", () => {
    const cell = fromHash();
    if (cell) {
      show(cell);
      document.getElementById("cell")!.scrollIntoView();
    }
  });
  show(fromHash() ?? cells.find(c => !c.error) ?? cells[0]!);
  return section("cell", "One cell", "All figures of one cell, what it was made from, and the line that makes it again.", place);
}

function making(): HTMLElement {
  const failed = cells.filter(c => c.error);
  const { machine } = origin;
  return section("making", "How it was made", "",
    h("h3", {}, "The runs"), h("pre", {}, origin.command),
    h("h3", {}, "This page"), h("pre", {}, origin.reportCommand),
    h("h3", {}, "Cells one by one"),
    h("details", {}, h("summary", {}, `${cells.length} ${cells.length === 1 ? "command" : "commands"}`), h("pre", {}, cells.flatMap(c => [`# ${c.label}`, ...c.commands.map(([, line]) => line)]).join("\n"))),
    failed.length > 0 && [h("h3", {}, "Cells that failed"), h("ul", {}, failed.map(c => h("li", {}, `${c.label}: `, h("span", { class: "bad" }, c.error))))],
    h("h3", {}, "On"),
    h("dl", {}, [["version", origin.version], ["processor", machine && `${machine.processor}, ${machine.cores} logical`], ["system", machine?.system], ["runtime", machine?.runtime]].flatMap(([n, v]) => v ? [h("dt", {}, n), h("dd", {}, v)] : [])),
    origin.file && [h("h3", {}, "The sweep's file"), h("details", {}, h("summary", {}, "show"), h("pre", {}, origin.file))]);
}

function definitions(): HTMLElement {
  const general: [string, string][] = [
    ["95 % interval", "A range made by a rule that catches the true value in 95 of 100 such experiments. It says nothing about what was not varied: with one training seed it is about that one model."],
    ["experts", "The demonstrations that policies learn from, measured by the same definitions. A figure that they would fail is not a headline."],
    ["cell, row", "A cell is one choice on every axis, run for all its episodes. A row takes cells together that differ only in the training seed."],
    ["episode", "All agents from their starts to the end of the time. Distances are read at the ticks, not between them."],
    ["common starts", "Episode k of every cell of one scenario begins from the same places with the same goals, so that differences are not luck of the draw."],
    ["interquartile mean", "Mean of the middle half of all scores; hardly moved by an outlier."],
  ];
  return section("definitions", "Definitions", "", h("dl", { class: "definitions" },
    [...general, ...columns.flatMap((c): [string, string][] => c.definition && !/^modes\.shares\.(?!1$)/.test(c.key) ? [[c.key.startsWith("modes.shares.") ? "share of a joint mode" : c.title, c.definition]] : [])].map(([name, text]) => [h("dt", {}, name), h("dd", {}, text)])));
}

// ---- The page

function theme(): HTMLElement {
  const root = document.documentElement;
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const button = h("button", { type: "button", id: "theme", click: () => { root.dataset.theme = dark() ? "light" : "dark"; name(); } });
  const name = () => { button.textContent = dark() ? "light" : "dark"; button.setAttribute("aria-label", `switch to ${dark() ? "light" : "dark"} colours`); };
  name();
  return button;
}

const parts = [
  results(), comparison(), tests(), alongAxes(), collisions(), performance(), modeShares(),
  player && section("trajectories", "Trajectories", "Some episodes of each cell, failures first. The slider and the arrow keys step; space plays.", player.element),
  closer(), making(), definitions(),
].filter((p): p is HTMLElement => p !== null);

document.body.append(
  h("header", {}, h("div", {}, h("h1", {}, report.title),
    h("p", { class: "muted" }, [
      origin.asked === 1 ? "one cell" : `${origin.finished} of ${origin.asked} cells finished${origin.failed > 0 ? `, ${origin.failed} failed` : ""}`,
      `${origin.episodes.toLocaleString("en")} episodes a cell`,
      ...(groups.length === 1 ? [labelOf(groups[0]!)] : []),
    ].join(" \u00b7 ")),
    report.notes.map(n => h("p", { class: "note" }, n))), theme()),
  h("nav", { "aria-label": "sections" }, h("ul", {}, parts.map(p => h("li", {}, h("a", { href: `#${p.id}` }, p.querySelector("h2")!.textContent))))),
  h("main", {}, parts),
  h("footer", {}, h("p", {}, "Written by mimicd report. The page is one file and loads nothing from anywhere.")));
if (location.hash.startsWith("#cell=")) {
  document.getElementById("cell")!.scrollIntoView();
}
