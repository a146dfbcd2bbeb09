// What is told of a run, by a server or by the page's own file, and a bounded memory of it.

import type { Axis } from "./scene";

export interface Named { name: string; color: string }
export interface Column {
  name: string; units: string; meaning: string; source: string; categories?: Named[];
}
export interface Field { name: string; units: string }
export interface Treatment {
  drug: string; start: number; end: number; doses: number[]; color: string;
}
export interface RunEvent { time: number; kind: string; text: string }
export interface Edge { source: string; target: string; sign: number; via: string[] }
export interface Wiring {
  nodes: { name: string; layer: string }[];
  inputs: { name: string; transform: "saturating" | "log" | "ramp"; a: number; b: number }[];
  outputs: { name: string; high: number }[];
  /** Of the scenario's own: what each does to which nodes. */
  mutations: Record<string, Record<string, { times?: number; held?: number }>>;
  edges: Edge[];
}
export interface Run {
  name: string; seed: number; file: string; complete: boolean; reason: string; running: boolean;
  size: [number, number, number]; dim: 2 | 3; shape: [number, number, number]; voxel: number;
  times: number[]; counts: number[]; maxRadius: number; every: number;
  types: (Named & { present: boolean })[]; columns: Column[]; fields: Field[];
  events: RunEvent[]; treatments: Treatment[]; provenance: Record<string, string | number>;
  wiring: Wiring | null;
}
export interface Metric { name: string; units: string; values: (number | null)[] }
export interface Curves {
  times: number[];
  metrics: Metric[];
  clones: { name: string; color: string; values: number[] }[];
}
export type Value = string | number | boolean | number[] | null;
export interface Life {
  origin: string; from: number; mother: string | null; mutation: string;
  ended: { time: number; event: string; cause: string }[];
  daughters: { id: string; time: number; mutation: string }[]; n_daughters: number;
}
export interface Survival {
  time: number; cause: string; net: number; joint: number | null; threshold: number;
  effects: { name: string; effect: number }[];
}
export interface Cell {
  row: number; id: string; columns: Record<string, Value>; genotype: string[]; clone: number;
  senses: { name: string; units: string; value: number | null; input: boolean }[];
  life: Life | null; survival: Survival[];
}
/** Bytes of a column or field slice and the values that 0 and 254 stand for. */
export interface Levels { bytes: Uint8Array; range: [number, number] }
export interface Cells {
  n: number; position: Float32Array; radius: Float32Array; kind: Uint8Array;
}
export interface State { frames: number; complete: boolean; running: boolean }

const MAX_BYTES = 192 * 2 ** 20;

/** Least recently used entries go when the bytes held pass a limit. */
class Memory {
  private entries = new Map<string, { value: Promise<unknown>; bytes: number }>();
  held = 0;

  get<T>(key: string, make: () => Promise<T>, size: (value: T) => number): Promise<T> {
    const found = this.entries.get(key);
    if (found) {
      this.entries.delete(key);
      this.entries.set(key, found);
      return found.value as Promise<T>;
    }
    const value = make();
    const entry = { value, bytes: 0 };
    this.entries.set(key, entry);
    value.then(
      (made) => {
        if (this.entries.get(key) !== entry) return;
        entry.bytes = size(made);
        this.held += entry.bytes;
        this.trim();
      },
      () => { if (this.entries.get(key) === entry) this.entries.delete(key); },
    );
    return value;
  }

  clear(): void { this.entries.clear(); this.held = 0; }

  private trim(): void {
    for (const [key, entry] of this.entries) {
      if (this.held <= MAX_BYTES) return;
      this.entries.delete(key);
      this.held -= entry.bytes;
    }
  }
}

interface Answer { body: ArrayBuffer; range: [number, number]; radius: number | null }
type Transport = (path: string) => Promise<Answer>;

const memory = new Memory();
/** How much of the memory of frames is filled, and how much it may hold [bytes]. */
export function memoryUse(): { held: number; limit: number } { return { held: memory.held, limit: MAX_BYTES }; }

