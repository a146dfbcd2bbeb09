// The signaling state of a cell, drawn: nodes filled by their level, edges as strong as their source.

import type { Cell, Edge, Wiring } from "./api";
import { plain, short, table, units } from "./colors";
import { make } from "./dom";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 312;
const ROW = 50;
const PER_ROW = 5;
const MOST_HERE = 50; // units that the panel has room for
const NODE_HEIGHT = 20;
export const ACTIVE = 0.4; // level of its source from which an edge counts as active
export const LAYERS = ["mutation", "input", "receptor", "drug target", "signaling", "feedback", "immune", "stroma", "endothelium", "hypoxia", "metabolism", "memory", "transcription", "damage", "cycle", "death", "output"];
const SHORT_NAMES: Record<string, string> = { growth_rate: "growth", g1s_rate: "enter S", apoptosis_rate: "apoptosis", kill_rate: "kill", PERSISTER: "PERSIST" };

export interface Unit { name: string; kind: "input" | "mutation" | "node" | "output"; level: number | null; text: string; x: number; y: number }

/** The part of a run's wiring that a cell has, with its levels. */
export interface State { units: Unit[]; known: Map<string, Unit>; edges: Edge[]; layers: Map<string, string> }

export function stateOf(cell: Cell, wiring: Wiring): State {
  const units = [...sensed(cell, wiring), ...inside(cell, wiring)];
  const known = new Map(units.map((u) => [u.name, u]));
  const edges = wiring.edges.filter((e) => known.has(e.source) && known.has(e.target));
  const inner = new Map(wiring.nodes.map((n) => [n.name, n.layer]));
  const layers = new Map(units.map((u) => [u.name, inner.get(u.name) ?? u.kind]));
  return { units, known, edges, layers };
}

/** The network of a cell: an SVG and a line that says what the strengths mean. */
export function network(cell: Cell, wiring: Wiring, enlarge: () => void): HTMLElement {
  const state = stateOf(cell, wiring);
  const { units, known, edges } = state;
  const active = edges.filter((e) => strength(known.get(e.source)!) >= ACTIVE);
  const told = `${active.length} of ${edges.length} connections active (source ≥ ${ACTIVE}).`;
  const open = make("button", { textContent: "Enlarge", title: "Large, by layers, to search and zoom (N)", onclick: enlarge });
  open.id = "network-open";
  if (units.length > MOST_HERE) {
    return make("div", {}, make("p", { className: "quiet small" }, `${units.length} nodes, senses and decisions are recorded: too many to draw here. ${told}`), open);
  }
  const rows = arranged(state);
  const height = rows.length * ROW + 6;
  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", class: "network" });
  const title = element("title");
  title.textContent = `Signaling network: ${active.length} of ${edges.length} connections active. ${units.map((u) => `${plain(u.name)} ${u.text}`).join(", ")}`;
  svg.append(title, markers("small"));
  const ordered = [...edges].sort((a, b) => strength(known.get(a.source)!) - strength(known.get(b.source)!));
  svg.append(...ordered.map((edge) => line(edge, known)), ...units.map((unit) => node(unit, () => svg.querySelectorAll<SVGElement>(".edge"))));
  const key = make("p", { className: "quiet small" }, `${told} Arrow: activates; bar: inhibits; dashed: over nodes that are not recorded.`);
  return make("div", {}, svg as unknown as HTMLElement, key, open);
}

function sensed(cell: Cell, wiring: Wiring): Unit[] {
  const inputs = wiring.inputs.map((input): Unit => {
    const recorded = cell.columns[`input:${input.name}`] ?? cell.columns[input.name];
    const sense = cell.senses.find((s) => s.name === input.name);
    const value = typeof recorded === "number" ? recorded : sense?.value ?? null;
    const level = value === null ? null : transformed(value, input);
    return { name: input.name, kind: "input", level, text: value === null ? "not known" : `${short(value)} ${units(sense?.units ?? "1")}`.trim(), x: 0, y: 0 };
  });
  const used = new Set(wiring.edges.map((e) => e.source));
  const mutated = cell.genotype.filter((g) => used.has(g));
  return [...inputs.filter((i) => used.has(i.name)), ...mutated.map((name): Unit => ({ name, kind: "mutation", level: 1, text: effect(wiring.mutations[name]), x: 0, y: 0 }))];
}

