// One tissue on the page: a run, its picture, and what lies over it.

import { type Cell, type Cells, type Column, type Levels, type Run, Source } from "./api";
import { type MapName, groundMap, rgb, short, table } from "./colors";
import { cssColor, make } from "./dom";
import type { Filter } from "./filter";
import { type Axis, type Clip, Scene } from "./scene";

const DAY = 1440;
export const DEAD = "#6b6f73";
export const NONE = "#a9b4be"; // of cells that have no value
const FADED = 0.82; // how far cells outside a highlighted clone go towards the ground

/** How cells and substrate are shown, in all panes alike. */
export interface Look {
  color: string; map: MapName; range: [number, number] | null;
  field: string; slice: { axis: Axis; share: number }; hidden: Set<string>; filter: Filter | null; clone: number | null;
  clip: { axis: "" | "x" | "y" | "z"; share: number; flip: boolean };
}

/** A frame as it came, before it is coloured. */
export interface Loaded {
  frame: number; cells: Cells; column: Column; levels: Levels; slice: Levels | null;
  clones: Levels | null; tested: Map<string, Levels>;
}

/** The last frame of a run not after a time. */
export function frameAt(run: Run, time: number): number {
  const after = run.times.findIndex((t) => t > time + 1e-6);
  return after < 0 ? run.times.length - 1 : Math.max(0, after - 1);
}

/** The layer of voxels that the slice of a look is in. */
export function layer(run: Run, { slice: { axis, share } }: Look): number {
  const n = run.shape["zyx".indexOf(axis)];
  return Math.min(n - 1, Math.floor(share * n));
}

/** Everything of a frame that a look shows. */
export async function load(source: Source, frame: number, look: Look): Promise<Loaded> {
  const { run } = source;
  const column = run.columns.find((c) => c.name === look.color) ?? run.columns[0];
  const coded = column.name === "type" || column.name === "status"; // in the bytes of the cells themselves
  const wanted = new Set(look.filter?.columns ?? []);
  const [cells, levels, slice, clones, ...tested] = await Promise.all([
    source.cells(frame),
    coded ? null : source.column(frame, column.name),
    run.fields.some((f) => f.name === look.field) ? source.field(frame, look.field, look.slice.axis, layer(run, look)) : null,
    look.clone !== null ? source.column(frame, "clone") : null,
    ...[...wanted].map((name) => source.column(frame, name)),
  ]);
  return {
    frame, cells, column, levels: levels ?? own(cells, column.name), slice, clones,
    tested: new Map([...wanted].map((name, k) => [name, tested[k] as Levels])),
  };
}

export class Pane {
  readonly scene: Scene;
  readonly root: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  loaded: Loaded | null = null;
  selected: string | null = null;
  private row = -1;
  private ring = make("div", { className: "ring", hidden: true });
  private scale = make("div", { className: "scale" }, make("span"), make("i"));
  private clock = make("p", { className: "clock" });
  frame = 0;

  constructor(readonly source: Source, label: string, home: () => void) {
    const { run } = source;
    this.canvas = make("canvas", { tabIndex: 0 });
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", `Tissue${label ? ` of run ${label}` : ""}. Click a cell to read it; drag to ${run.dim === 3 ? "turn" : "move"}, wheel to zoom; Enter reads the cell nearest the middle.`);
    const button = (text: string, name: string, act: () => void) => {
      const made = make("button", { textContent: text, title: name, onclick: act });
      made.setAttribute("aria-label", name);
      return made;
    };
    const zoom = make("div", { className: "zoom" },
      button("+", "Zoom in (+)", () => this.scene.zoom(1.3)), button("−", "Zoom out (-)", () => this.scene.zoom(1 / 1.3)), button("⤢", "Show all (0)", home));
    this.scale.setAttribute("aria-hidden", "true");
    this.root = make("div", { className: "pane" }, this.canvas, this.ring, this.scale, this.clock, zoom);
    if (label) this.root.append(make("p", { className: "name" }, make("b", { textContent: label, className: `run-${label}` }), ` ${run.file} · seed ${run.seed}`));
    document.getElementById("tissues")!.append(this.root);
    this.scene = new Scene(this.canvas, run);
    this.scene.onDraw = () => this.overlay();
  }

  get run(): Run { return this.source.run; }
  get time(): number { return this.run.times[this.frame]; }

  /** Draw what was loaded; `range` is that of the colours, `ground` that of the substrate. */
  async paint(loaded: Loaded, look: Look, range: [number, number], ground: [number, number]): Promise<void> {
    this.loaded = loaded;
    this.frame = loaded.frame;
    const map = groundMap(loaded.column.categories !== undefined);
    this.scene.setField(loaded.slice && rescaled(loaded.slice, ground), table(map), look.slice.axis, (layer(this.run, look) + 0.5) * this.run.voxel);
    this.scene.setCells(loaded.cells, this.radii(loaded, look), this.tints(loaded, look, range));
    this.scene.setClip(this.clip(look));
    this.told(loaded);
    this.row = this.selected ? (await this.source.cellOfId(loaded.frame, this.selected))?.row ?? -1 : -1;
    this.scene.draw();
  }

  /** Mark a cell that was read in the shown frame. */
  mark(cell: Cell | null): void {
    this.selected = cell?.id ?? null;
    this.row = cell?.row ?? -1;
    this.scene.draw();
  }

  /** Keep the marked cell in the middle of the picture. */
  follow(): void { if (this.row >= 0) this.scene.center(this.row); }

  theme(): void { this.scene.background(cssColor("--tissue"), cssColor("--tissue-line")); }

  /** The clip plane of the look at this tissue's size; null where there is none. */
  private clip(look: Look): Clip | null {
    const { axis, share, flip } = look.clip;
    return axis && this.run.dim === 3 ? { axis, at: share * this.run.size["xyz".indexOf(axis)], flip } : null;
  }

