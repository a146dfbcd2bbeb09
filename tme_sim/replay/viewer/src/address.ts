// The address keeps time, colours, camera and selection, so that a view can be sent.

import type { Run } from "./api";
import { CELL_MAPS, type MapName } from "./colors";
import { parse } from "./filter";
import type { Look } from "./pane";
import type { Axis } from "./scene";

export interface Kept { time: number | null; cell: string | null; camera: number[]; follow: boolean }

export function write(kept: Kept, look: Look, solid: boolean): void {
  const out = new URLSearchParams();
  if (kept.time !== null) out.set("t", String(kept.time));
  out.set("color", look.color);
  out.set("field", look.field);
  if (look.map !== "viridis") out.set("map", look.map);
  if (look.range) out.set("range", look.range.join(","));
  if (solid && look.field) out.set("slice", `${look.slice.axis},${look.slice.share}`);
  if (look.hidden.size) out.set("hide", [...look.hidden].join(","));
  if (look.filter) out.set("where", look.filter.text);
  if (look.clone !== null) out.set("clone", String(look.clone));
  if (look.clip.axis) out.set("clip", `${look.clip.axis},${look.clip.share},${Number(look.clip.flip)}`);
  if (kept.cell) out.set("cell", kept.cell);
  if (kept.follow) out.set("follow", "1");
  if (kept.camera.length) out.set("camera", kept.camera.join(","));
  history.replaceState(null, "", `${location.search}#${out}`);
}

/** Take what the address says into `look`, as far as the run has it. */
export function read(look: Look, run: Run): Kept {
  const kept = new URLSearchParams(location.hash.slice(1));
  const color = kept.get("color");
  if (color && run.columns.some((c) => c.name === color)) look.color = color;
  const field = kept.get("field");
  if (field !== null && (field === "" || run.fields.some((f) => f.name === field))) look.field = field;
  const map = kept.get("map") as MapName;
  if (CELL_MAPS.includes(map)) look.map = map;
  const range = numbers(kept.get("range"));
  if (range.length === 2 && range[0] < range[1]) look.range = [range[0], range[1]];
  const [across, place] = (kept.get("slice") ?? "").split(",");
  if (run.dim === 3 && isAxis(across)) look.slice = { axis: across, share: share(place) };
  for (const name of (kept.get("hide") ?? "").split(",").filter(Boolean)) look.hidden.add(name);
  try {
    if (kept.get("where")) look.filter = parse(kept.get("where")!, run);
  } catch { /* an expression for another run */ }
  look.clone = /^\d+$/.test(kept.get("clone") ?? "") ? Number(kept.get("clone")) : null;
  const [axis, at, flip] = (kept.get("clip") ?? "").split(",");
  if (isAxis(axis)) look.clip = { axis, share: share(at), flip: flip === "1" };
  return {
    time: kept.has("t") ? Number(kept.get("t")) || 0 : null,
    cell: /^\d+$/.test(kept.get("cell") ?? "") ? kept.get("cell") : null,
    camera: numbers(kept.get("camera")),
    follow: kept.get("follow") === "1",
  };
}

function isAxis(text: string): text is Axis { return text === "x" || text === "y" || text === "z"; }

function share(text: string): number { return Math.min(1, Math.max(0, Number(text) || 0)); }

function numbers(text: string | null): number[] {
  const found = (text ?? "").split(",").filter(Boolean).map(Number);
  return found.every(Number.isFinite) ? found : [];
}
