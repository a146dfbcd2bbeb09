// What the server tells of a run, and a bounded memory of what was fetched.

export interface Named { name: string; color: string }
export interface Column {
  name: string; units: string; meaning: string; source: string; categories?: Named[];
}
export interface Field { name: string; units: string }
export interface Treatment {
  drug: string; start: number; end: number; doses: number[]; color: string;
}
export interface RunEvent { time: number; kind: string; text: string }
export interface Run {
  name: string; seed: number; file: string; complete: boolean; reason: string;
  size: [number, number, number]; dim: 2 | 3; shape: [number, number, number]; voxel: number;
  times: number[]; counts: number[]; maxRadius: number;
  types: (Named & { present: boolean })[]; columns: Column[]; fields: Field[];
  events: RunEvent[]; treatments: Treatment[]; provenance: Record<string, string | number>;
}
export interface Metric { name: string; units: string; values: (number | null)[] }
export interface Curves {
  metrics: Metric[];
  clones: { name: string; color: string; values: number[] }[];
}
export interface CellColumn {
  name: string; value: string | number | null; units: string; meaning: string; source: string;
}
export interface Cell {
  row: number; id: string; columns: CellColumn[];
  life: { time: number; text: string; id: string | null }[];
}
/** Bytes of a column or field slice and the values that 0 and 254 stand for. */
export interface Levels { bytes: Uint8Array; range: [number, number] }
export interface Cells {
  n: number; position: Float32Array; radius: Float32Array; kind: Uint8Array;
}

const MAX_BYTES = 256 * 2 ** 20;

/** Least recently used entries go when the bytes held pass a limit. */
class Memory {
  private entries = new Map<string, { value: Promise<Response | Levels | Cells>; bytes: number }>();
  private held = 0;

  get<T extends Levels | Cells>(key: string, make: () => Promise<T>, size: (value: T) => number): Promise<T> {
    const found = this.entries.get(key);
    if (found) {
      this.entries.delete(key);
      this.entries.set(key, found);
      return found.value as Promise<T>;
    }
    const entry = { value: make(), bytes: 0 };
    this.entries.set(key, entry);
    entry.value.then(
      (value) => { entry.bytes = size(value as T); this.held += entry.bytes; this.trim(); },
      () => this.entries.delete(key),
    );
    return entry.value as Promise<T>;
  }

  private trim(): void {
    for (const [key, entry] of this.entries) {
      if (this.held <= MAX_BYTES) return;
      this.entries.delete(key);
      this.held -= entry.bytes;
    }
  }
}

async function request(address: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address);
  } catch {
    throw new Error("The server does not answer. Is tme-sim replay still running?");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => null) as { error?: string } | null;
  throw new Error(body?.error ?? `The server answered ${response.status}.`);
}

export class Source {
  private memory = new Memory();
  private root: string;
  run!: Run;

  constructor(index: number) { this.root = `/api/runs/${index}`; }

  async open(): Promise<Run> {
    this.run = await (await request(this.root)).json() as Run;
    return this.run;
  }

  async curves(): Promise<Curves> {
    return await (await request(`${this.root}/curves`)).json() as Curves;
  }

  cells(frame: number): Promise<Cells> {
    const make = async () => this.decode(frame, await (await request(`${this.root}/frames/${frame}`)).arrayBuffer());
    return this.memory.get(`cells ${frame}`, make, (cells) => cells.n * 17);
  }

  column(frame: number, name: string): Promise<Levels> {
    return this.levels(`${this.root}/frames/${frame}/columns/${encodeURIComponent(name)}`);
  }

  field(frame: number, name: string, z: number): Promise<Levels> {
    return this.levels(`${this.root}/frames/${frame}/fields/${encodeURIComponent(name)}?z=${z}`);
  }

  async cell(frame: number, row: number): Promise<Cell> {
    return await (await request(`${this.root}/frames/${frame}/cells/${row}`)).json() as Cell;
  }

  async cellOfId(frame: number, id: string): Promise<Cell | null> {
    return await (await request(`${this.root}/frames/${frame}/ids/${id}`)).json() as Cell | null;
  }

  private levels(address: string): Promise<Levels> {
    const make = async () => {
      const response = await request(address);
      const [low, high] = (response.headers.get("X-Range") ?? "0 1").split(" ").map(Number);
      return { bytes: new Uint8Array(await response.arrayBuffer()), range: [low, high] as [number, number] };
    };
    return this.memory.get(address, make, (levels) => levels.bytes.length);
  }

  /** The binary layout is described in tme_sim/replay/frames.py. */
  private decode(frame: number, buffer: ArrayBuffer): Cells {
    const n = this.run.counts[frame];
    const axes = this.run.dim;
    if (buffer.byteLength !== n * (2 * axes + 2)) throw new Error(`Frame ${frame} came incomplete.`);
    const position = new Float32Array(3 * n);
    const place = new Uint16Array(buffer, 0, axes * n);
    for (let axis = 0; axis < axes; axis++) {
      const scale = this.run.size[axis] / 65535;
      for (let i = 0; i < n; i++) position[3 * i + axis] = place[axis * n + i] * scale;
    }
    const small = new Uint8Array(buffer, 2 * axes * n, n);
    const radius = Float32Array.from(small, (step) => (step / 255) * this.run.maxRadius);
    return { n, position, radius, kind: new Uint8Array(buffer, (2 * axes + 1) * n, n) };
  }
}

export async function listRuns(): Promise<{ name: string; seed: number; file: string }[]> {
  return await (await request("/api/runs")).json() as { name: string; seed: number; file: string }[];
}