  private radii({ cells, tested }: Loaded, look: Look): Float32Array {
    if (look.hidden.size === 0 && !look.filter) return cells.radius;
    const hidden = this.run.types.map((t) => look.hidden.has(t.name));
    const test = look.filter?.bind(tested, cells);
    return cells.radius.map((r, i) => (hidden[cells.kind[i] & 15] || (test && !test(i)) ? 0 : r));
  }

  private tints({ cells, column, levels, clones }: Loaded, look: Look, range: [number, number]): Uint8Array {
    const palette = colors(column, levels, look.map, range);
    const [dead, ground] = [rgb(DEAD), rgb(cssColor("--tissue"))];
    const ink = new Uint8Array(4 * 4 * 256); // of each level; of the dead from 256, of other clones from 512
    for (let k = 0; k < 4 * 256; k++) {
      const [level, gone, away] = [k & 255, (k & 256) > 0, k & 512 ? FADED : 0];
      for (let c = 0; c < 3; c++) {
        const color = gone && column.name !== "status" ? dead[c] : palette[4 * level + c];
        ink[4 * k + c] = color + away * (ground[c] - color);
      }
      ink[4 * k + 3] = gone ? 150 : 255;
    }
    const [inks, tint] = [new Uint32Array(ink.buffer), new Uint32Array(cells.n)];
    for (let i = 0; i < cells.n; i++) {
      tint[i] = inks[levels.bytes[i] + (cells.kind[i] > 15 ? 256 : 0) + (clones && clones.bytes[i] !== look.clone ? 512 : 0)];
    }
    return new Uint8Array(tint.buffer);
  }

  private told({ cells, frame }: Loaded): void {
    let living = 0;
    for (let i = 0; i < cells.n; i++) living += Number(cells.kind[i] >> 4 === 0);
    const time = this.run.times[frame];
    this.clock.replaceChildren(`day ${(time / DAY).toFixed(2)}`, make("small", { textContent: `${living.toLocaleString("en")} living cells` }));
  }

  /** Move the ring of the chosen cell and the scale bar with the picture. */
  private overlay(): void {
    this.ring.hidden = this.row < 0;
    if (this.row >= 0 && this.loaded && this.row < this.loaded.cells.n) {
      const { x, y, r } = this.scene.project(this.row);
      const width = `${2 * Math.max(r, 3) + 8}px`;
      Object.assign(this.ring.style, { left: `${x}px`, top: `${y}px`, width, height: width });
    }
    this.scale.hidden = this.run.dim === 3;
    if (this.run.dim === 3) return;
    const { length, pixels } = this.bar();
    this.scale.querySelector("span")!.textContent = `${short(length)} µm`;
    this.scale.querySelector("i")!.style.width = `${pixels}px`;
  }

  private bar(): { length: number; pixels: number } {
    const wanted = 120 * this.scene.micrometresPerPixel;
    const power = 10 ** Math.floor(Math.log10(wanted));
    const length = [5, 2, 1].map((k) => k * power).find((l) => l <= wanted) ?? power;
    return { length, pixels: length / this.scene.micrometresPerPixel };
  }

  /** The picture with its time and scale bar, as a canvas of its own. */
  picture(): HTMLCanvasElement {
    const { canvas } = this;
    const copy = make("canvas", { width: canvas.width, height: canvas.height });
    const pen = copy.getContext("2d")!;
    this.scene.render();
    pen.drawImage(canvas, 0, 0);
    const ratio = canvas.width / canvas.clientWidth;
    pen.scale(ratio, ratio);
    pen.fillStyle = cssColor("--ink");
    pen.font = "600 20px system-ui, sans-serif";
    pen.fillText(`day ${(this.time / DAY).toFixed(2)}`, 14, 30);
    if (this.run.dim === 2) {
      const { length, pixels } = this.bar();
      pen.font = "12px system-ui, sans-serif";
      pen.fillText(`${short(length)} µm`, 16, canvas.clientHeight - 22);
      pen.fillRect(16, canvas.clientHeight - 16, pixels, 4);
    }
    return copy;
  }
}

/** Type or status as a column, from the bytes of the cells. */
function own(cells: Cells, name: string): Levels {
  const bytes = name === "type" ? cells.kind.map((k) => k & 15) : cells.kind.map((k) => k >> 4);
  return { bytes, range: [0, 254] };
}

/** The colour of each of the 256 levels of a column. */
function colors(column: Column, levels: Levels, map: MapName, [low, high]: [number, number]): Uint8Array {
  const out = new Uint8Array(256 * 4);
  const none = rgb(NONE);
  const scale = column.categories ? null : table(map);
  const [from, to] = levels.range;
  for (let level = 0; level < 256; level++) {
    let color: ArrayLike<number> = none;
    if (scale && level < 255) {
      const share = (from + (level / 254) * (to - from) - low) / (high - low || 1);
      const entry = 4 * Math.round(255 * Math.min(1, Math.max(0, share)));
      color = scale.subarray(entry, entry + 3);
    } else if (column.categories?.[level]) {
      color = rgb(column.categories[level].color);
    }
    out.set([color[0], color[1], color[2]], 4 * level);
  }
  return out;
}

/** The levels of a slice in another range. */
function rescaled({ bytes, range: [from, to] }: Levels, [low, high]: [number, number]): Uint8Array {
  if (from === low && to === high) return bytes;
  const turned = Uint8Array.from({ length: 256 }, (_, level) => {
    const share = (from + (level / 254) * (to - from) - low) / (high - low || 1);
    return level === 255 ? 255 : Math.round(254 * Math.min(1, Math.max(0, share)));
  });
  return bytes.map((level) => turned[level]);
}
