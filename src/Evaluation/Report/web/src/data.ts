// What the program writes into the page: ReportData.cs, field by field.

/** Value, low and high end; null for what is not finite. */
export type Estimate = [number | null, number | null, number | null];

export interface Axis { name: string; labels: string[]; numbers?: number[] }

export interface Column { key: string; title: string; percent: boolean; better?: "higher" | "lower"; definition?: string; headline: boolean }

export interface Limit { name: string; pair: number; obstacle?: number }

export interface Scene {
  obstacles: [number, number, number][];
  low?: (number | null)[];
  high?: (number | null)[];
  limits: Limit[];
  contact: string;
  goalTolerance: number;
  timeStep: number;
  dimensions: number;
}

export interface Curve { at: number[]; shares: number[]; low: number[]; high: number[]; episodes: number }

export interface Curves { pair?: Curve; obstacle?: Curve; clearance?: Curve }

export interface Group {
  labels: string[];
  scenario: string;
  scene: number;
  agents: number;
  cells: number[];
  seeds: number;
  episodes: number;
  episodesText: string;
  values: Record<string, Estimate>;
  experts: Record<string, number>;
  modes?: { names: string[]; shares: Estimate[]; experts?: number[] };
  curves: Curves;
  expertCurves?: Curves;
}

export interface Episode { index: number; mode?: string; contact: boolean; missed: boolean; minimumPair?: number }

export interface Trajectories { box: [number, number, number]; agents: number; ticks: number[]; episodes: Episode[]; positions: string; goals: string }

export interface Cell {
  id: string;
  label: string;
  group?: number;
  values: Record<string, Estimate>;
  details: [string, string][];
  commands: [string, string][];
  error?: string;
  trajectories?: Trajectories;
}

export interface Profile { axis: string; label: string; score: string; runs: number; tasks: number; at: number[]; shares: Estimate[]; middle: Estimate }

export interface Comparison { axis: string; first: number; second: number; figure: string; difference: Estimate; pValue?: number; test: string }

export interface Report {
  title: string;
  origin: {
    command: string;
    reportCommand: string;
    version?: string;
    machine?: { cores: number; processor: string; system: string; runtime: string };
    episodes: number;
    asked: number;
    finished: number;
    failed: number;
    file?: string;
  };
  axes: Axis[];
  seedAxes: string[];
  columns: Column[];
  scenes: Scene[];
  groups: Group[];
  cells: Cell[];
  profiles: Profile[];
  comparisons: Comparison[];
  notes: string[];
}

/** The data island of this page. */
export function readReport(): Report {
  return JSON.parse(document.getElementById("data")!.textContent!) as Report;
}
