// Colour maps as tables of 256 entries; all of them rise or fall evenly in lightness.

export type Table = Uint8Array; // 256 * 4, RGBA

const STOPS = {
  viridis: "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725",
  cividis: "00224e 123570 3b496c 575d6d 707173 8a8678 a59c74 c3b369 e1cc55 fee838",
  inferno: "000004 1b0c41 4a0c6b 781c6d a52c60 cf4446 ed6925 fb9b06 f7d13d fcffa4",
  greys: "f2f2f2 d4d4d4 b5b5b5 969696 787878 5c5c5c 404040 262626 101010",
  mist: "fcfcfd f0f2f4 e3e7ea d6dbe0 c9d0d6 bcc5cc b0bac2",
  coal: "0f141a 1a2028 252c35 313943 3d4651 4a545f 57626d",
  pale: "fbfdfd eaf5f3 d5ebe8 bcdfdd a0d1d3 84c2cb 69b0c1 529db6",
  deep: "10141c 12242f 143844 165059 1b6b72 2a8a8c 4fa9a4 86c6bc",
};

export type MapName = keyof typeof STOPS;
/** Maps to choose from for cells; safe for the colour-blind, and in grey. */
export const CELL_MAPS: MapName[] = ["viridis", "cividis", "inferno", "greys"];

/** The map of a substrate: teal under cells in named colours, grey under those in a map. */
export function groundMap(named: boolean): MapName {
  const dark = document.documentElement.dataset.theme === "dark";
  return named ? (dark ? "deep" : "pale") : dark ? "coal" : "mist";
}

export function rgb(hex: string): [number, number, number] {
  const value = parseInt(hex.replace("#", ""), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

export function table(name: MapName): Table {
  const stops = STOPS[name].split(" ").map(rgb);
  const out = new Uint8Array(256 * 4);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (stops.length - 1);
    const below = Math.min(Math.floor(place), stops.length - 2);
    for (let c = 0; c < 3; c++) {
      out[4 * i + c] = Math.round(stops[below][c] + (place - below) * (stops[below + 1][c] - stops[below][c]));
    }
    out[4 * i + 3] = 255;
  }
  return out;
}

export function gradient(name: MapName): string {
  return `linear-gradient(to right, ${STOPS[name].split(" ").map((s) => `#${s}`).join(", ")})`;
}

/** A number as people read it: three digits, powers of ten only where needed. */
export function short(value: number): string {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(1).replace("e+", "e");
  return String(Number(value.toPrecision(size >= 1000 ? 5 : 3)));
}

/** The same for an axis, where there is no room for more than a few letters. */
export function tick(value: number): string {
  const size = Math.abs(value);
  return size >= 1e6 ? `${short(value / 1e6)}M` : size >= 1e5 ? `${short(value / 1e3)}k` : short(value);
}

export function units(text: string): string {
  if (text === "1") return "";
  return text.replace(/\bu(?=[MmLg])/g, "µ").replace(/m3\b/, "m³").replace(/m2\b/, "m²");
}

/** A name of a column or metric as people read it. */
export function plain(name: string): string { return name.replace(/^\w+:/, "").replaceAll("_", " "); }
