// Small, typed access to the page.

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element #${id}`);
  return found as T;
}

type Child = Node | string;

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K, properties: Partial<HTMLElementTagNameMap[K]> = {}, ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function options(select: HTMLSelectElement, groups: Map<string, [string, string][]>, chosen: string): void {
  select.replaceChildren();
  for (const [label, entries] of groups) {
    const list = entries.map(([value, text]) => make("option", { value, textContent: text }));
    if (label) {
      select.append(make("optgroup", { label }, ...list));
    } else {
      select.append(...list);
    }
  }
  select.value = chosen;
}

export function cssColor(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
