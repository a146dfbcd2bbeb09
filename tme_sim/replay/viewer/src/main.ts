// The replay page: one run or two in step, their tissue, time, curves, and the cell that was clicked.

import "./app.css";
import * as address from "./address";
import { type Cell, type Column, type Curves, type Named, type Run, Source, alone, listRuns, memoryUse } from "./api";
import { Charts } from "./charts";
import { CELL_MAPS, type MapName, gradient, groundMap, plain, short, units } from "./colors";
import { byId, make, options } from "./dom";
import { parse } from "./filter";
import { type Acts, showCell, showNoCell, tag } from "./inspector";
import { NetworkView } from "./network_view";
import { DEAD, NONE, type Loaded, type Look, Pane, frameAt, layer, load } from "./pane";
import type { Axis } from "./scene";
import { Timeline } from "./timeline";

const DAY = 1440;
const UNSURE = 0.05; // share of cells outside the training domain that is worth a warning
const FIRST = "first picture"; // the mark of the moment when a frame has been drawn
const POLL = 2000; // [ms] between questions whether a run that goes on has new frames

class Page {
  private panes: Pane[];
  private timeline: Timeline;
  private charts: Charts;
  private network = new NetworkView((by) => this.timeline.step(by));
  private chosen: { pane: Pane; id: string; cell: Cell | null } | null = null;
  private following = false;
  private camera: number[] = [];
  private historyOf = "";
  private syncing = false;
  /** When the first picture is there. */
  readonly opened: Promise<void>;

