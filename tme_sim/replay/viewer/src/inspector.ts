// What is known of the cell that was clicked: signaling, survival, family, history, all columns.

import type { Cell, Column, Run, Survival, Value } from "./api";
import { plain, short, units } from "./colors";
import { byId, make, options } from "./dom";
import { network } from "./network";

const DAY = 1440;
const GROUPS: [string, string][] = [
  ["column", "Body"], ["node", "Signaling state (0 to 1)"], ["output", "What the network decides"], ["input", "What it senses"],
];

/** What the panel can ask of the page. */
export interface Acts {
  select: (id: string) => void;
  goTo: (time: number) => void;
  follow: () => void;
  highlight: (clone: number) => void;
  history: (id: string, name: string) => Promise<(number | null)[]>;
  enlarge: () => void;
  following: boolean; highlighted: number | null; column: string; chooseHistory: (name: string) => void;
}

export function showCell(cell: Cell, run: Run, time: number, acts: Acts): void {
  byId("no-cell").hidden = true;
  const open = new Set([...document.querySelectorAll<HTMLDetailsElement>("#cell details[open]")].map((d) => d.dataset.name));
  byId("cell").replaceChildren(
    head(cell, run, acts),
    ...(cell.survival.length ? [section("Why it survives", why(cell.survival, run, time, acts))] : []),
    ...(run.wiring ? [section("Signaling", network(cell, run.wiring, acts.enlarge))] : []),
    section("Family", family(cell, acts)),
    section("History", past(cell, run, time, acts)),
    section("Around it", around(cell)),
    ...GROUPS.map(([source, title]) => values(cell, run.columns.filter((c) => c.source === source), title, open)),
  );
}

export function showNoCell(text: string): void {
  byId("no-cell").hidden = false;
  byId("no-cell").textContent = text;
  byId("cell").replaceChildren();
}

function section(title: string, ...content: (Node | string)[]): HTMLElement {
  return make("section", {}, make("h2", { textContent: title }), ...content);
}

function head(cell: Cell, run: Run, acts: Acts): HTMLElement {
  const type = String(cell.columns.type);
  const named = run.columns.find((c) => c.name === "type")?.categories ?? [];
  const code = named.findIndex((c) => c.name === type || c.name.replaceAll(" ", "_").toLowerCase() === type);
  const dot = make("b", { className: "dot" });
  dot.style.background = run.types[code]?.color ?? "#6b6f73";
  const clone = cell.columns.clone;
  const follow = make("button", { textContent: "Follow", title: "Keep it in the middle (F)", onclick: acts.follow });
  follow.setAttribute("aria-pressed", String(acts.following));
  const buttons = make("div", { className: "pair" }, follow);
  if (cell.clone >= 0) {
    const highlight = make("button", { textContent: "Highlight clone", title: "Fade all other cells (H)", onclick: () => acts.highlight(cell.clone) });
    highlight.setAttribute("aria-pressed", String(acts.highlighted === cell.clone));
    buttons.append(highlight);
  }
  const facts = [typeof clone === "string" && clone !== type ? `clone ${clone}` : "", cell.genotype.join(", "), String(cell.columns.status), cell.columns.phase ? `phase ${String(cell.columns.phase)}` : ""];
  return make("div", { className: "cell-head" },
    make("h2", { className: "cell-name" }, dot, `${plain(type)} `, make("span", { className: "quiet", textContent: tag(cell.id), title: `cell ${cell.id}` })),
    make("p", { className: "quiet", textContent: facts.filter(Boolean).join(" · ") }),
    ...(cell.columns.in_domain === false ? [make("p", { className: "warn", textContent: "Outside the network's training domain: its decisions are extrapolated." })] : []),
    buttons);
}

function why(told: Survival[], run: Run, time: number, acts: Acts): HTMLElement {
  const shown = [...told].reverse().find((s) => s.time <= time + 1e-6) ?? told[0];
  const color = run.columns.find((c) => c.name === "survival")?.categories?.find((c) => c.name === shown.cause)?.color ?? "#6b6f73";
  const dot = make("b", { className: "dot" });
  dot.style.background = color;
  const most = Math.max(...shown.effects.map((e) => Math.abs(e.effect)), 1e-9);
  const rows = [...shown.effects].sort((a, b) => a.effect - b.effect).slice(0, 6).map((e) => {
    const bar = make("i");
    bar.style.width = `${(100 * Math.abs(e.effect)) / most}%`;
    return make("tr", {}, make("th", { scope: "row", textContent: e.name }), make("td", { textContent: `${e.effect > 0 ? "+" : "−"}${short(Math.abs(e.effect))}` }), make("td", { className: "bar" }, bar));
  });
  const at = make("div", { className: "times" }, "explained at ", ...told.map((s) => {
    const button = make("button", { textContent: `${short(s.time / DAY)} d`, onclick: () => acts.goTo(s.time) });
    button.setAttribute("aria-pressed", String(s === shown));
    return button;
  }));
  return make("div", {},
    make("p", {}, dot, make("strong", { textContent: shown.cause }), ` · net growth ${short(shown.net)} /day${shown.joint === null ? "" : `, ${short(shown.joint)} with everything put back`}`),
    ...(rows.length ? [make("table", {}, make("caption", { textContent: "change of net growth [1/day] if put back alone" }), ...rows)] : []), at);
}

