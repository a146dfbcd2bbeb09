// The network of a cell at large: columns from what is sensed to what is decided, to search and zoom.

import type { Cell, Edge, Wiring } from "./api";
import { gradient, plain } from "./colors";
import { byId, make } from "./dom";
import { ACTIVE, type State, type Unit, drawn, element, filled, markers, says, stateOf, strength } from "./network";

/** Layers that stand in one column, from left to right. */
const COLUMNS = [
  ["mutation", "input"], ["receptor", "drug target"], ["signaling"], ["immune", "stroma", "endothelium"],
  ["feedback", "memory", "hypoxia"], ["metabolism", "transcription", "damage"], ["cycle", "death"], ["output"],
];
const HEADS: Record<string, string> = { mutation: "mutations", input: "senses", receptor: "receptors", "drug target": "drug targets", output: "decisions" };
const [COLUMN, ROW, BOX] = [158, 40, 24]; // width of a column, height of a row and of a node
const ROWS = [12, 34]; // fewest and most nodes in a column
const READABLE = 0.62; // pixels per unit of the drawing
const LETTER = 8.6; // mean width of a letter of a name

interface Place { x: number; y: number; width: number }
interface Head { text: string; x: number; y: number }
interface View { x: number; y: number; width: number; height: number }

export class NetworkView {
  private dialog = byId<HTMLDialogElement>("network");
  private host = byId("network-host");
  private state: State | null = null;
  private places = new Map<string, Place>();
  private heads: Head[] = [];
  private chosen: string | null = null;
  private view: View | null = null; // null: all of it
  private svg: SVGElement = element("svg");

  constructor(step: (by: number) => void) {
    byId("network-back").onclick = () => step(-1);
    byId("network-forward").onclick = () => step(1);
    byId("network-in").onclick = () => this.zoom(1.4);
    byId("network-out").onclick = () => this.zoom(1 / 1.4);
    byId("network-all").onclick = () => this.whole();
    byId("network-close").onclick = () => this.dialog.close();
    byId("network-levels").style.background = gradient("viridis");
    const find = byId<HTMLInputElement>("network-find");
    find.oninput = () => this.mark();
    find.onkeydown = (e) => { if (e.key === "Enter") { e.preventDefault(); this.choose(this.found()[0] ?? null, true); } };
    this.dialog.addEventListener("keydown", (e) => this.key(e));
    this.host.addEventListener("wheel", (e) => { e.preventDefault(); this.zoom(Math.exp(-0.0015 * e.deltaY), this.at(e)); }, { passive: false });
    this.dragging();
    new ResizeObserver(() => this.frame()).observe(this.host);
  }

  get open(): boolean { return this.dialog.open; }

  show(): void {
    if (!this.state) return;
    this.dialog.showModal();
    this.whole();
    byId("network-find").focus();
  }

  /** Draw the levels of a cell at a time; what was chosen and where one looks stays. */
  update(cell: Cell, wiring: Wiring, title: string): void {
    this.state = stateOf(cell, wiring);
    byId("network-title").textContent = title;
    if (!this.open) return;
    this.draw();
  }

  private draw(): void {
    const { units, known, edges } = this.state!;
    this.arrange();
    const held = document.activeElement?.getAttribute("data-name");
    const svg = element("svg", { role: "group", "aria-label": "Signaling network. Arrow keys move between nodes, Enter chooses one.", class: "network large" });
    const ordered = [...edges].sort((a, b) => strength(known.get(a.source)!) - strength(known.get(b.source)!));
    svg.append(markers("large"),
      ...this.heads.map(({ text, x, y }) => { const made = element("text", { x: String(x), y: String(y), class: "head" }); made.textContent = text; return made; }),
      ...ordered.map((e) => drawn(e, strength(known.get(e.source)!), this.path(e), "large")),
      ...units.map((unit) => this.node(unit)));
    this.svg = svg;
    this.host.replaceChildren(svg);
    byId("network-names").replaceChildren(...units.map((u) => make("option", { value: u.name })));
    this.frame();
    this.mark();
    if (held) this.element(held)?.focus();
  }

