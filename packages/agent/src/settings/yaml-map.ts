/** Reads a YAML map field by field. What is wrong goes into `faults` with its line; reading goes on, to find all of it. */
import { parseDurationMs } from "@hearsay/api";
import { isMap, isScalar, isSeq, type LineCounter, type ParsedNode, type YAMLMap } from "yaml";
import { TIMER_MAX_MS } from "../ports.ts";

export interface YamlContext {
  readonly path: string;
  readonly lines: LineCounter;
  readonly faults: string[];
}

export class YamlMap {
  readonly #map: YAMLMap.Parsed | undefined;
  readonly #context: YamlContext;
  readonly #name: string;
  readonly #read: Set<string> = new Set();

  /** @param name of the map, for messages; empty at the top */
  constructor(node: ParsedNode | null | undefined, name: string, context: YamlContext) {
    this.#context = context;
    this.#name = name;
    this.#map = isMap(node) ? node : undefined;
    if (node !== null && node !== undefined && !isMap(node)) {
      this.#fault(node, `${name === "" ? "the file" : name} is a map of settings`);
    }
  }

  has(field: string): boolean {
    return this.#node(field) !== undefined;
  }

  /** Reports something about a field, or about the map when the field is not there. */
  complain(field: string, text: string): void {
    this.#fault(this.#node(field) ?? this.#map, text);
  }

  text(field: string): string | undefined {
    const node = this.#node(field);
    if (node === undefined) return undefined;
    const value: unknown = isScalar(node) ? node.value : undefined;
    if (typeof value === "string" && value !== "" && !value.includes("\0")) return value;
    if (typeof value === "number") return String(isScalar(node) ? (node.source ?? value) : value);
    this.#fault(node, `${this.#full(field)} is a text`);
    return undefined;
  }

  /** A list of texts; a single text is a list of one. */
  texts(field: string): readonly string[] | undefined {
    const node = this.#node(field);
    if (!isSeq(node)) {
      const one = this.text(field);
      return one === undefined ? undefined : [one];
    }
    const values: unknown[] = node.items.map((item) => {
      if (!isScalar(item)) return undefined;
      return typeof item.value === "number" ? item.source : item.value;
    });
    const texts = values.filter((value) => typeof value === "string");
    if (texts.length === values.length && !texts.some((text) => text.includes("\0"))) return texts;
    this.#fault(node, `${this.#full(field)} is a list of texts`);
    return undefined;
  }

  /** As it is written: a text stays a text, a list a list. */
  textOrList(field: string): string | readonly string[] | undefined {
    const list = this.texts(field);
    return isSeq(this.#node(field)) ? list : list?.[0];
  }

  flag(field: string, fallback: boolean): boolean {
    const node = this.#node(field);
    if (node === undefined) return fallback;
    if (isScalar(node) && typeof node.value === "boolean") return node.value;
    this.#fault(node, `${this.#full(field)} is true or false`);
    return fallback;
  }

  durationMs(field: string, fallback: number): number {
    const text = this.text(field);
    if (text === undefined) return fallback;
    const ms = parseDurationMs(text);
    if (ms !== undefined && ms <= TIMER_MAX_MS) return ms;
    this.complain(field, `${this.#full(field)} is a duration such as 250ms, 30s or 5m, at most 24d`);
    return fallback;
  }

  percent(field: string, fallback: number): number {
    const text = this.text(field);
    if (text === undefined) return fallback;
    const value = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
    if (value <= 100) return value;
    this.complain(field, `${this.#full(field)} is a whole number from 0 to 100`);
    return fallback;
  }

  map(field: string): YamlMap {
    return new YamlMap(this.#node(field), this.#full(field), this.#context);
  }

  maps(field: string): readonly YamlMap[] {
    const node = this.#node(field);
    if (node === undefined) return [];
    if (isSeq(node)) {
      return node.items.map((item, i) => new YamlMap(item, `${this.#full(field)}[${i}]`, this.#context));
    }
    this.#fault(node, `${this.#full(field)} is a list of maps`);
    return [];
  }

  /** Complains about every field that nobody asked for. */
  end(): void {
    for (const { key } of this.#map?.items ?? []) {
      const name = isScalar(key) ? String(key.value) : "?";
      if (this.#read.has(name)) continue;
      this.#fault(key, `there is no setting ${this.#full(name)}; there are ${[...this.#read].join(", ")}`);
    }
  }

  #full(field: string): string {
    return this.#name === "" ? field : `${this.#name}.${field}`;
  }

  #node(field: string): ParsedNode | undefined {
    this.#read.add(field);
    const pair = this.#map?.items.find(({ key }) => isScalar(key) && key.value === field);
    return pair?.value ?? undefined;
  }

  #fault(node: ParsedNode | undefined, text: string): void {
    const { path, lines, faults } = this.#context;
    const line = node === undefined ? 1 : lines.linePos(node.range[0]).line;
    faults.push(`${path}:${line}: ${text}`);
  }
}
