// The replay page: one run, its tissue, its time, its curves, and the cell that was clicked.

import "./app.css";
import { type Cells, type Column, type Curves, type Named, type Run, Source, listRuns } from "./api";
import { type MapName, gradient, rgb, short, table, units } from "./colors";
import { Curve, type Line } from "./curves";
import { byId, cssColor, make, options } from "./dom";
import { showCell, showNoCell } from "./inspector";
import { Scene } from "./scene";
import { Timeline } from "./timeline";

const DAY = 1440;
const UNSURE = 0.05; // share of cells outside the training domain that is worth a warning
const DEAD = rgb("#6b6f73");
const ACCENT = "--accent";

class Page {
  private scene: Scene;
  private timeline: Timeline;
  private curves: Curve[] = [];
  private data!: Curves;
  private hidden = new Set<number>();
  private selected: string | null = null;
  private selectedRow = -1;
  private color = "type";
  private field = "";
  private z: number;
  private cut = false;

  constructor(private source: Source, private run: Run) {
    this.z = Math.floor(run.shape[0] / 2);
    this.scene = new Scene(byId<HTMLCanvasElement>("canvas"), run);
    this.scene.onDraw = () => this.overlay();
    this.timeline = new Timeline(run, (frame) => this.show(frame));
    this.describe();
    this.controls();
    this.keys();
    this.picking();
    this.theme(localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
    this.timeline.go(this.fromAddress());
    void this.loadCurves();
  }

  /** Fetch and draw a frame. */
  private async show(frame: number): Promise<void> {
    try {
      const [cells, levels, slice] = await Promise.all([
        this.source.cells(frame), this.source.column(frame, this.color),
        this.field ? this.source.field(frame, this.field, this.z) : null,
      ]);
      const map: MapName = this.dark ? "deep" : "pale";
      this.scene.setField(slice?.bytes ?? null, table(map), (this.z + 0.5) * this.run.voxel);
      const column = this.column(this.color);
      this.scene.setCells(cells, this.radii(cells), this.tints(cells, levels.bytes, column));
      this.legends(column, levels.range, slice?.range ?? null, map);
      this.clock(frame, cells);
      if (this.selected) await this.readSelected(frame);
      byId("message").hidden = true;
    } catch (error) {
      this.timeline.pause();
      this.tell(error as Error);
    }
    this.toAddress();
  }

  private tell(error: Error): void {
    byId("message").textContent = error.message;
    byId("message").hidden = false;
  }

  private column(name: string): Column { return this.run.columns.find((c) => c.name === name) ?? this.run.columns[0]; }
  private get dark(): boolean { return document.documentElement.dataset.theme === "dark"; }

  private radii(cells: Cells): Float32Array {
    const top = this.cut ? (this.z + 0.5) * this.run.voxel : Infinity;
    return cells.radius.map((r, i) => (this.hidden.has(cells.kind[i] & 15) || cells.position[3 * i + 2] > top ? 0 : r));
  }

  private tints(cells: Cells, levels: Uint8Array, column: Column): Uint8Array {
    const map = column.categories ? null : table("viridis");
    const palette = column.categories?.map((c) => rgb(c.color)) ?? [];
    const tint = new Uint8Array(4 * cells.n);
    const showsDead = column.name === "status";
    for (let i = 0; i < cells.n; i++) {
      const level = levels[i];
      const dead = cells.kind[i] >> 4 > 0;
      const color = dead && !showsDead ? DEAD : map ? (level === 255 ? DEAD : map.subarray(4 * level, 4 * level + 3)) : palette[level] ?? DEAD;
      tint.set(color, 4 * i);
      tint[4 * i + 3] = dead ? 150 : 255;
    }
    return tint;
  }

  private legends(column: Column, range: [number, number], slice: [number, number] | null, map: MapName): void {
    const unit = units(column.units);
    byId("color-meaning").textContent = column.categories ? "" : column.meaning;
    byId("color-legend").replaceChildren(column.categories
      ? make("div", { className: "swatches" }, ...this.named(column).map(swatch))
      : ramp("viridis", range, unit));
    const field = this.run.fields.find((f) => f.name === this.field);
    byId("field-legend").replaceChildren(...(field && slice ? [ramp(map, slice, units(field.units))] : []));
  }

  /** The categories of a column that the run has, and the dead, who keep one colour. */
  private named(column: Column): Named[] {
    const names = column.name === "type" ? this.run.types.filter((t) => t.present) : column.categories!;
    return column.name === "status" ? names : [...names, { name: "dead", color: "#6b6f73" }];
  }

  private clock(frame: number, cells: Cells): void {
    const time = this.run.times[frame];
    const living = cells.kind.reduce((n, kind) => n + (kind >> 4 === 0 ? 1 : 0), 0);
    byId("clock").replaceChildren(`day ${(time / DAY).toFixed(2)}`, make("small", { textContent: `${living} living cells` }));
    this.curves.forEach((curve) => curve.at(time));
    this.warn(time);
  }

  private warn(time: number): void {
    const share = this.metric("share_out_of_domain");
    const times = this.metric("time");
    if (!share || !times) return;
    const after = times.findIndex((t) => (t ?? 0) > time);
    const now = share[after < 0 ? share.length - 1 : Math.max(0, after - 1)] ?? 0;
    byId("warning").hidden = now < UNSURE;
    byId("warning").textContent = `⚠ ${(100 * now).toFixed(0)} % of cells outside the network's training domain`;
  }

  private metric(name: string): (number | null)[] | undefined {
    return this.data?.metrics.find((m) => m.name === name)?.values;
  }

  private async loadCurves(): Promise<void> {
    this.data = await this.source.curves();
    const seek = (time: number) => this.timeline.seek(time);
    const times = (this.metric("time") ?? []) as number[];
    const [burden, drug, free] = ["burden", "drug", "free"].map((id) => new Curve(byId(id), this.run.treatments, seek));
    this.curves = [burden, drug, free];
    burden.show(this.run.times, this.data.clones.map((c) => ({ label: c.name, color: c.color, values: c.values })), "cells");
    const found = this.data.metrics.filter((m) => /^(plasma|tissue)_/.test(m.name));
    const tissueUnit = found.find((m) => m.name.startsWith("tissue_"))?.units;
    const lines = found.map((m): Line => {
      const [where, ...name] = m.name.split("_");
      const color = this.run.treatments.find((t) => t.drug === name.join("_"))?.color ?? ACCENT;
      return where === "plasma"
        ? { label: `${name.join("_")} in plasma`, color, values: m.values }
        : { label: `in tumor, ${units(m.units)}`, color, values: m.values, scale: m.units === tissueUnit ? "right" : m.units, dash: [6, 4] };
    });
    if (lines.length > 0) {
      drug.show(times, lines, "plasma mg/L", tissueUnit ? `tumor ${units(tissueUnit)}` : undefined);
    } else {
      byId("drug-title").textContent = "Oxygen at tumor cells (no drug was given)";
      drug.show(times, [{ label: "oxygen", color: ACCENT, values: this.metric("oxygen_tumor") ?? [] }], "mmHg");
    }
    const choice = byId<HTMLSelectElement>("curve");
    const names = this.data.metrics.map((m) => m.name).filter((n) => n !== "time");
    options(choice, new Map([["", names.map((n): [string, string] => [n, n.replaceAll("_", " ")])]]), "phase_S");
    const pick = () => {
      const metric = this.data.metrics.find((m) => m.name === choice.value)!;
      free.show(times, [{ label: metric.name, color: ACCENT, values: metric.values }], units(metric.units));
      free.at(this.timeline.time);
    };
    choice.onchange = pick;
    pick();
    this.curves.forEach((curve) => curve.at(this.timeline.time));
    this.warn(this.timeline.time);
  }

  private describe(): void {
    const run = this.run;
    document.title = `${run.name} – tme-sim replay`;
    byId("title").textContent = run.name.replaceAll("_", " ");
    const size = (run.dim === 3 ? run.size : run.size.slice(0, 2)).map(short).join(" × ");
    const state = run.complete ? run.reason : "incomplete";
    byId("facts").textContent = `seed ${run.seed} · ${size} µm · ${run.times.length} frames to day ${short(run.times[run.times.length - 1] / DAY)} · ${run.provenance.surrogate} · ended by: ${state}`;
    const label: Record<string, string> = { column: "Body", node: "Signaling state", output: "Decisions", input: "Senses" };
    const groups = new Map<string, [string, string][]>();
    for (const c of run.columns) {
      const list = groups.get(label[c.source]) ?? [];
      groups.set(label[c.source], [...list, [c.name, c.name.replace(/^\w+:/, "").replaceAll("_", " ")]]);
    }
    options(byId("color"), groups, this.color);
    const drug = run.fields.find((f) => run.treatments.some((t) => t.drug === f.name));
    this.field = (drug ?? run.fields[0])?.name ?? "";
    options(byId("field"), new Map([["", [["", "none"], ...run.fields.map((f): [string, string] => [f.name, f.name])]]]), this.field);
  }

  private controls(): void {
    const again = () => this.timeline.go(this.timeline.frame);
    byId<HTMLSelectElement>("color").onchange = (e) => { this.color = (e.target as HTMLSelectElement).value; again(); };
    byId<HTMLSelectElement>("field").onchange = (e) => { this.field = (e.target as HTMLSelectElement).value; again(); };
    this.run.types.forEach((type, code) => {
      const box = make("input", { type: "checkbox", checked: true });
      box.onchange = () => { if (box.checked) this.hidden.delete(code); else this.hidden.add(code); again(); };
      if (type.present) byId("types").append(make("label", { className: "check" }, box, type.name));
    });
    if (this.run.dim === 3) {
      const slice = byId<HTMLInputElement>("slice");
      slice.max = String(this.run.shape[0] - 1);
      slice.value = String(this.z);
      const place = () => { byId("slice-place").textContent = `${short((this.z + 0.5) * this.run.voxel)} µm`; };
      slice.oninput = () => { this.z = Number(slice.value); place(); again(); };
      byId<HTMLInputElement>("cut").onchange = (e) => { this.cut = (e.target as HTMLInputElement).checked; again(); };
      byId("slice-choice").hidden = byId("cut-choice").hidden = false;
      place();
    }
    byId("zoom-in").onclick = () => this.scene.zoom(1.3);
    byId("zoom-out").onclick = () => this.scene.zoom(1 / 1.3);
    byId("zoom-home").onclick = () => this.scene.home();
    byId("theme").onclick = () => this.theme(this.dark ? "light" : "dark", true);
    byId("picture").onclick = () => this.savePicture();
  }

  private keys(): void {
    const actions: Record<string, () => void> = {
      " ": () => this.timeline.toggle(), ArrowLeft: () => this.timeline.step(-1), ArrowRight: () => this.timeline.step(1),
      Home: () => this.timeline.go(0), End: () => this.timeline.go(Infinity),
      "[": () => this.timeline.event(-1), "]": () => this.timeline.event(1),
      "+": () => this.scene.zoom(1.3), "-": () => this.scene.zoom(1 / 1.3), "0": () => this.scene.home(),
      d: () => this.theme(this.dark ? "light" : "dark", true), p: () => this.savePicture(),
      Escape: () => this.select(null),
    };
    addEventListener("keydown", (event) => {
      const target = event.target as HTMLElement;
      const typing = target.matches("select, input[type=checkbox], input#slice") || (event.key === " " && target.matches("button"));
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      const action = actions[event.key];
      if (action) { event.preventDefault(); action(); }
    });
  }

  private picking(): void {
    const canvas = byId<HTMLCanvasElement>("canvas");
    let down = [0, 0];
    canvas.addEventListener("pointerdown", (e) => { down = [e.offsetX, e.offsetY]; });
    canvas.addEventListener("click", (e) => {
      if (Math.hypot(e.offsetX - down[0], e.offsetY - down[1]) > 4) return;
      const row = this.scene.pick(e.offsetX, e.offsetY);
      if (row < 0) return this.select(null);
      this.source.cell(this.timeline.frame, row).then((cell) => this.select(cell.id), (error: Error) => this.tell(error));
    });
  }

  private select(id: string | null): void {
    this.selected = id;
    this.selectedRow = -1;
    if (id === null) {
      showNoCell("Click a cell to read it.");
      this.scene.draw();
      this.toAddress();
    } else {
      this.timeline.go(this.timeline.frame);
    }
  }

  private async readSelected(frame: number): Promise<void> {
    const cell = await this.source.cellOfId(frame, this.selected!);
    this.selectedRow = cell?.row ?? -1;
    if (cell) showCell(cell, (id) => this.select(id));
    else showNoCell("The chosen cell is not there at this time.");
    this.scene.draw();
  }

  /** Move the ring of the chosen cell and the scale bar with the picture. */
  private overlay(): void {
    const ring = byId("ring");
    ring.hidden = this.selectedRow < 0;
    if (this.selectedRow >= 0) {
      const { x, y, r } = this.scene.project(this.selectedRow);
      const width = `${2 * Math.max(r, 3) + 8}px`;
      Object.assign(ring.style, { left: `${x}px`, top: `${y}px`, width, height: width });
    }
    const scale = byId("scale");
    scale.hidden = this.run.dim === 3;
    if (this.run.dim === 3) return;
    const wanted = 120 * this.scene.micrometresPerPixel;
    const power = 10 ** Math.floor(Math.log10(wanted));
    const length = [5, 2, 1].map((k) => k * power).find((l) => l <= wanted) ?? power;
    scale.querySelector("span")!.textContent = `${short(length)} µm`;
    scale.querySelector("i")!.style.width = `${length / this.scene.micrometresPerPixel}px`;
  }

  private theme(name: string, keep = false): void {
    document.documentElement.dataset.theme = name;
    if (keep) localStorage.setItem("theme", name);
    this.scene.background(cssColor("--tissue"), cssColor("--tissue-line"));
    this.curves.forEach((curve) => curve.restyle());
    if (this.data) this.timeline.go(this.timeline.frame);
  }

  private savePicture(): void {
    const day = (this.timeline.time / DAY).toFixed(2);
    make("a", { href: this.scene.picture(), download: `${this.run.name}-day-${day}.png` }).click();
  }

  /** The address keeps time, colour, layer and selection, so that it can be sent. */
  private toAddress(): void {
    const kept = new URLSearchParams({ t: String(this.timeline.time), color: this.color, field: this.field });
    if (this.selected) kept.set("cell", this.selected);
    history.replaceState(null, "", `${location.search}#${kept}`);
  }

  private fromAddress(): number {
    const kept = new URLSearchParams(location.hash.slice(1));
    const color = kept.get("color");
    if (color && this.run.columns.some((c) => c.name === color)) this.color = color;
    const field = kept.get("field");
    if (field !== null && (field === "" || this.run.fields.some((f) => f.name === field))) this.field = field;
    byId<HTMLSelectElement>("color").value = this.color;
    byId<HTMLSelectElement>("field").value = this.field;
    if (/^\d+$/.test(kept.get("cell") ?? "")) this.selected = kept.get("cell");
    const time = Number(kept.get("t") ?? 0);
    const after = this.run.times.findIndex((t) => t > time);
    return after < 0 ? this.run.times.length - 1 : Math.max(0, after - 1);
  }
}

function swatch(named: { name: string; color: string }): HTMLElement {
  const dot = make("b");
  dot.style.background = named.color;
  return make("div", { className: "swatch" }, dot, make("span", { textContent: named.name, title: named.name }));
}

function ramp(map: MapName, [low, high]: [number, number], unit: string): HTMLElement {
  const bar = make("div", { className: "ramp" });
  bar.style.background = gradient(map);
  const ends = make("div", { className: "ends" }, make("span", { textContent: short(low) }), make("span", { textContent: unit }), make("span", { textContent: short(high) }));
  return make("div", {}, bar, ends);
}

async function start(): Promise<void> {
  const runs = await listRuns();
  const chosen = Math.min(runs.length - 1, Number(new URLSearchParams(location.search).get("run") ?? 0) || 0);
  if (runs.length > 1) {
    const choice = byId<HTMLSelectElement>("run");
    options(choice, new Map([["", runs.map((r, k): [string, string] => [String(k), `${r.file} (seed ${r.seed})`])]]), String(chosen));
    choice.onchange = () => { location.href = `/?run=${choice.value}`; };
    byId("run-choice").hidden = false;
  }
  const source = new Source(chosen);
  new Page(source, await source.open());
  document.documentElement.dataset.ready = "yes";
}

start().catch((error: Error) => {
  byId("message").textContent = error.message;
  byId("message").hidden = false;
});