function family(cell: Cell, acts: Acts): HTMLElement {
  const { life } = cell;
  if (!life) return make("p", { className: "quiet", textContent: "Its family is not in this file." });
  const link = (id: string) => make("button", { className: "link", textContent: tag(id), title: `Show cell ${id}`, onclick: () => acts.select(id) });
  const when = (time: number) => make("button", { className: "link", textContent: `day ${short(time / DAY)}`, title: "Go to this time", onclick: () => acts.goTo(time) });
  const list = make("ul", { className: "life" });
  const origin: Record<string, string> = { founder: "founder, there from the start, ", birth: "born ", arrival: "arrived " };
  list.append(make("li", {}, origin[life.origin] ?? `${life.origin} `, when(life.from), ...(life.mother ? [", mother ", link(life.mother)] : []),
    ...(life.mutation ? [make("strong", { textContent: ` acquired ${life.mutation}` })] : [])));
  const ended: Record<string, string> = { death: "died", cleared: "cleared away", removed: "removed", divided: "divided" };
  for (const d of life.daughters) list.append(make("li", {}, "daughter ", link(d.id), " ", when(d.time), ...(d.mutation ? [make("strong", { textContent: ` acquired ${d.mutation}` })] : [])));
  if (life.n_daughters > life.daughters.length) list.append(make("li", { textContent: `and ${life.n_daughters - life.daughters.length} more daughters` }));
  for (const e of life.ended) list.append(make("li", {}, `${ended[e.event] ?? e.event}${e.cause ? ` (${e.cause})` : ""} `, when(e.time)));
  return list;
}

function past(cell: Cell, run: Run, time: number, acts: Acts): HTMLElement {
  const numbers = run.columns.filter((c) => !c.categories);
  const choice = make("select", {});
  choice.setAttribute("aria-label", "Column of the history");
  options(choice, new Map([["", numbers.map((c): [string, string] => [c.name, plain(c.name)])]]), acts.column);
  choice.onchange = () => acts.chooseHistory(choice.value);
  const host = make("div", { className: "spark" });
  const unit = units(numbers.find((c) => c.name === acts.column)?.units ?? "");
  acts.history(cell.id, acts.column).then((values) => host.replaceChildren(spark(values, run.times, time, unit)), () => host.replaceChildren("no history"));
  return make("div", {}, choice, host);
}

function spark(values: (number | null)[], times: number[], now: number, unit: string): Element {
  const [width, height] = [312, 62];
  const found = values.filter((v): v is number => v !== null);
  if (found.length === 0) return make("p", { className: "quiet", textContent: "in no recorded frame" });
  const [low, high] = [Math.min(0, ...found), Math.max(...found, 1e-12)];
  const last = times[times.length - 1] || 1;
  const x = (t: number) => 2 + ((width - 4) * t) / last;
  const y = (v: number) => height - 14 - ((height - 28) * (v - low)) / (high - low || 1);
  const points = values.map((v, k) => (v === null ? null : `${x(times[k]).toFixed(1)} ${y(v).toFixed(1)}`));
  const path = points.map((p, k) => (p === null ? "" : `${points[k - 1] == null ? "M" : "L"}${p}`)).join("");
  const holder = make("div");
  holder.innerHTML = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="from ${short(found[0])} to ${short(found[found.length - 1])}">
    <path d="M2 ${height - 13}H${width - 2}" class="axis"/><path d="M${x(now).toFixed(1)} 12V${height - 13}" class="now"/>
    <path d="${path}" class="curve"/>
    <text x="2" y="9" class="most"></text><text x="2" y="${height - 2}">0 d</text>
    <text x="${width - 2}" y="${height - 2}" text-anchor="end">${short(last / DAY)} d</text></svg>`;
  holder.querySelector(".most")!.textContent = `max ${short(Math.max(...found))} ${unit}`;
  return holder.firstElementChild!;
}

function around(cell: Cell): HTMLElement {
  const rows = cell.senses.map((s) => make("tr", {}, make("th", { scope: "row", textContent: plain(s.name) }), make("td", { textContent: s.value === null ? "none" : `${short(s.value)} ${units(s.units)}` })));
  const place = cell.columns.position;
  const text = Array.isArray(place) ? `at ${place.map((p) => p.toFixed(0)).join(", ")} µm` : "";
  return make("table", {}, make("caption", { textContent: `substrates in its voxel ${text}` }), ...rows);
}

function values(cell: Cell, columns: Column[], title: string, open: Set<string | undefined>): HTMLElement {
  const rows = columns.filter((c) => c.name in cell.columns).map((column) => {
    const value = cell.columns[column.name];
    const row = make("tr", { title: column.meaning },
      make("th", { scope: "row", textContent: plain(column.name) }),
      make("td", { textContent: `${told(value)} ${typeof value === "number" ? units(column.units) : ""}`.trim() }));
    if (column.source === "node" && typeof value === "number") {
      const bar = make("i");
      bar.style.width = `${100 * Math.min(1, Math.max(0, value))}%`;
      row.append(make("td", { className: "bar" }, bar));
    }
    return row;
  });
  const details = make("details", { open: open.has(title) || title === "Body" }, make("summary", { textContent: title }), make("table", {}, ...rows));
  details.dataset.name = title;
  details.hidden = rows.length === 0;
  return details;
}

/** Ids are long: their last digits tell cells apart well enough to read. */
export function tag(id: string): string { return id.length > 7 ? `#…${id.slice(-5)}` : `#${id}`; }

function told(value: Value): string {
  if (value === null) return "none";
  if (typeof value === "number") return short(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return Array.isArray(value) ? value.map((v) => short(v)).join(", ") : value;
}
