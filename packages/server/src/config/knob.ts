/** What a knob is: how its text is read, what it may be, and why its default is what it is. */
import { formatDurationMs, parseDurationMs } from "@hearsay/api";
import type { ConflictPolicy } from "@hearsay/core";

export interface Knob<T> {
  readonly kind: "text" | "choice" | "flag" | "count" | "bytes" | "duration" | "secret" | "policies" | "list";
  /** What it sets, in a sentence without a full stop. */
  readonly sets: string;
  /** Why the default is what it is. */
  readonly reason: string;
  readonly fallback: T;
  /** What a valid value looks like, for messages. */
  readonly form: string;
  /** Reads a flag's, a variable's or a YAML scalar's text; undefined when it is not valid. */
  parse(text: string): T | undefined;
  /** As `config show` and the documentation write it. */
  format(value: T): string;
}

interface About<T> {
  readonly sets: string;
  readonly reason: string;
  readonly fallback: T;
}

interface Range {
  readonly min: number;
  readonly max: number;
}

export function text(
  about: About<string> & { readonly pattern: RegExp; readonly form: string },
): Knob<string> {
  return {
    ...about,
    kind: "text",
    parse: (given) => (about.pattern.test(given) ? given : undefined),
    format: (value) => (value === "" ? '""' : value),
  };
}

/** Never shown, and may come from a file that `<VARIABLE>_FILE` names. */
export function secret(about: About<string> & { readonly minLength: number }): Knob<string> {
  return {
    ...about,
    kind: "secret",
    form: `at least ${about.minLength} characters`,
    parse: (given) => (given.length >= about.minLength ? given : undefined),
    format: (value) => (value === "" ? '""' : "(set)"),
  };
}

export function choice<T extends string>(about: About<T> & { readonly options: readonly T[] }): Knob<T> {
  return {
    ...about,
    kind: "choice",
    form: about.options.join(" or "),
    parse: (given) => about.options.find((option) => option === given),
    format: (value) => value,
  };
}

export function flag(about: About<boolean>): Knob<boolean> {
  return {
    ...about,
    kind: "flag",
    form: "true or false",
    parse: (given) => (given === "true" ? true : given === "false" ? false : undefined),
    format: String,
  };
}

export function count(about: About<number> & Range): Knob<number> {
  return {
    ...about,
    kind: "count",
    form: `a whole number from ${about.min} to ${about.max}`,
    parse: (given) => within(/^\d{1,15}$/.test(given) ? Number(given) : undefined, about),
    format: String,
  };
}

const BYTE_UNITS: ReadonlyMap<string, number> = new Map([
  ["", 1],
  ["B", 1],
  ["KiB", 1024],
  ["MiB", 1024 ** 2],
  ["GiB", 1024 ** 3],
]);

export function bytes(about: About<number> & Range): Knob<number> {
  return {
    ...about,
    kind: "bytes",
    form: `bytes, with or without KiB, MiB or GiB, from ${formatBytes(about.min)} to ${formatBytes(about.max)}`,
    parse: (given) => {
      const match = /^(\d{1,15})\s?(|B|KiB|MiB|GiB)$/.exec(given);
      const unit = BYTE_UNITS.get(match?.[2] ?? "");
      return within(match === null || unit === undefined ? undefined : Number(match[1]) * unit, about);
    },
    format: formatBytes,
  };
}

function formatBytes(value: number): string {
  let best = String(value);
  for (const [unit, size] of BYTE_UNITS) {
    if (size > 1 && value > 0 && value % size === 0) best = `${value / size}${unit}`;
  }
  return best;
}

/** In milliseconds; a number without a unit is milliseconds, as the name says. */
export function duration(about: About<number> & Range): Knob<number> {
  return {
    ...about,
    kind: "duration",
    form: `a duration such as 250ms, 30s or 5m, from ${formatDurationMs(about.min)} to ${formatDurationMs(about.max)}`,
    parse: (given) => within(/^\d{1,15}$/.test(given) ? Number(given) : parseDurationMs(given), about),
    format: formatDurationMs,
  };
}

function within(value: number | undefined, range: Range): number | undefined {
  return value !== undefined && value >= range.min && value <= range.max ? value : undefined;
}

/** `prefix=policy` pairs joined by commas; in YAML a map of the same. */
export function policies(
  about: About<ReadonlyMap<string, ConflictPolicy>>,
): Knob<ReadonlyMap<string, ConflictPolicy>> {
  return {
    ...about,
    kind: "policies",
    form: "a map of key prefixes to keep or discard (as text: prefix=policy, joined by commas)",
    parse: (given) => {
      const parsed = new Map<string, ConflictPolicy>();
      for (const pair of given === "" ? [] : given.split(",")) {
        const equals = pair.lastIndexOf("=");
        const policy = pair.slice(equals + 1);
        if (equals === -1 || (policy !== "keep" && policy !== "discard")) return undefined;
        parsed.set(pair.slice(0, equals), policy);
      }
      return parsed;
    },
    format: (value) => [...value].map(([prefix, policy]) => `${prefix}=${policy}`).join(",") || "(none)",
  };
}

/** Items joined by commas; in YAML a list of them. */
export function list<T>(
  about: About<readonly T[]> & { readonly form: string; item(text: string): T | undefined },
): Knob<readonly T[]> {
  return {
    ...about,
    kind: "list",
    parse: (given) => {
      const items: T[] = [];
      for (const text of given === "" ? [] : given.split(",")) {
        const item = about.item(text.trim());
        if (item === undefined) return undefined;
        items.push(item);
      }
      return items;
    },
    format: (value) => value.join(",") || "(none)",
  };
}

/** `tombstones.minRetentionMs` is `HEARSAY_TOMBSTONES_MIN_RETENTION_MS`. */
export function variableName(knob: string): string {
  return `HEARSAY_${knob
    .replaceAll(".", "_")
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
    .toUpperCase()}`;
}