function inside(cell: Cell, wiring: Wiring): Unit[] {
  const read = (name: string, source: string) => {
    const value = cell.columns[`${source}:${name}`] ?? cell.columns[name];
    return typeof value === "number" ? value : null;
  };
  const nodes = wiring.nodes.map(({ name }): Unit => {
    const level = read(name, "node");
    return { name, kind: "node", level, text: level === null ? "not known" : level.toFixed(2), x: 0, y: 0 };
  });
  const outputs = wiring.outputs.map(({ name, high }): Unit => {
    const value = read(name, "output");
    return { name, kind: "output", level: value === null ? null : Math.min(1, value / high), text: value === null ? "not known" : short(value), x: 0, y: 0 };
  });
  return [...nodes, ...outputs];
}

/** As surrogates.channels.transform_value. */
function transformed(value: number, { transform, a, b }: Wiring["inputs"][number]): number {
  const c = Math.max(value, 0);
  if (transform === "saturating") return c / (c + a);
  if (transform === "log") return Math.min(1, Math.log(1 + c / a) / Math.log(1 + b / a));
  return Math.min(1, Math.max(0, (value - a) / (b - a)));
}

/** Rows from what is sensed to what is decided; within a row near what they are connected to. */
function arranged({ units, edges, layers }: State): Unit[][] {
  const rank = (u: Unit) => LAYERS.indexOf(layers.get(u.name)!);
  const split = (list: Unit[]) => {
    const n = Math.ceil(list.length / PER_ROW);
    return Array.from({ length: n }, (_, k) => list.slice(Math.round((k * list.length) / n), Math.round(((k + 1) * list.length) / n)));
  };
  const of = (kinds: string[]) => units.filter((u) => kinds.includes(u.kind)).sort((a, b) => rank(a) - rank(b));
  const rows = [...split(of(["input", "mutation"])), ...split(of(["node"])), ...split(of(["output"]))];
  place(rows);
  for (let sweep = 0; sweep < 6; sweep++) {
    for (const row of rows) {
      const pull = (u: Unit) => {
        const near = edges.filter((e) => e.source === u.name || e.target === u.name)
          .map((e) => units.find((v) => v.name === (e.source === u.name ? e.target : e.source))!);
        return near.length ? near.reduce((sum, v) => sum + v.x, 0) / near.length : u.x;
      };
      const wanted = new Map(row.map((u) => [u, pull(u)]));
      row.sort((a, b) => wanted.get(a)! - wanted.get(b)!);
    }
    place(rows);
  }
  return rows;
}

function place(rows: Unit[][]): void {
  rows.forEach((row, r) => row.forEach((unit, k) => {
    unit.x = ((k + 0.5) / row.length) * WIDTH;
    unit.y = r * ROW + 20;
  }));
}

export function strength(unit: Unit): number { return unit.level ?? 0; }

/** What a mutation does, where it is one of the scenario's own. */
function effect(changes: Record<string, { times?: number; held?: number }> | undefined): string {
  if (!changes) return "altered";
  return Object.entries(changes).map(([name, { times, held }]) => (held === undefined ? `${name} × ${short(times!)}` : `${name} held at ${short(held)}`)).join(", ");
}

export function says(edge: Edge): string {
  return `${edge.source} ${edge.sign > 0 ? "activates" : "inhibits"} ${edge.target}${edge.via.length ? ` over ${edge.via.join(", ")}` : ""}`;
}