  /** Columns of nodes under the names of their layers; in a layer near what they are connected to. */
  private arrange(): void {
    const { units, layers, edges } = this.state!;
    const groups = COLUMNS.map((column) => column.map((layer) => units.filter((u) => layers.get(u.name) === layer)).filter((g) => g.length > 0));
    const spread = (most: number) => {
      this.places.clear();
      this.heads = [];
      let x = 0;
      for (const column of groups.filter((c) => c.length > 0)) {
        let y = 0;
        const head = (unit: Unit, more: boolean) => {
          const layer = layers.get(unit.name)!;
          this.heads.push({ text: (HEADS[layer] ?? layer) + (more ? " (more)" : ""), x, y: y * ROW });
          y += 0.7;
        };
        for (const group of column) {
          const parts = Math.ceil(group.length / most);
          if (y > 0 && y + group.length > most + 2) { x += COLUMN; y = 0; }
          group.forEach((unit, k) => {
            const part = Math.floor((k * parts) / group.length);
            const first = k === 0 || part !== Math.floor(((k - 1) * parts) / group.length);
            if (first && k > 0) { x += COLUMN; y = 0; }
            if (first) head(unit, k > 0);
            this.places.set(unit.name, { x, y: y * ROW, width: Math.min(COLUMN - 40, Math.max(44, LETTER * plain(unit.name).length + 16)) });
            y += 1;
          });
          y += 0.4;
        }
        x += COLUMN;
      }
    };
    const rows = this.fitting(spread);
    const near = new Map(units.map((u) => [u.name, [] as string[]]));
    for (const e of edges) { near.get(e.source)!.push(e.target); near.get(e.target)!.push(e.source); }
    for (let sweep = 0; sweep < 4; sweep++) {
      for (const group of groups.flat()) {
        const pull = new Map(group.map((u) => {
          const others = near.get(u.name)!;
          return [u, others.length ? others.reduce((sum, n) => sum + this.places.get(n)!.y, 0) / others.length : this.places.get(u.name)!.y];
        }));
        group.sort((a, b) => pull.get(a)! - pull.get(b)!);
      }
      spread(rows);
    }
  }

  /** How many rows let all of it be drawn largest. */
  private fitting(spread: (rows: number) => void): number {
    const [width, height] = [this.host.clientWidth || 1, this.host.clientHeight || 1];
    let [best, largest] = [ROWS[0], 0];
    for (let rows = ROWS[0]; rows <= ROWS[1]; rows++) {
      spread(rows);
      const all = this.all();
      const scale = Math.min(width / all.width, height / all.height);
      if (scale > largest * 1.001) [best, largest] = [rows, scale];
    }
    spread(best);
    return best;
  }

  private path(edge: Edge): string {
    const [from, to] = [this.places.get(edge.source)!, this.places.get(edge.target)!];
    const out = to.x >= from.x ? 1 : -1; // the side it leaves from; it comes in on the other, or on the same within a column
    const into = to.x === from.x ? 1 : -out;
    const [x0, x1] = [from.x + (out * from.width) / 2, to.x + into * (to.width / 2 + 4)];
    const bend = to.x === from.x ? 26 + 0.06 * Math.abs(to.y - from.y) : Math.max(30, 0.42 * Math.abs(x1 - x0));
    return `M${x0} ${from.y} C${x0 + out * bend} ${from.y} ${x1 + into * bend} ${to.y} ${x1} ${to.y}`;
  }

  private node(unit: Unit): SVGElement {
    const { x, y, width } = this.places.get(unit.name)!;
    const { edges } = this.state!;
    const [acting, acted] = [edges.filter((e) => e.target === unit.name).length, edges.filter((e) => e.source === unit.name).length];
    const group = element("g", {
      class: `unit ${unit.kind}`, transform: `translate(${x} ${y})`, role: "button", tabindex: "-1", "data-name": unit.name,
      "aria-label": `${plain(unit.name)}: ${unit.text}. ${acting} act on it, it acts on ${acted}.`,
    });
    const { fill, ink } = filled(strength(unit));
    const [w, h] = [width / 2, BOX / 2];
    const shape = unit.kind === "mutation" // a hexagon, so that a source that is no node is told by its shape
      ? element("path", { d: `M${-w} 0L${-w + 9} ${-h}H${w - 9}L${w} 0L${w - 9} ${h}H${-w + 9}Z`, fill })
      : element("rect", { x: String(-w), y: String(-h), width: String(width), height: String(BOX), rx: unit.kind === "node" ? "12" : "3", fill });
    shape.classList.add("shape");
    const name = plain(unit.name);
    const label = element("text", { y: "4", fill: ink });
    label.textContent = name;
    if (LETTER * name.length > width - 8) { label.setAttribute("textLength", String(width - 12)); label.setAttribute("lengthAdjust", "spacingAndGlyphs"); }
    const value = element("text", { y: String(h + 10), class: "value" });
    value.textContent = unit.text;
    const title = element("title");
    title.textContent = `${name}: ${unit.text}`;
    group.append(title, shape, label, value);
    group.addEventListener("click", () => this.choose(unit.name));
    return group;
  }

