// The four curves under the tissue: of one run, or of two and their difference.

import type { Curves, Metric, Run } from "./api";
import { plain, units } from "./colors";
import { Curve, type Line } from "./curves";
import { byId, make, options } from "./dom";

const ACCENT = "--accent";
const SETS: [string, string, RegExp][] = [
  ["uncertainty", "trust", /^(sigma_mean|share_out_of_domain)$/],
  ["populations", "cells by group", /^n_(?!clones)/],
  ["phases", "cell-cycle phases", /^phase_/],
  ["oxygen", "oxygen", /^oxygen_/],
];
const LABELS: Record<string, string> = { share_out_of_domain: "outside", sigma_mean: "spread" };
const COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B8860B", "#56B4E9", "#8C8C8C", "#882255"];

export class Charts {
  private data: Curves[] = [];
  private curves: Record<"burden" | "drug" | "phases" | "free", Curve>;

  constructor(private runs: Run[], seek: (time: number) => void) {
    const curve = (id: string) => new Curve(byId(id), runs[0].treatments, seek);
    this.curves = { burden: curve("burden"), drug: curve("drug"), phases: curve("phases"), free: curve("free") };
  }

  show(data: Curves[], runs: Run[], time: number): void {
    this.data = data;
    this.runs = runs;
    this.choices();
    if (data.length > 1) this.compared();
    else this.single();
    this.at(time);
  }

  at(time: number): void { Object.values(this.curves).forEach((c) => c.at(time)); }

  restyle(): void {
    if (this.data.length) Object.values(this.curves).forEach((c) => c.restyle());
    if (this.data.length) this.captions();
  }

  /** Share of living cells outside the training domain at a time. */
  outside(run: number, time: number): number {
    const share = this.metric("share_out_of_domain", run)?.values;
    const after = this.times(run).findIndex((t) => t > time);
    return share?.[after < 0 ? share.length - 1 : Math.max(0, after - 1)] ?? 0;
  }

  private titles: Record<string, string> = {};

  private captions(): void {
    for (const [id, title] of [["burden", "burden-title"], ["drug", "drug-title"], ["phases", "phases-title"]] as const) {
      this.name(id, `${this.titles[id]}: ${this.curves[id].labels.join(", ")}`);
      byId(title).replaceChildren(make("b", { textContent: this.titles[id] }), this.curves[id].legend());
    }
    this.name("free", this.curves.free.labels.join(", "));
    byId("free-title").replaceChildren(this.curves.free.legend());
  }

  private name(id: string, text: string): void {
    byId(id).setAttribute("role", "img");
    byId(id).setAttribute("aria-label", `Curve over time. ${text}. A click goes to its time.`);
  }

  private single(): void {
    const [data] = this.data;
    this.titles = { burden: "Tumor by clone", phases: "Phases of tumor cells" };
    this.curves.burden.show({ times: data.times, lines: data.clones.map((c) => ({ label: c.name.replace(/^\S+ \+ /, "+ "), color: c.color, values: c.values })), unit: "cells" });
    this.drugs(0);
    this.several(this.curves.phases, this.metrics(/^phase_/));
    this.chosen();
  }

  private compared(): void {
    this.titles = { burden: "Living tumor cells", phases: "Difference B − A" };
    this.both(this.curves.burden, "burden");
    this.drugs(0);
    this.chosen();
  }

  /** The fourth curve, and with two runs the difference in what it shows. */
  private chosen(): void {
    const { value } = byId<HTMLSelectElement>("curve");
    const set = SETS.find(([key]) => `set:${key}` === value);
    if (this.data.length > 1) {
      this.both(this.curves.free, value);
      this.difference(value);
    } else {
      this.several(this.curves.free, this.metrics(set ? set[2] : new RegExp(`^${value}$`)));
    }
    this.captions();
  }

  private both(curve: Curve, name: string): void {
    const metric = this.metric(name, 0);
    const times = this.times(0);
    curve.show({
      times, unit: metric?.units === "1" ? plain(name) : units(metric?.units ?? ""), signed: true,
      lines: [
        { label: "A", color: "--run-a", values: metric?.values ?? [] },
        { label: "B", color: "--run-b", values: this.at0(name), dash: [6, 3] },
      ],
    });
  }