/** Ask the server that served this page. */
async function fromServer(path: string): Promise<Answer> {
  let response: Response;
  try {
    response = await fetch(`/api/${path}`);
  } catch {
    throw new Error("The server does not answer any more. Start tme-sim replay again, then load this page anew.");
  }
  if (!response.ok) {
    const told = await response.json().catch(() => null) as { error?: string } | null;
    throw new Error(told?.error ?? `The server answered ${response.status}.`);
  }
  const [low, high] = (response.headers.get("X-Range") ?? "0 1").split(" ").map(Number);
  const radius = response.headers.get("X-Radius");
  return { body: await response.arrayBuffer(), range: [low, high], radius: radius === null ? null : Number(radius) };
}

interface Part { data: string; range?: [number, number]; radius?: number }

/** Read what this page brought along: deflated bytes in base 64, by the path a server would have. */
function fromFile(parts: Record<string, Part>): Transport {
  return async (path) => {
    const part = parts[path];
    if (!part) throw new Error(`This file does not hold ${path}; it was left out to keep the file small. Use tme-sim replay with the run file.`);
    const bytes = Uint8Array.from(atob(part.data), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const body = await new Response(stream).arrayBuffer();
    return { body, range: part.range ?? [0, 1], radius: part.radius ?? null };
  };
}

const packed = document.getElementById("packed");
/** Whether the page is a file that holds its run, with no server behind it. */
export const alone = packed !== null;
const transport: Transport = packed ? fromFile(JSON.parse(packed.textContent!) as Record<string, Part>) : fromServer;

async function json<T>(path: string): Promise<T> {
  return JSON.parse(new TextDecoder().decode((await transport(path)).body)) as T;
}

export class Source {
  private root: string;
  run!: Run;

  constructor(readonly index: number) { this.root = `runs/${index}`; }

  described(): Promise<Run> { return json<Run>(this.root); }

  async open(): Promise<Run> { return this.take(await this.described()); }

  take(run: Run): Run { this.run = run; return run; }
  state(): Promise<State> { return json<State>(`${this.root}/state`); }
  forget(): void { memory.clear(); }
  curves(): Promise<Curves> { return json<Curves>(`${this.root}/curves`); }

  cells(frame: number): Promise<Cells> {
    const path = `${this.root}/frames/${frame}`;
    const make = async () => {
      const { body, radius } = await transport(path);
      return this.decode(frame, body, radius ?? this.run.maxRadius);
    };
    return memory.get(path, make, (cells) => cells.n * 17);
  }

  column(frame: number, name: string): Promise<Levels> {
    return this.levels(`${this.root}/frames/${frame}/columns/${encodeURIComponent(name)}`);
  }

  /** A slice of a field: layer `at` of voxels across an axis. */
  field(frame: number, name: string, axis: Axis, at: number): Promise<Levels> {
    const slice = (of: string) => this.levels(`${this.root}/frames/${frame}/fields/${encodeURIComponent(name)}?${of}`);
    return alone && axis !== "z" ? this.across(axis, at, (z) => slice(`z=${z}`)) : slice(`${axis}=${at}`);
  }

  /** A slice across x or y, put together from those across z, which are all that a file holds. */
  private async across(axis: "x" | "y", at: number, slice: (z: number) => Promise<Levels>): Promise<Levels> {
    const [nz, ny, nx] = this.run.shape;
    const layers = await Promise.all(Array.from({ length: nz }, (_, z) => slice(z)));
    const wide = axis === "x" ? ny : nx;
    const bytes = new Uint8Array(nz * wide);
    layers.forEach((layer, z) => {
      for (let k = 0; k < wide; k++) bytes[z * wide + k] = layer.bytes[axis === "x" ? k * nx + at : at * nx + k];
    });
    return { bytes, range: layers[0].range };
  }

  async cell(frame: number, row: number): Promise<Cell> {
    if (alone) return this.assembled(frame, row);
    return json<Cell>(`${this.root}/frames/${frame}/cells/${row}`);
  }

  async cellOfId(frame: number, id: string): Promise<Cell | null> {
    if (!alone) return json<Cell | null>(`${this.root}/frames/${frame}/ids/${id}`);
    const row = (await this.ids(frame)).indexOf(BigInt(id));
    return row < 0 ? null : this.assembled(frame, row);
  }

  async history(id: string, name: string): Promise<(number | null)[]> {
    if (!alone) return json<(number | null)[]>(`${this.root}/history/${id}/${encodeURIComponent(name)}`);
    return Promise.all(this.run.times.map(async (_, frame) => {
      const row = (await this.ids(frame)).indexOf(BigInt(id));
      return row < 0 ? null : value(await this.column(frame, name), row);
    }));
  }

  private ids(frame: number): Promise<BigInt64Array> {
    const path = `${this.root}/frames/${frame}/ids`;
    return memory.get(path, async () => new BigInt64Array((await transport(path)).body), (ids) => ids.byteLength);
  }

  /** A cell as the file holds it: columns to a 254th of their range, and its family. */
  private async assembled(frame: number, row: number): Promise<Cell> {
    const id = (await this.ids(frame))[row];
    const columns: Record<string, Value> = {};
    for (const column of this.run.columns) {
      const levels = await this.column(frame, column.name);
      columns[column.name] = column.categories ? column.categories[levels.bytes[row]]?.name ?? null : value(levels, row);
    }
    const cells = await this.cells(frame);
    const at = [0, 1, 2].map((axis) => Math.min(this.run.shape[2 - axis] - 1, Math.floor(cells.position[3 * row + axis] / this.run.voxel)));
    const senses = await Promise.all(this.run.fields.map(async ({ name, units }) => {
      const levels = await this.field(frame, name, "z", this.run.dim === 3 ? at[2] : 0);
      return { name, units, value: value(levels, at[1] * this.run.shape[2] + at[0]), input: true };
    }));
    const told = (await this.families()).get(String(id));
    return { row, id: String(id), columns, genotype: told?.genotype ?? [], clone: told?.clone ?? -1, senses, life: told?.life ?? null, survival: told?.survival ?? [] };
  }

  private families(): Promise<Map<string, { genotype: string[]; clone: number; life: Life; survival: Survival[] }>> {
    const path = `${this.root}/families`;
    return memory.get(path, async () => new Map((await json<[string, never][]>(path))), () => 0);
  }

  private levels(path: string): Promise<Levels> {
    const make = async () => {
      const { body, range } = await transport(path);
      return { bytes: new Uint8Array(body), range };
    };
    return memory.get(path, make, (levels) => levels.bytes.length);
  }

  /** The binary layout is described in tme_sim/replay/frames.py. */
  private decode(frame: number, buffer: ArrayBuffer, maxRadius: number): Cells {
    const n = this.run.counts[frame];
    const solid = this.run.dim === 3;
    if (buffer.byteLength !== n * (solid ? 7 : 6)) throw new Error(`Frame ${frame + 1} came incomplete.`);
    const position = new Float32Array(3 * n);
    const axes = solid ? 3 : 2;
    const place = new Uint16Array(buffer, 0, axes * n);
    for (let axis = 0; axis < axes; axis++) {
      const [shift, steps] = solid ? [2, 16383] : [0, 65535];
      const scale = this.run.size[axis] / steps;
      for (let i = 0; i < n; i++) position[3 * i + axis] = (place[axis * n + i] >> shift) * scale;
    }
    const radius = new Float32Array(n);
    if (solid) {
      for (let i = 0; i < n; i++) radius[i] = (((place[i] & 3) << 4 | (place[n + i] & 3) << 2 | place[2 * n + i] & 3) / 63) * maxRadius;
      return { n, position, radius, kind: new Uint8Array(buffer, 6 * n, n) };
    }
    const small = new Uint8Array(buffer, 4 * n, n);
    for (let i = 0; i < n; i++) radius[i] = (small[i] / 255) * maxRadius;
    return { n, position, radius, kind: new Uint8Array(buffer, 5 * n, n) };
  }
}

/** The number that a level stands for. */
export function value(levels: Levels, row: number): number | null {
  const level = levels.bytes[row];
  return level === 255 ? null : levels.range[0] + (level / 254) * (levels.range[1] - levels.range[0]);
}

export function listRuns(): Promise<{ name: string; seed: number; file: string }[]> { return json("runs"); }