function line(edge: Edge, known: Map<string, Unit>): SVGElement {
  const [from, to] = [known.get(edge.source)!, known.get(edge.target)!];
  const level = strength(from);
  const down = to.y >= from.y ? 1 : -1;
  const same = to.y === from.y;
  const [y0, y1] = same ? [from.y - NODE_HEIGHT / 2, to.y - NODE_HEIGHT / 2 - 3] : [from.y + (down * NODE_HEIGHT) / 2, to.y - down * (NODE_HEIGHT / 2 + 3)];
  const bend = same ? -16 : (y1 - y0) * 0.5;
  return drawn(edge, level, `M${from.x} ${y0} C${from.x} ${y0 + bend} ${to.x} ${y1 - (same ? 16 : bend)} ${to.x} ${y1}`.replace(/--/g, ""), "small");
}

/** A connection along a path: as strong as its source, its end and colour tell its sign. */
export function drawn(edge: Edge, level: number, d: string, size: Size): SVGElement {
  const path = element("path", {
    d, class: `edge ${edge.sign > 0 ? "on" : "off"}`,
    "stroke-width": String(0.8 + 1.8 * level),
    opacity: String(level >= ACTIVE ? 0.45 + 0.5 * level : 0.13),
    "marker-end": `url(#${edge.sign > 0 ? "activates" : "inhibits"}-${size})`,
    "data-source": edge.source, "data-target": edge.target,
  });
  if (edge.via.length) path.setAttribute("stroke-dasharray", "4 3");
  const title = element("title");
  title.textContent = says(edge);
  path.append(title);
  return path;
}

function node(unit: Unit, edges: () => NodeListOf<SVGElement>): SVGElement {
  const name = SHORT_NAMES[unit.name] ?? unit.name;
  const width = Math.min(60, Math.max(34, 6.3 * name.length + 8));
  const group = element("g", { class: `unit ${unit.kind}`, transform: `translate(${unit.x} ${unit.y})` });
  const { fill, ink } = filled(strength(unit));
  const box = element("rect", { x: String(-width / 2), y: String(-NODE_HEIGHT / 2), width: String(width), height: String(NODE_HEIGHT), rx: unit.kind === "node" ? "10" : "3", fill });
  const label = element("text", { y: "3.5", fill: ink });
  if (name.length > 9) label.setAttribute("textLength", String(width - 6));
  if (name.length > 9) label.setAttribute("lengthAdjust", "spacingAndGlyphs");
  label.textContent = name;
  const value = element("text", { y: String(NODE_HEIGHT / 2 + 9), class: "value" });
  value.textContent = unit.text;
  const title = element("title");
  title.textContent = `${plain(unit.name)}: ${unit.text}`;
  group.append(title, box, label, value);
  const near = (on: boolean) => edges().forEach((e) => e.classList.toggle("near", on && (e.dataset.source === unit.name || e.dataset.target === unit.name)));
  group.addEventListener("pointerenter", () => near(true));
  group.addEventListener("pointerleave", () => near(false));
  return group;
}

/** The colour of a level, and the ink that reads best on it. */
export function filled(level: number): { fill: string; ink: string } {
  const at = 4 * Math.round(255 * Math.min(1, Math.max(0, level)));
  const color = [...table("viridis").subarray(at, at + 3)];
  const [r, g, b] = color.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  const light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return { fill: `rgb(${color.join(" ")})`, ink: light > 0.18 ? "#05080c" : "#ffffff" }; // 0.18: as far from both
}

export type Size = "small" | "large";

export function markers(size: Size): SVGElement {
  const defs = element("defs");
  const wide = size === "small" ? "7" : "10";
  const arrow = element("marker", { id: `activates-${size}`, viewBox: "0 0 8 8", refX: "6", refY: "4", markerWidth: wide, markerHeight: wide, orient: "auto", markerUnits: "userSpaceOnUse" });
  arrow.append(element("path", { d: "M0 0L8 4L0 8z", class: "on-fill" }));
  const bar = element("marker", { id: `inhibits-${size}`, viewBox: "0 0 8 8", refX: "4", refY: "4", markerWidth: wide, markerHeight: wide, orient: "auto", markerUnits: "userSpaceOnUse" });
  bar.append(element("path", { d: "M3 0h2v8h-2z", class: "off-fill" }));
  defs.append(arrow, bar);
  return defs;
}

export function element(name: string, attributes: Record<string, string> = {}): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made as SVGElement;
}