  private difference(name: string): void {
    const a = this.metric(name, 0)?.values ?? [];
    const b = this.at0(name);
    const values = a.map((v, k) => (v === null || b[k] == null ? null : b[k]! - v));
    this.titles.phases = `Difference B − A: ${plain(name)}`;
    this.curves.phases.show({ times: this.times(0), unit: units(this.metric(name, 0)?.units ?? ""), signed: true, lines: [{ label: "B − A", color: "--ink", values }] });
  }

  /** A metric of the second run at the times of the first; nothing beyond its end. */
  private at0(name: string): (number | null)[] {
    const [times, values] = [this.times(1), this.metric(name, 1)?.values ?? []];
    let k = 0;
    return this.times(0).map((t) => {
      while (k + 1 < times.length && times[k + 1] <= t + 1e-6) k++;
      return t > times[times.length - 1] + 1e-6 ? null : values[k] ?? null;
    });
  }

  private drugs(run: number): void {
    const found = [...this.metrics(/^plasma_/, run), ...this.metrics(/^tissue_/, run)];
    const tissueUnit = found.find((m) => m.name.startsWith("tissue_"))?.units;
    const drugs = new Set(found.map((m) => m.name.replace(/^[a-z]+_/, "")));
    const alone = drugs.size === 1;
    const lines = found.map((m, k): Line => {
      const [where, ...name] = m.name.split("_");
      const color = this.runs[run].treatments.find((t) => t.drug === name.join("_"))?.color ?? ACCENT;
      return where === "plasma"
        ? { label: alone ? "in plasma" : name.join(" "), color, values: m.values }
        : { label: alone || k === found.findIndex((f) => f.name.startsWith("tissue_")) ? "in tumor" : "", color, values: m.values, scale: m.units === tissueUnit ? "right" : m.units, dash: [6, 4] };
    });
    const of = this.data.length > 1 ? " in A" : "";
    this.titles.drug = alone ? plain([...drugs][0]) + of : `Drugs${of}`;
    if (lines.length > 0) {
      const plasma = found.find((m) => m.name.startsWith("plasma_"))?.units ?? "";
      this.curves.drug.show({ times: this.times(run), lines, unit: `plasma ${units(plasma)}`, right: tissueUnit ? `tumor ${units(tissueUnit)}` : undefined, apart: true });
      return;
    }
    this.titles.drug = "No drug was given";
    const oxygen = this.metric("oxygen_tumor", run);
    this.curves.drug.show({ times: this.times(run), lines: [{ label: "oxygen at tumor cells", color: ACCENT, values: oxygen?.values ?? [] }], unit: "mmHg" });
  }

  /** Metrics in one plot; those of a second unit go to the right axis. */
  private several(curve: Curve, metrics: Metric[]): void {
    const [left, ...others] = [...new Set(metrics.map((m) => m.units))];
    const share = metrics.some((m) => m.name.startsWith("share_"));
    const lines = metrics.map((m, k): Line => ({
      label: LABELS[m.name] ?? plain(m.name).replace("phase ", "").replace(/^n /, ""), color: metrics.length > 1 ? COLORS[k % COLORS.length] : ACCENT,
      values: m.values, scale: m.units === left ? "y" : "right",
    }));
    curve.show({ times: this.times(0), lines, unit: units(left ?? "") || (share || metrics[0]?.name.startsWith("phase_") ? "share" : plain(metrics[0]?.name ?? "")), right: others[0], signed: true });
  }

  private choices(): void {
    const choice = byId<HTMLSelectElement>("curve");
    const kept = choice.value;
    const names = this.data[0].metrics.map((m) => m.name).filter((n) => n !== "time");
    const sets = this.data.length > 1 ? [] : SETS.filter(([, , what]) => names.some((n) => what.test(n))).map(([key, text]): [string, string] => [`set:${key}`, text]);
    const single = names.filter((n) => this.data.every((_, k) => this.metric(n, k))).map((n): [string, string] => [n, plain(n)]);
    options(choice, new Map([["Together", sets], ["One", single]]), kept || (sets[0] ?? single.find(([n]) => n === "burden") ?? single[0])[0]);
    choice.onchange = () => this.chosen();
  }

  private metrics(what: RegExp, run = 0): Metric[] { return this.data[run].metrics.filter((m) => what.test(m.name)); }
  private metric(name: string, run = 0): Metric | undefined { return this.data[run]?.metrics.find((m) => m.name === name); }
  private times(run: number): number[] { return (this.metric("time", run)?.values ?? []) as number[]; }
}
