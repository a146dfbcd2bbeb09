// Time: play, step, scrub, jump to events.

import type { Run } from "./api";
import { byId, make } from "./dom";

const DAY = 1440;

export class Timeline {
  frame = 0;
  private timer = 0;
  private busy = false;
  private wanted = false;
  private scrubber = byId<HTMLInputElement>("scrubber");

  constructor(private run: Run, private show: (frame: number) => Promise<void>) {
    this.scrubber.max = String(run.times.length - 1);
    this.scrubber.oninput = () => void this.go(Number(this.scrubber.value));
    byId("back").onclick = () => this.step(-1);
    byId("forward").onclick = () => this.step(1);
    byId("play").onclick = () => this.toggle();
    byId("previous-event").onclick = () => this.event(-1);
    byId("next-event").onclick = () => this.event(1);
    this.bars();
  }

  get time(): number { return this.run.times[this.frame]; }
  get playing(): boolean { return this.timer !== 0; }

  /** Show a frame; done when it is there, or when one asked for before is still loading. */
  go(frame: number): Promise<void> {
    this.frame = Math.min(this.run.times.length - 1, Math.max(0, frame));
    this.scrubber.value = String(this.frame);
    this.scrubber.setAttribute("aria-valuetext", `day ${(this.time / DAY).toFixed(2)}`);
    byId("time").textContent = `${this.frame + 1} / ${this.run.times.length}`;
    return this.update();
  }

  step(by: number): void {
    this.pause();
    this.go(this.frame + by);
  }

  seek(time: number): void {
    this.pause();
    const after = this.run.times.findIndex((t) => t > time + 1e-9);
    this.go(after < 0 ? this.run.times.length - 1 : after - 1);
  }

  /** To the next (1) or previous (-1) frame that follows an event. */
  event(direction: 1 | -1): void {
    const frames = [...new Set(this.run.events.map((e) => this.run.times.findIndex((t) => t >= e.time)))]
      .filter((f) => f >= 0).sort((a, b) => direction * (a - b));
    const next = frames.find((f) => direction * (f - this.frame) > 0);
    if (next !== undefined) this.step(next - this.frame);
  }

  toggle(): void {
    if (this.playing) return this.pause();
    if (this.frame === this.run.times.length - 1) this.go(0);
    const beat = () => {
      const speed = Number(byId<HTMLSelectElement>("speed").value);
      this.timer = window.setTimeout(() => {
        if (this.frame >= this.run.times.length - 1) return this.pause();
        if (!this.busy) this.go(this.frame + 1);
        beat();
      }, 1000 / speed);
    };
    beat();
    this.label("M4 2h3v12H4zM9 2h3v12H9z", "Pause");
  }

  pause(): void {
    window.clearTimeout(this.timer);
    this.timer = 0;
    this.label("M4 2l10 6-10 6z", "Play");
  }

  private label(shape: string, text: string): void {
    document.getElementById("play-shape")!.setAttribute("d", shape);
    byId("play").setAttribute("aria-label", text);
  }

  /** Show the newest state asked for; what was asked for while one loads is passed over. */
  private async update(): Promise<void> {
    this.wanted = true;
    if (this.busy) return;
    this.busy = true;
    try {
      while (this.wanted) {
        this.wanted = false;
        await this.show(this.frame);
      }
    } finally {
      this.busy = false;
    }
  }

  /** More frames have come. */
  extend(run: Run): void {
    this.run = run;
    this.scrubber.max = String(run.times.length - 1);
    byId("time").textContent = `${this.frame + 1} / ${run.times.length}`;
    this.bars();
  }

  private bars(): void {
    const [first, last] = [this.run.times[0], this.run.times[this.run.times.length - 1] || 1];
    const place = (time: number) => `${Math.min(100, Math.max(0, (100 * (time - first)) / (last - first || 1)))}%`;
    const host = byId("bars");
    host.replaceChildren();
    const drugs = [...new Set(this.run.treatments.map((t) => t.drug))];
    byId("track").style.paddingTop = `${Math.max(1, drugs.length) * 14 + 1}px`;
    this.run.treatments.forEach((t) => {
      const bar = make("i", { title: `${t.drug}, ${t.doses.length} doses`, textContent: t.drug });
      Object.assign(bar.style, { left: place(t.start), width: `calc(${place(t.end)} - ${place(t.start)})`, background: t.color, top: `${14 * drugs.indexOf(t.drug)}px` });
      host.append(bar);
    });
    for (const event of this.run.events.filter((e) => e.kind !== "dose")) {
      const mark = make("b", { title: event.text });
      mark.style.left = place(event.time);
      host.append(mark);
    }
  }
}
