// What is recorded of the cell that was clicked.

import type { Cell, CellColumn } from "./api";
import { short, units } from "./colors";
import { byId, make } from "./dom";

const GROUPS: [string, string][] = [
  ["column", "Body"], ["node", "Signaling state (0 to 1)"], ["output", "What the network decides"], ["input", "What it senses"],
];
const DAY = 1440;

export function showCell(cell: Cell, select: (id: string) => void): void {
  byId("no-cell").hidden = true;
  const tables = GROUPS.map(([source, title]) => [title, cell.columns.filter((c) => c.source === source)] as const)
    .filter(([, columns]) => columns.length > 0)
    .map(([title, columns]) => table(title, columns));
  byId("cell").replaceChildren(life(cell, select), ...tables);
}

export function showNoCell(text: string): void {
  byId("no-cell").hidden = false;
  byId("no-cell").textContent = text;
  byId("cell").replaceChildren();
}

function table(title: string, columns: CellColumn[]): HTMLTableElement {
  const made = make("table", {}, make("caption", { textContent: title }));
  for (const column of columns) {
    const text = typeof column.value === "number" ? short(column.value) : column.value ?? "none";
    const row = make("tr", { title: column.meaning },
      make("th", { scope: "row", textContent: column.name.replace(/^\w+:/, "") }),
      make("td", { textContent: `${text} ${units(column.units)}`.trim() }));
    if (column.source === "node" && typeof column.value === "number") {
      const bar = make("i");
      bar.style.width = `${100 * Math.min(1, Math.max(0, column.value))}%`;
      row.append(make("td", { className: "bar" }, bar));
    }
    made.append(row);
  }
  return made;
}

function life(cell: Cell, select: (id: string) => void): HTMLElement {
  const list = make("ul", { className: "life" });
  for (const line of cell.life) {
    const item = make("li", {}, `${short(line.time / DAY)} d: ${line.text} `);
    if (line.id) {
      const id = line.id;
      item.append(make("button", { textContent: "show", title: `cell ${id}`, onclick: () => select(id) }));
    }
    list.append(item);
  }
  return list;
}