  // --- choosing and finding

  private found(): string[] {
    const text = byId<HTMLInputElement>("network-find").value.trim().toLowerCase();
    if (!text || !this.state) return [];
    const names = this.state.units.map((u) => u.name).filter((n) => n.toLowerCase().includes(text));
    return names.sort((a, b) => a.length - b.length);
  }

  private choose(name: string | null, look = false): void {
    this.chosen = name === this.chosen && !look ? null : name;
    this.mark();
    if (!name) return;
    if (look) this.approach(name);
    this.element(name)?.focus();
  }

  /** Bring out what was chosen with all it is connected to, and what was looked for. */
  private mark(): void {
    if (!this.state) return;
    const { edges, known, units } = this.state;
    if (this.chosen && !known.has(this.chosen)) this.chosen = null;
    const own = edges.filter((e) => e.source === this.chosen || e.target === this.chosen);
    const near = new Set([this.chosen, ...own.flatMap((e) => [e.source, e.target])]);
    const found = new Set(this.found());
    this.svg.classList.toggle("picked", this.chosen !== null);
    this.svg.querySelectorAll<SVGElement>(".edge").forEach((e) => e.classList.toggle("near", e.dataset.source === this.chosen || e.dataset.target === this.chosen));
    const stop = this.chosen ?? document.activeElement?.getAttribute("data-name") ?? units[0].name;
    this.svg.querySelectorAll<SVGElement>(".unit").forEach((e) => {
      const name = e.dataset.name!;
      e.classList.toggle("near", near.has(name));
      e.classList.toggle("found", found.has(name));
      e.setAttribute("aria-pressed", String(name === this.chosen));
      e.setAttribute("tabindex", name === stop ? "0" : "-1");
    });
    const text = byId<HTMLInputElement>("network-find").value.trim();
    const active = edges.filter((e) => strength(known.get(e.source)!) >= ACTIVE).length;
    byId("network-told").textContent = text ? `${found.size} found` : `${active} of ${edges.length} connections active (source ≥ ${ACTIVE})`;
    this.tell(own);
  }

  /** What acts on the chosen node and on what it acts, strongest first. */
  private tell(own: Edge[]): void {
    const facts = byId("network-facts");
    facts.hidden = this.chosen === null;
    this.dialog.classList.toggle("told", this.chosen !== null);
    if (!this.chosen) return;
    const { known, layers } = this.state!;
    const unit = known.get(this.chosen)!;
    const list = (edges: Edge[], other: (e: Edge) => string) => make("ul", {}, ...edges
      .sort((a, b) => strength(known.get(b.source)!) - strength(known.get(a.source)!))
      .map((e) => {
        const sign = make("b", { textContent: e.sign > 0 ? "→" : "⊣", className: e.sign > 0 ? "on-text" : "off-text" });
        const to = make("button", { className: "link", textContent: plain(other(e)), title: `${says(e)}; show it`, onclick: () => this.choose(other(e), true) });
        return make("li", {}, sign, " ", to, ` ${known.get(other(e))!.text}${e.via.length ? ` · over ${e.via.join(", ")}` : ""}`);
      }));
    const [into, out] = [own.filter((e) => e.target === this.chosen), own.filter((e) => e.source === this.chosen)];
    facts.replaceChildren(
      make("h3", { textContent: plain(unit.name) }),
      make("p", { className: "quiet", textContent: `${HEADS[layers.get(unit.name)!] ?? layers.get(unit.name)} · ${unit.text}` }),
      ...(into.length ? [make("h4", { textContent: "Acted on by" }), list(into, (e) => e.source)] : []),
      ...(out.length ? [make("h4", { textContent: "Acts on" }), list(out, (e) => e.target)] : []));
  }

  // --- moving

  private key(event: KeyboardEvent): void {
    const target = event.target as Element;
    event.stopPropagation(); // the page's own keys rest
    if (target.matches("input")) return;
    const zooms: Record<string, () => void> = { "+": () => this.zoom(1.4), "-": () => this.zoom(1 / 1.4), "0": () => this.whole(), ",": () => byId("network-back").click(), ".": () => byId("network-forward").click() };
    const moves: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const name = target.getAttribute("data-name");
    if (zooms[event.key]) zooms[event.key]();
    else if (moves[event.key] && event.shiftKey) this.pan(...moves[event.key]);
    else if (moves[event.key] && name) this.neighbour(name, ...moves[event.key]);
    else if ((event.key === "Enter" || event.key === " ") && name) this.choose(name);
    else return;
    event.preventDefault();
  }