  constructor(panes: Pane[], private look: Look, kept: address.Kept, frame: number) {
    this.panes = panes;
    this.timeline = new Timeline(this.run, (frame) => this.show(frame));
    this.charts = new Charts(panes.map((p) => p.run), (time) => this.timeline.seek(time));
    this.describe();
    this.controls();
    this.keyboard();
    panes.forEach((pane) => this.picking(pane));
    if (kept.cell) this.chosen = { pane: panes[0], id: kept.cell, cell: null };
    panes[0].selected = kept.cell;
    this.following = kept.follow;
    if (this.chosen) this.tab("cell");
    const stored = alone ? null : localStorage.getItem("theme");
    this.theme(stored ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
    if (kept.camera.length) { panes.forEach((p) => { p.scene.view = kept.camera; }); this.camera = kept.camera; }
    panes.forEach((pane) => { pane.scene.onMove = () => this.moved(pane); });
    this.opened = this.timeline.go(frame);
  }

  private get run(): Run { return this.panes[0].run; }
  private get dark(): boolean { return document.documentElement.dataset.theme === "dark"; }

  /** Fetch a frame of every pane and draw them in the same colours. */
  private async show(frame: number): Promise<void> {
    try {
      const time = this.run.times[frame];
      const loaded = await Promise.all(this.panes.map((p, k) => load(p.source, k === 0 ? frame : frameAt(p.run, time), this.look)));
      const column = loaded[0].column;
      const ends = this.look.range ?? joint(loaded.map((l) => l.levels.range));
      const ground = joint(loaded.flatMap((l) => (l.slice ? [l.slice.range] : [])));
      await Promise.all(this.panes.map((p, k) => p.paint(loaded[k], this.look, ends, ground)));
      if (performance.getEntriesByName(FIRST).length === 0) await drawn().then(() => performance.mark(FIRST));
      this.legends(column, ends, ground);
      this.counts(loaded);
      this.charts.at(time);
      this.warn(time);
      if (this.chosen) await this.readChosen();
      if (this.following) this.chosen?.pane.follow();
      byId("message").hidden = true;
      document.documentElement.dataset.frame = String(frame);
    } catch (error) {
      this.timeline.pause();
      tell(error as Error);
    }
    this.keep();
  }

  private again(): void { this.timeline.go(this.timeline.frame); }

  private keep(): void {
    address.write({ time: this.timeline.time, cell: this.chosen?.id ?? null, camera: this.camera, follow: this.following }, this.look, this.run.dim === 3);
  }

  // --- what is shown beside the tissue

  private describe(): void {
    const { run } = this;
    document.title = `${run.name} – tme-sim replay`;
    byId("title").textContent = run.name.replaceAll("_", " ");
    const size = (run.dim === 3 ? run.size : run.size.slice(0, 2)).map(short).join(" × ");
    const state = run.running ? "still running" : run.complete ? `ended by: ${run.reason}` : "incomplete";
    const thinned = run.every > 1 ? ` (1 of ${run.every} kept)` : "";
    byId("facts").textContent = `seed ${run.seed} · ${size} µm · ${run.times.length} frames${thinned} to day ${short(run.times[run.times.length - 1] / DAY)} · ${run.provenance.surrogate} · ${state}`;
    byId("facts").title = byId("facts").textContent!;
    byId("live").hidden = !run.running;
    const label: Record<string, string> = { column: "Body", node: "Signaling state", output: "Decisions", input: "Senses", explanation: "Explained" };
    const groups = new Map<string, [string, string][]>();
    for (const c of run.columns) {
      const list = groups.get(label[c.source]) ?? [];
      groups.set(label[c.source], [...list, [c.name, c.name === "in_domain" ? "inside the training domain" : plain(c.name)]]);
    }
    options(byId("color"), groups, this.look.color);
    options(byId("map"), new Map([["", CELL_MAPS.map((m): [string, string] => [m, m])]]), this.look.map);
    options(byId("field"), new Map([["", [["", "none"], ...run.fields.map((f): [string, string] => [f.name, plain(f.name)])]]]), this.look.field);
    byId<HTMLInputElement>("where").value = this.look.filter?.text ?? "";
    const examples = [...run.columns.filter((c) => c.source === "node").slice(0, 3).map((c) => `${c.name} > 0.5`), "status == alive", "phase == S and crowding < 1", "in_domain == outside"];
    byId("where-examples").replaceChildren(...examples.map((value) => make("option", { value })));
    this.listEvents();
  }

  private listEvents(): void {
    const doses = new Map<string, number>();
    const shown = this.run.events.filter((e) => {
      if (e.kind !== "dose") return true;
      const drug = e.text.split(" ")[0];
      doses.set(drug, (doses.get(drug) ?? 0) + 1);
      return doses.get(drug) === 1;
    });
    byId("events").replaceChildren(...shown.slice(0, 200).map((e) => {
      const text = e.kind === "dose" ? `first dose: ${e.text}` : e.text;
      return make("li", {}, make("button", { className: "link", title: `${text} (${e.kind}; go there)`, onclick: () => this.timeline.seek(this.after(e.time)) }, make("span", { textContent: `${short(e.time / DAY)} d` }), ` ${text}`));
    }));
    byId("events-section").hidden = shown.length === 0;
  }

  /** The time of the first frame not before a time. */
  private after(time: number): number { return this.run.times.find((t) => t >= time - 1e-6) ?? time; }

  private legends(column: Column, ends: [number, number], ground: [number, number]): void {
    const { look } = this;
    byId("color-meaning").textContent = column.categories ? "" : column.meaning;
    byId("color-legend").replaceChildren(column.categories
      ? make("div", { className: "swatches" }, ...this.named(column).map(swatch))
      : ramp(look.map, ends, units(column.units)));
    byId("scale-choice").hidden = column.categories !== undefined;
    for (const [id, end] of [["low", ends[0]], ["high", ends[1]]] as const) {
      const input = byId<HTMLInputElement>(id);
      if (document.activeElement !== input) input.value = short(end);
    }
    const field = this.run.fields.find((f) => f.name === look.field);
    byId("field-legend").replaceChildren(...(field ? [ramp(groundMap(column.categories !== undefined), ground, units(field.units))] : []));
  }

  /** The categories of a column that the run has, and the dead, who keep one colour. */
  private named(column: Column): Named[] {
    const names = column.name === "type" ? [] : column.categories!; // types stand beside their boxes
    if (column.name === "status") return names;
    const none = column.name === "clone" || column.name === "survival" ? [{ name: column.name === "clone" ? "of no clone" : "not asked", color: NONE }] : [];
    const shown = names.slice(0, 24).map((n) => (column.name === "clone" ? { ...n, name: n.name.replace(/^\S+ \+ /, "+ ") } : n));
    return [...shown, ...none, { name: "dead", color: DEAD }];
  }

  private counts(loaded: Loaded[]): void {
    const told = byId("where-told");
    if (!this.look.filter) {
      if (!told.classList.contains("warn")) told.textContent = "";
      return;
    }
    const found = loaded.map((l) => {
      const test = this.look.filter!.bind(l.tested, l.cells);
      let n = 0;
      for (let i = 0; i < l.cells.n; i++) n += Number(test(i));
      return `${n.toLocaleString("en")} of ${l.cells.n.toLocaleString("en")} cells`;
    });
    told.classList.remove("warn");
    told.textContent = found.join(" | ");
  }

  private warn(time: number): void {
    const share = Math.max(...this.panes.map((_, k) => this.charts.outside(k, time)));
    byId("warning").hidden = share < UNSURE;
    if (share >= UNSURE) {
      byId("warning").replaceChildren(`⚠ ${(100 * share).toFixed(0)} % of cells outside the network's training domain `,
        make("button", { className: "link", textContent: "show them", onclick: () => this.colorBy("in_domain") }));
    }
  }

  private colorBy(name: string): void {
    this.look.color = name;
    this.look.range = null;
    byId<HTMLSelectElement>("color").value = name;
    this.again();
  }

  async loadCurves(): Promise<void> {
    const data: Curves[] = await Promise.all(this.panes.map((p) => p.source.curves()));
    this.charts.show(data, this.panes.map((p) => p.run), this.timeline.time);
    this.warn(this.timeline.time);
    document.documentElement.dataset.curves = "yes";
  }

  // --- a run that goes on

  watch(): void {
    const poll = async () => {
      try {
        for (const pane of this.panes.filter((p) => p.run.running)) await this.refresh(pane);
      } catch (error) { tell(error as Error); return; }
      if (this.panes.some((p) => p.run.running)) setTimeout(poll, POLL);
    };
    setTimeout(poll, POLL);
  }

  private async refresh(pane: Pane): Promise<void> {
    const state = await pane.source.state();
    if (state.frames === pane.run.times.length && state.running) return;
    const atEnd = this.timeline.frame === this.run.times.length - 1;
    pane.source.forget();
    Object.assign(pane.run, await pane.source.described());
    if (pane === this.panes[0]) this.timeline.extend(pane.run);
    this.describe();
    await this.loadCurves();
    this.timeline.go(atEnd && !this.timeline.playing ? this.run.times.length - 1 : this.timeline.frame);
  }

  // --- the chosen cell

  private picking(pane: Pane): void {
    let down = [0, 0];
    const pick = (x: number, y: number, nearest = false) => {
      const row = pane.scene.pick(x, y, nearest);
      if (row < 0) return this.select(null);
      pane.source.cell(pane.frame, row).then((cell) => this.select(cell.id, pane), tell);
    };
    pane.canvas.addEventListener("pointerdown", (e) => { down = [e.offsetX, e.offsetY]; });
    pane.canvas.addEventListener("click", (e) => {
      if (Math.hypot(e.offsetX - down[0], e.offsetY - down[1]) <= 4) pick(e.offsetX, e.offsetY);
    });
    const { canvas } = pane;
    canvas.addEventListener("keydown", (e) => {
      const by: Record<string, [number, number]> = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
      if (e.key === "Enter") pick(canvas.clientWidth / 2, canvas.clientHeight / 2, true);
      else if (e.shiftKey && by[e.key]) { pane.scene.turn(...by[e.key]); e.preventDefault(); e.stopPropagation(); }
    });
  }

  private select(id: string | null, pane = this.chosen?.pane ?? this.panes[0]): void {
    this.panes.forEach((p) => { if (p !== pane || id === null) p.mark(null); });
    pane.selected = id;
    this.chosen = id === null ? null : { pane, id, cell: null };
    if (id === null) {
      this.following = false;
      showNoCell("Click a cell to read it.");
      this.tab("view");
      this.keep();
    } else {
      this.tab("cell");
      this.again();
    }
  }

  private async readChosen(): Promise<void> {
    const { pane, id } = this.chosen!;
    const cell = await pane.source.cellOfId(pane.frame, id);
    if (this.chosen?.id !== id) return;
    this.chosen.cell = cell;
    pane.selected = id;
    if (cell) {
      pane.mark(cell);
      showCell(cell, pane.run, pane.time, this.acts(pane));
      if (pane.run.wiring) this.network.update(cell, pane.run.wiring, `Signaling of ${plain(String(cell.columns.type))} ${tag(id)}, day ${short(pane.time / DAY)}`);
    }
    else { showNoCell(`Cell ${tag(id)} is not there at this time: it is not yet born, or gone.`); }
  }

  private acts(pane: Pane): Acts {
    const numeric = pane.run.columns.filter((c) => !c.categories);
    const colored = numeric.find((c) => c.name === this.look.color);
    if (!numeric.some((c) => c.name === this.historyOf)) this.historyOf = (colored ?? numeric.find((c) => c.source === "node") ?? numeric[0]).name;
    return {
      select: (id) => this.select(id, pane), goTo: (time) => this.timeline.seek(time),
      follow: () => this.follow(), highlight: (clone) => this.highlight(clone),
      enlarge: () => this.network.show(),
      history: (id, name) => this.history(pane, id, name),
      following: this.following, highlighted: this.look.clone, column: this.historyOf,
      chooseHistory: (name) => { this.historyOf = name; this.again(); },
    };
  }

  private told = { key: "", values: Promise.resolve<(number | null)[]>([]) };

  /** The history of the chosen cell is asked for once, not with every frame. */
  private history(pane: Pane, id: string, name: string): Promise<(number | null)[]> {
    const key = `${pane.source.index} ${id} ${name} ${pane.run.times.length}`;
    if (this.told.key !== key) this.told = { key, values: pane.source.history(id, name) };
    return this.told.values;
  }

  private follow(): void {
    this.following = !this.following && this.chosen !== null;
    this.again();
  }

  private highlight(clone: number): void {
    this.look.clone = clone === this.look.clone ? null : clone;
    this.again();
  }

  // --- controls

  private controls(): void {
    const changed = (id: string, act: (input: HTMLInputElement) => void) => {
      byId(id).addEventListener("change", (e) => { act(e.target as HTMLInputElement); this.again(); });
    };
    changed("color", (e) => { this.look.color = e.value; this.look.range = null; });
    changed("map", (e) => { this.look.map = e.value as MapName; });
    changed("field", (e) => { this.look.field = e.value; this.slices(); });
    changed("low", () => this.range());
    changed("high", () => this.range());
    changed("where", (e) => this.where(e.value));
    this.run.types.forEach((type) => {
      if (!type.present) return;
      const box = make("input", { type: "checkbox", checked: !this.look.hidden.has(type.name) });
      box.onchange = () => { if (box.checked) this.look.hidden.delete(type.name); else this.look.hidden.add(type.name); this.again(); };
      byId("types").append(make("label", { className: "check" }, box, swatch(type)));
    });
    this.slices();
    if (this.run.dim === 3) this.cutting();
    for (const [id, name] of [["tab-view", "view"], ["tab-cell", "cell"]] as const) {
      byId(id).onclick = () => this.tab(name);
      byId(id).onkeydown = (e) => {
        if (e.key !== "ArrowLeft" && e.key !== "ArrowRight") return;
        e.preventDefault();
        e.stopPropagation();
        const other = name === "view" ? "cell" : "view";
        this.tab(other);
        byId(`tab-${other}`).focus();
      };
    }
    byId("theme").onclick = () => this.theme(this.dark ? "light" : "dark", true);
    byId("picture").onclick = () => this.savePicture();
    byId("share").onclick = () => void this.share();
    byId("help").onclick = () => byId<HTMLDialogElement>("keys").showModal();
  }

  private range(): void {
    const [low, high] = ["low", "high"].map((id) => Number(byId<HTMLInputElement>(id).value.replace("−", "-")));
    const empty = ["low", "high"].every((id) => byId<HTMLInputElement>(id).value.trim() === "");
    this.look.range = !empty && low < high ? [low, high] : null;
    byId("low").blur();
    byId("high").blur();
  }

  private where(text: string): void {
    const told = byId("where-told");
    told.classList.remove("warn");
    byId("where").removeAttribute("aria-invalid");
    try {
      this.look.filter = text.trim() ? parse(text, this.run) : null;
    } catch (error) {
      this.look.filter = null;
      told.textContent = (error as Error).message;
      told.classList.add("warn");
      byId("where").setAttribute("aria-invalid", "true");
    }
  }

  private slices(): void {
    byId("slice-choice").hidden = this.run.dim === 2 || !this.look.field;
    const { slice } = this.look;
    const [axis, at] = [byId<HTMLSelectElement>("slice-axis"), byId<HTMLInputElement>("slice")];
    axis.value = slice.axis;
    const place = () => {
      at.max = String(this.run.shape["zyx".indexOf(slice.axis)] - 1);
      at.value = String(layer(this.run, this.look));
      byId("slice-place").textContent = `${short((layer(this.run, this.look) + 0.5) * this.run.voxel)} µm`;
    };
    axis.onchange = () => { slice.axis = axis.value as Axis; place(); this.again(); };
    at.oninput = () => { slice.share = (Number(at.value) + 0.5) / (Number(at.max) + 1); place(); this.again(); };
    place();
  }

  private cutting(): void {
    const { clip } = this.look;
    const [axis, flip, at] = [byId<HTMLSelectElement>("clip-axis"), byId<HTMLInputElement>("clip-flip"), byId<HTMLInputElement>("clip")];
    byId("clip-section").hidden = false;
    axis.value = clip.axis;
    flip.checked = clip.flip;
    at.value = String(1000 * clip.share);
    const changed = () => {
      clip.axis = axis.value as typeof clip.axis;
      clip.flip = flip.checked;
      clip.share = Number(at.value) / 1000;
      at.disabled = flip.disabled = !clip.axis;
      byId("clip-place").textContent = clip.axis ? `${short(clip.share * this.run.size["xyz".indexOf(clip.axis)])} µm` : "–";
    };
    [axis, flip, at].forEach((e) => { e.oninput = () => { changed(); this.again(); }; });
    changed();
  }

  private tab(name: "view" | "cell"): void {
    const [view, cell] = [byId("tab-view"), byId("tab-cell")];
    for (const [button, panel, on] of [[view, "view", name === "view"], [cell, "inspector", name === "cell"]] as const) {
      button.setAttribute("aria-selected", String(on));
      button.tabIndex = on ? 0 : -1;
      byId(panel).hidden = !on;
    }
  }

  private home(): void {
    this.camera = [];
    this.panes.forEach((p) => p.scene.home());
    this.camera = [];
    this.keep();
  }

  goHome = (): void => this.home();

  /** What one camera does, the other does too. */
  private moved(pane: Pane): void {
    if (this.syncing) return;
    this.syncing = true;
    this.camera = pane.scene.view;
    this.panes.filter((p) => p !== pane && p.run.dim === pane.run.dim).forEach((p) => { p.scene.view = this.camera; });
    this.syncing = false;
    clearTimeout(this.later);
    this.later = window.setTimeout(() => this.keep(), 250);
  }
  private later = 0;

  private keyboard(): void {
    const zoom = (factor: number) => this.panes[0].scene.zoom(factor);
    const actions: [string, string, string, () => void][] = [
      [" ", "space", "play or pause", () => this.timeline.toggle()],
      ["ArrowLeft", "←", "one frame back", () => this.timeline.step(-1)],
      ["ArrowRight", "→", "one frame forward", () => this.timeline.step(1)],
      ["Home", "Home", "first frame", () => this.timeline.go(0)],
      ["End", "End", "last frame", () => this.timeline.go(Infinity)],
      ["[", "[", "previous event", () => this.timeline.event(-1)],
      ["]", "]", "next event", () => this.timeline.event(1)],
      ["+", "+", "zoom in", () => zoom(1.3)], ["-", "-", "zoom out", () => zoom(1 / 1.3)],
      ["0", "0", "show all", () => this.home()],
      ["f", "F", "follow the chosen cell", () => this.follow()],
      ["h", "H", "highlight its clone", () => { const clone = this.chosen?.cell?.clone ?? -1; if (clone >= 0) this.highlight(clone); }],
      ["n", "N", "its network, large", () => { if (this.chosen?.cell) this.network.show(); }],
      ["o", "O", "colour by training domain", () => this.colorBy("in_domain")],
      ["p", "P", "save a picture", () => this.savePicture()],
      ["c", "C", "copy the address of this view", () => void this.share()],
      ["d", "D", "light or dark", () => this.theme(this.dark ? "light" : "dark", true)],
      ["?", "?", "this list", () => byId<HTMLDialogElement>("keys").showModal()],
      ["Escape", "Esc", "let the cell go", () => this.select(null)],
    ];
    const others: [string, string][] = [["Enter", "with the tissue in focus: read the cell nearest its middle"], ["shift + arrows", "with the tissue in focus: move, or turn in 3D"]];
    byId("key-list").replaceChildren(...[...actions.map(([, key, what]) => [key, what]), ...others].map(([key, what]) =>
      make("tr", {}, make("th", { scope: "row" }, make("kbd", { textContent: key })), make("td", { textContent: what }))));
    addEventListener("keydown", (event) => {
      const target = event.target as HTMLElement;
      const typing = target.matches("select, input:not(#scrubber)") || ((event.key === " " || event.key === "Enter") && target.matches("button, summary, a"));
      if (typing || event.ctrlKey || event.metaKey || event.altKey || byId<HTMLDialogElement>("keys").open) return;
      const action = actions.find(([key]) => key === (event.key.length === 1 ? event.key.toLowerCase() : event.key));
      if (action) { event.preventDefault(); action[3](); }
    });
  }

  private theme(name: string, keep = false): void {
    document.documentElement.dataset.theme = name;
    if (keep && !alone) localStorage.setItem("theme", name);
    this.panes.forEach((p) => p.theme());
    this.charts?.restyle();
    if (keep) this.again();
  }

  private async share(): Promise<void> {
    await navigator.clipboard?.writeText(location.href).catch(() => undefined);
    const button = byId("share");
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy link"; }, 1200);
  }

  private savePicture(): void {
    const pictures = this.panes.map((p) => p.picture());
    const sheet = make("canvas", { width: pictures.reduce((w, p) => w + p.width, 0), height: Math.max(...pictures.map((p) => p.height)) });
    const pen = sheet.getContext("2d")!;
    let x = 0;
    for (const picture of pictures) { pen.drawImage(picture, x, 0); x += picture.width; }
    const day = (this.timeline.time / DAY).toFixed(2);
    make("a", { href: sheet.toDataURL("image/png"), download: `${this.run.name}-day-${day}.png` }).click();
  }
}

function joint(ranges: [number, number][]): [number, number] {
  return ranges.length === 0 ? [0, 1] : [Math.min(...ranges.map((r) => r[0])), Math.max(...ranges.map((r) => r[1]))];
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

function tell(error: Error): void {
  byId("message").textContent = error.message;
  byId("message").hidden = false;
}

/** Which runs the address asks for: one, or one beside another. */
function asked(n: number): number[] {
  const kept = new URLSearchParams(location.search);
  const at = (key: string) => (/^\d+$/.test(kept.get(key) ?? "") ? Math.min(n - 1, Number(kept.get(key))) : null);
  const first = at("run") ?? 0;
  const second = kept.has("beside") ? at("beside") : n === 2 && !kept.has("run") ? 1 : null;
  return second === null || second === first ? [first] : [first, second];
}

/** How a run is shown before anybody has chosen. */
function firstLook(run: Run): Look {
  return {
    color: "type", map: "viridis", range: null,
    field: run.dim === 3 ? "" : (run.fields.find((f) => f.name === "oxygen") ?? run.fields[0])?.name ?? "",
    slice: { axis: "z", share: 0.5 }, hidden: new Set(), filter: null, clone: null,
    clip: { axis: "", share: 0.5, flip: false },
  };
}

/** When what was asked to be drawn is on its way to the screen. */
function drawn(): Promise<void> { return new Promise((done) => requestAnimationFrame(() => done())); }

async function start(): Promise<void> {
  const first = new Source(0).open(); // nearly always wanted: asked for together with the list
  first.catch(() => undefined);
  const runs = await listRuns();
  const chosen = asked(runs.length);
  if (runs.length > 1) {
    const names = runs.map((r, k): [string, string] => [String(k), `${r.file} (seed ${r.seed})`]);
    const [one, other] = [byId<HTMLSelectElement>("run"), byId<HTMLSelectElement>("other")];
    options(one, new Map([["", names]]), String(chosen[0]));
    options(other, new Map([["", [["", "nothing"], ...names]]]), chosen.length > 1 ? String(chosen[1]) : "");
    one.onchange = other.onchange = () => { location.search = `?run=${one.value}${other.value === "" ? "" : `&beside=${other.value}`}`; };
    byId("run-choice").hidden = byId("other-choice").hidden = false;
  }
  const sources = chosen.map((k) => new Source(k));
  const told = await Promise.all(sources.map((s) => (s.index === 0 ? first.then((run) => s.take(run)) : s.open())));
  const look = firstLook(told[0]);
  const kept = address.read(look, told[0]);
  const frame = kept.time === null ? 0 : frameAt(told[0], kept.time);
  // asked for now, used when the page stands
  sources.forEach((s, k) => { load(s, k === 0 ? frame : frameAt(s.run, told[0].times[frame]), look).catch(() => undefined); });
  let page: Page | null = null;
  const panes = sources.map((s, k) => new Pane(s, sources.length > 1 ? "AB"[k] : "", () => page?.goHome()));
  document.body.classList.toggle("two", panes.length > 1);
  page = new Page(panes, look, kept, frame);
  document.documentElement.dataset.ready = "yes";
  await page.opened;
  await page.loadCurves();
  page.watch();
  Object.assign(window, { memoryUse });
}

start().catch(tell);
