// Curves over time under the tissue, with the therapy as bands and the present as a line.

import uPlot from "uplot";
import type { Treatment } from "./api";
import { cssColor, make } from "./dom";
import { rgb, short, tick } from "./colors";

/** `color` is a hex colour or a custom property of the style sheet. */
export interface Line { label: string; color: string; values: (number | null)[]; scale?: string; dash?: number[] }
export interface Drawn { times: number[]; lines: Line[]; unit: string; right?: string; signed?: boolean; apart?: boolean }

const DAY = 1440;
const FAR_APART = 20; // ratio of the highest of two lines of a scale from which on it is logarithmic, if asked
const LOWEST_SHOWN = 300; // of a logarithmic scale: the highest of the weakest line over this

export class Curve {
  private plot: uPlot | null = null;
  private now = 0;
  private given: Drawn | null = null;

  constructor(private host: HTMLElement, private treatments: Treatment[], private seek: (time: number) => void) {
    new ResizeObserver(() => this.plot?.setSize(this.room())).observe(host);
  }

  /** Draw lines over times [min]; `right` names the unit of the lines with scale "right"; `apart`: levels may lie decades apart. */
  show(drawn: Drawn): void {
    this.given = drawn;
    const { times, lines, unit, right } = drawn;
    this.plot?.destroy();
    const axis = { stroke: cssColor("--quiet"), grid: { stroke: cssColor("--line"), width: 1 }, ticks: { stroke: cssColor("--line") }, font: "11px system-ui, sans-serif" };
    const values = (_: uPlot, splits: number[]) => splits.map(tick);
    const decades = (scale: string): { distr: 3; range: [number, number] } | null => {
      const highest = lines.filter((l) => (l.scale ?? "y") === scale).map((l) => Math.max(0, ...l.values.map((v) => v ?? 0))).filter((v) => v > 0);
      if (!drawn.apart || !highest.length || Math.max(...highest) <= FAR_APART * Math.min(...highest)) return null;
      return { distr: 3, range: [Math.min(...highest) / LOWEST_SHOWN, 2 * Math.max(...highest)] };
    };
    const powers = (scale: string): Partial<uPlot.Axis> => {
      const ends = decades(scale)?.range.map(Math.log10);
      if (!ends) return {};
      const [low, high] = [Math.ceil(ends[0]), Math.floor(ends[1])];
      const step = Math.ceil((high - low + 1) / 3);
      const shown = Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, k) => 10 ** (high - k * step)).reverse();
      return { splits: () => shown, filter: (_, splits) => splits };
    };
    const axes: uPlot.Axis[] = [
      { ...axis, size: 22, gap: 2, values: (_, splits) => splits.map((s) => `${short(s)} d`) },
      { ...axis, size: 46, gap: 3, space: 24, values, label: unit, labelSize: 14, labelFont: "11px system-ui, sans-serif", ...powers("y") },
    ];
    if (right) {
      axes.push({ ...axis, scale: "right", side: 1, size: 48, values, label: right, labelSize: 14, labelFont: "11px system-ui, sans-serif", grid: { show: false }, ...powers("right") });
    }
    const fromZero: uPlot.Scale = {
      range: (_, low, high) => {
        const bottom = drawn.signed && low < 0 ? low * 1.08 : 0;
        return [bottom, high > 0 ? high * 1.08 : bottom < 0 ? 0 : 1];
      },
    };
    this.plot = new uPlot(
      {
        ...this.room(),
        scales: { x: { time: false }, y: decades("y") ?? fromZero, right: decades("right") ?? fromZero },
        axes,
        series: [
          { label: "day", value: (_, v) => (v == null ? "" : short(v)) },
          ...lines.map((line): uPlot.Series => ({
            label: line.label, stroke: visible(line.color), width: 2, scale: line.scale ?? "y", dash: line.dash,
            points: { show: false }, value: (_, v) => (v == null ? "–" : short(v)),
          })),
        ],
        cursor: { drag: { x: false, y: false }, y: false },
        legend: { show: false },
        hooks: { drawClear: [(u) => this.bands(u)], draw: [(u) => this.line(u)] },
      },
      [times.map((t) => t / DAY), ...lines.map((l) => (decades(l.scale ?? "y") ? l.values.map((v) => (v && v > 0 ? v : null)) : l.values))] as uPlot.AlignedData,
      this.host,
    );
    this.plot.over.addEventListener("click", () => {
      const left = this.plot?.cursor.left;
      if (left != null && left >= 0) this.seek(this.plot!.posToVal(left, "x") * DAY);
    });
    this.plot.over.style.cursor = "pointer";
  }

  get labels(): string[] { return (this.given?.lines ?? []).map((line) => line.label).filter(Boolean); }

  /** A legend of the lines, for a caption. */
  legend(): HTMLElement {
    return make("span", { className: "key", title: this.labels.join(", ") }, ...(this.given?.lines ?? []).filter((line) => line.label).map((line) => {
      const dash = make("i");
      dash.style.borderTopColor = visible(line.color);
      if (line.dash) dash.style.borderTopStyle = "dashed";
      return make("span", {}, dash, line.label);
    }));
  }

  private room(): { width: number; height: number } {
    return { width: Math.max(80, this.host.clientWidth), height: Math.max(60, this.host.clientHeight) };
  }

  at(time: number): void {
    this.now = time;
    this.plot?.redraw(false);
  }

  /** Draw again in the colours of the present theme. */
  restyle(): void {
    if (this.given) this.show(this.given);
  }

  private bands(u: uPlot): void {
    const { left, width, top, height } = u.bbox;
    u.ctx.save();
    for (const t of this.treatments) {
      const a = Math.max(left, u.valToPos(t.start / DAY, "x", true));
      const b = Math.min(left + width, u.valToPos(t.end / DAY, "x", true));
      u.ctx.fillStyle = `${t.color}33`;
      u.ctx.fillRect(a, top, b - a, height);
    }
    u.ctx.restore();
  }

  private line(u: uPlot): void {
    const x = u.valToPos(this.now / DAY, "x", true);
    u.ctx.save();
    u.ctx.setLineDash([]);
    u.ctx.strokeStyle = cssColor("--ink");
    u.ctx.lineWidth = devicePixelRatio * 1.5;
    u.ctx.beginPath();
    u.ctx.moveTo(x, u.bbox.top);
    u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
    u.ctx.stroke();
    u.ctx.restore();
  }
}

/** A line's colour, lightened where the page is dark. */
function visible(color: string): string {
  if (color.startsWith("--")) return cssColor(color);
  if (document.documentElement.dataset.theme !== "dark") return color;
  const [r, g, b] = rgb(color).map((c) => Math.round(c + 0.45 * (255 - c)));
  return `rgb(${r} ${g} ${b})`;
}