  /** Focus the nearest node in a direction. */
  private neighbour(name: string, right: number, down: number): void {
    const from = this.places.get(name)!;
    let [best, least] = ["", Infinity];
    for (const [other, { x, y }] of this.places) {
      const [dx, dy] = [x - from.x, y - from.y];
      const along = right * dx + down * dy;
      const aside = Math.abs(right * dy) + Math.abs(down * dx) * 3; // in a column first
      if (other !== name && along > 1 && along + 2 * aside < least) [best, least] = [other, along + 2 * aside];
    }
    if (!best) return;
    this.element(name)?.setAttribute("tabindex", "-1");
    this.element(best)?.setAttribute("tabindex", "0");
    this.element(best)?.focus();
    this.reveal(best);
  }

  private element(name: string): SVGElement | null { return this.svg.querySelector(`.unit[data-name="${CSS.escape(name)}"]`); }

  /** All of the network with a margin. */
  private all(): View {
    const places = [...this.places.values()];
    const half = (name: string, width: number) => Math.max(width, 6 * this.state!.known.get(name)!.text.length) / 2;
    const ends = [...this.places].flatMap(([name, { x, width }]) => [x - half(name, width), x + half(name, width)]);
    const [left, right] = [Math.min(...ends), Math.max(...ends)];
    const bottom = Math.max(...places.map((p) => p.y));
    return { x: left - 20, y: -30, width: right - left + 40, height: bottom + ROW + 30 };
  }

  private whole(): void {
    this.view = null;
    this.draw();
  }

  private frame(): void {
    if (!this.open || this.places.size === 0) return;
    const { x, y, width, height } = this.view ?? this.all();
    this.svg.setAttribute("viewBox", `${x} ${y} ${width} ${height}`);
  }

  /** The place in the drawing under a point of the screen. */
  private at(event: MouseEvent): { x: number; y: number } {
    const point = new DOMPoint(event.clientX, event.clientY).matrixTransform((this.svg as SVGSVGElement).getScreenCTM()!.inverse());
    return { x: point.x, y: point.y };
  }

  private zoom(factor: number, about?: { x: number; y: number }): void {
    const all = this.all();
    const old = this.view ?? all;
    const width = Math.min(1.5 * all.width, Math.max(300, old.width / factor));
    const share = width / old.width;
    const { x, y } = about ?? { x: old.x + old.width / 2, y: old.y + old.height / 2 };
    this.view = { x: x - (x - old.x) * share, y: y - (y - old.y) * share, width, height: old.height * share };
    this.frame();
  }

  private pan(right: number, down: number): void {
    const old = this.view ?? this.all();
    this.view = { ...old, x: old.x + 0.12 * right * old.width, y: old.y + 0.12 * down * old.height };
    this.frame();
  }

  /** Come near enough to a node to read what stands on it. */
  private approach(name: string): void {
    const { width, height } = this.view ?? this.all();
    const scale = Math.min(this.host.clientWidth / width, this.host.clientHeight / height);
    if (scale < READABLE) {
      const { x, y } = this.places.get(name)!;
      const [wide, high] = [this.host.clientWidth / READABLE, this.host.clientHeight / READABLE];
      const all = this.all();
      // the node in the middle, as far as no empty margin comes into sight
      const start = (at: number, low: number, full: number, seen: number) => (seen >= full ? low - (seen - full) / 2 : Math.min(low + full - seen, Math.max(low, at - seen / 2)));
      this.view = { x: start(x, all.x, all.width, wide), y: start(y, all.y, all.height, high), width: wide, height: high };
      this.frame();
    }
    this.reveal(name);
  }

  /** Move so that a node is seen, where it is not. */
  private reveal(name: string): void {
    if (!this.view) return;
    const { x, y } = this.places.get(name)!;
    const { view } = this;
    if (x < view.x + 60 || x > view.x + view.width - 60) view.x = x - view.width / 2;
    if (y < view.y + 30 || y > view.y + view.height - 30) view.y = y - view.height / 2;
    this.frame();
  }

  private dragging(): void {
    let held: { x: number; y: number } | null = null;
    this.host.addEventListener("pointerdown", (e) => { if (!(e.target as Element).closest(".unit")) held = this.at(e); });
    this.host.addEventListener("pointermove", (e) => {
      if (!held || !(e.buttons & 1)) { held = null; return; }
      const [now, old] = [this.at(e), this.view ?? this.all()];
      this.view = { ...old, x: old.x + held.x - now.x, y: old.y + held.y - now.y };
      this.frame();
    });
    this.host.addEventListener("pointerup", () => { held = null; });
  }
}
