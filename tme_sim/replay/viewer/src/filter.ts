// Which cells to show: an expression over columns, such as  ERK > 0.5 and type == tumor.
//
//   expression  = term { "or" term }        term = factor { "and" factor }
//   factor      = "not" factor | "(" expression ")" | comparison
//   comparison  = column ( "<" | "<=" | ">" | ">=" | "==" | "!=" ) ( number | name | "text" )

import type { Cells, Column, Levels, Run } from "./api";

export type Test = (row: number) => boolean;
type Bind = (levels: Map<string, Levels>, cells: Cells) => Test;

export interface Filter { text: string; columns: string[]; bind: Bind }

const TOKEN = /\s*(?:(<=|>=|==|!=|<|>|=|\(|\))|"([^"]*)"|'([^']*)'|([\w.:+-]+))/y;
type Token = { kind: "sign" | "word" | "text"; text: string };

/** Read an expression; throws an Error in words where it cannot be read. */
export function parse(text: string, run: Run): Filter {
  return new Parser(text, run).filter();
}

class Parser {
  private tokens: Token[];
  private at = 0;
  private columns = new Set<string>();

  constructor(private text: string, private run: Run) { this.tokens = tokens(text); }

  filter(): Filter {
    const bind = this.either();
    if (this.at < this.tokens.length) throw new Error(`“${this.tokens[this.at].text}” is not expected here`);
    return { text: this.text, columns: [...this.columns], bind };
  }

  private either(): Bind {
    const parts = [this.both()];
    while (this.takes("or")) parts.push(this.both());
    return join(parts, (tests) => (row) => tests.some((t) => t(row)));
  }

  private both(): Bind {
    const parts = [this.one()];
    while (this.takes("and")) parts.push(this.one());
    return join(parts, (tests) => (row) => tests.every((t) => t(row)));
  }

  private one(): Bind {
    if (this.takes("not")) {
      const inner = this.one();
      return (levels, cells) => { const test = inner(levels, cells); return (row) => !test(row); };
    }
    if (this.takes("(")) {
      const inner = this.either();
      if (!this.takes(")")) throw new Error("a “)” is missing");
      return inner;
    }
    return this.comparison();
  }

  private comparison(): Bind {
    const name = this.next("a column");
    const column = this.run.columns.find((c) => c.name === name.text) ?? this.run.columns.find((c) => c.name.toLowerCase() === name.text.toLowerCase());
    if (!column) throw new Error(`no column “${name.text}”; nearest: ${nearest(name.text, this.run.columns.map((c) => c.name))}`);
    const sign = this.next("<, <=, >, >=, == or !=");
    if (sign.kind !== "sign" || "()".includes(sign.text)) throw new Error(`after ${column.name} a comparison such as > is needed, not “${sign.text}”`);
    const value = this.next("a value");
    return column.categories ? this.ofNames(column, sign.text, value) : this.ofNumbers(column, sign.text, value);
  }

  private ofNames(column: Column, sign: string, value: Token): Bind {
    if (!["==", "=", "!="].includes(sign)) throw new Error(`${column.name} is a name: compare it with == or !=`);
    const names = column.categories!.map((c) => c.name.toLowerCase());
    const code = names.findIndex((n) => n === value.text.toLowerCase() || n.replaceAll(" ", "_") === value.text.toLowerCase());
    if (code < 0) throw new Error(`${column.name} is never “${value.text}”; it is ${column.categories!.map((c) => c.name).slice(0, 8).join(", ")}`);
    this.columns.add(column.name);
    const wanted = sign !== "!=";
    return (levels) => { const { bytes } = levels.get(column.name)!; return (row) => (bytes[row] === code) === wanted; };
  }

  private ofNumbers(column: Column, sign: string, value: Token): Bind {
    const number = Number(value.text);
    if (value.text === "" || !Number.isFinite(number)) throw new Error(`${column.name} is a number; “${value.text}” is none`);
    this.columns.add(column.name);
    const compare = COMPARE[sign];
    return (levels) => {
      const { bytes, range: [low, high] } = levels.get(column.name)!;
      const step = (high - low) / 254;
      return (row) => bytes[row] !== 255 && compare(low + bytes[row] * step, number, step);
    };
  }

  private takes(text: string): boolean {
    const token = this.tokens[this.at];
    if (token?.kind === "text" || token?.text.toLowerCase() !== text) return false;
    this.at++;
    return true;
  }

  private next(what: string): Token {
    const token = this.tokens[this.at++];
    if (!token) throw new Error(`${what} is missing at the end`);
    return token;
  }
}

/** Numbers come in 254 steps, so that equal means nearer than half of one. */
const COMPARE: Record<string, (a: number, b: number, step: number) => boolean> = {
  "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
  "==": (a, b, step) => Math.abs(a - b) <= step / 2, "=": (a, b, step) => Math.abs(a - b) <= step / 2,
  "!=": (a, b, step) => Math.abs(a - b) > step / 2,
};

function join(parts: Bind[], how: (tests: Test[]) => Test): Bind {
  return parts.length === 1 ? parts[0] : (levels, cells) => how(parts.map((p) => p(levels, cells)));
}

function tokens(text: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (text.slice(TOKEN.lastIndex).trim()) {
    const start = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (!match) throw new Error(`“${text.slice(start).trim()}” cannot be read`);
    const [, sign, double, single, word] = match;
    if (sign) found.push({ kind: "sign", text: sign });
    else if (word) found.push({ kind: "word", text: word });
    else found.push({ kind: "text", text: double ?? single });
  }
  if (found.length === 0) throw new Error("nothing was given");
  return found;
}

function nearest(name: string, names: string[]): string {
  const pairs = (text: string) => new Set([...text.toLowerCase()].map((c, i, all) => c + (all[i + 1] ?? "")));
  const own = pairs(name);
  const common = (other: string) => [...pairs(other)].filter((p) => own.has(p)).length / (other.length + name.length);
  return names.reduce((best, other) => (common(other) > common(best) ? other : best));
}
