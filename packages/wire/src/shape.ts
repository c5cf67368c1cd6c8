/**
 * Shapes: what a message is made of, written down once, from which come its type, its encoding and the check of
 * what a peer sent. Objects travel as arrays in the order of their fields.
 *
 * Mixed versions: a field may be added at the end of an object as {@link optional}. An older reader ignores what
 * follows the fields it knows; a newer one takes the default for what is missing. Fields are never removed,
 * reordered or given another meaning within a wire version.
 */
import type { Plain } from "./plain.ts";

export interface Shape<T> {
  toPlain(value: T): Plain;
  /** @throws Malformed when the value is not of this shape */
  fromPlain(plain: unknown): T;
  /** What stands for a field that an older sender does not know. */
  readonly absent?: { readonly value: T };
}

/** A peer's message is not of the shape it has to have. */
export class Malformed extends Error {
  constructor(expected: string) {
    super(`expected ${expected}`);
    this.name = "Malformed";
  }
}

function scalar<T extends Plain>(expected: string, is: (plain: unknown) => plain is T): Shape<T> {
  return {
    toPlain: (value) => value,
    fromPlain(plain) {
      if (!is(plain)) throw new Malformed(expected);
      return plain;
    },
  };
}

export const bool: Shape<boolean> = scalar("a boolean", (plain) => typeof plain === "boolean");

/** A safe integer of zero or more. */
export const count: Shape<number> = scalar(
  "a whole number",
  (plain): plain is number => typeof plain === "number" && Number.isSafeInteger(plain) && plain >= 0,
);

export const float: Shape<number> = scalar(
  "a finite number",
  (plain): plain is number => typeof plain === "number" && Number.isFinite(plain),
);

export function text(maxLength: number): Shape<string> {
  return scalar(
    `a text of at most ${maxLength} characters`,
    (plain): plain is string => typeof plain === "string" && plain.length <= maxLength,
  );
}

/** A text that passes a check of its own, such as a node id. */
export function textLike<T extends string>(expected: string, is: (text: string) => text is T): Shape<T> {
  return scalar(expected, (plain): plain is T => typeof plain === "string" && is(plain));
}

/** Bytes, copied out of the message they came in. */
export function bytes(maxLength: number): Shape<Uint8Array> {
  return {
    toPlain: (value) => value,
    fromPlain(plain) {
      if (!(plain instanceof Uint8Array) || plain.length > maxLength) {
        throw new Malformed(`at most ${maxLength} bytes`);
      }
      return new Uint8Array(plain);
    },
  };
}

export function oneOf<T extends string>(...values: readonly T[]): Shape<T> {
  const positions = new Map(values.map((value, position) => [value, position]));
  return {
    toPlain: (value) => positions.get(value) ?? -1,
    fromPlain(plain) {
      const value = typeof plain === "number" ? values[plain] : undefined;
      if (value === undefined) throw new Malformed(`one of ${values.join(", ")}`);
      return value;
    },
  };
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return {
    toPlain: (value) => (value === null ? null : shape.toPlain(value)),
    fromPlain: (plain) => (plain === null ? null : shape.fromPlain(plain)),
  };
}

/** A field that may be missing at the end of an older sender's object. */
export function optional<T>(shape: Shape<T>, value: T): Shape<T> {
  return { ...shape, absent: { value } };
}

/** The place of a field that is no more: nothing is said there, and what an older sender says is not read. */
export const gone: Shape<undefined> = {
  toPlain: () => null,
  fromPlain: () => undefined,
  absent: { value: undefined },
};

export function list<T>(shape: Shape<T>, maxItems: number): Shape<readonly T[]> {
  return {
    toPlain(items) {
      const plain = new Array<Plain>(items.length);
      for (let i = 0; i < items.length; i++) plain[i] = shape.toPlain(items[i] as T);
      return plain;
    },
    fromPlain(plain) {
      if (!Array.isArray(plain) || plain.length > maxItems) {
        throw new Malformed(`a list of at most ${maxItems} items`);
      }
      const items: T[] = [];
      for (const item of plain) items.push(shape.fromPlain(item));
      return items;
    },
  };
}

export function nonEmpty<T>(items: Shape<readonly T[]>): Shape<readonly T[]> {
  return {
    toPlain: items.toPlain,
    fromPlain(plain) {
      const found = items.fromPlain(plain);
      if (found.length === 0) throw new Malformed("a list of at least one item");
      return found;
    },
  };
}

/** A list of which no two items have the same of what `by` gives. */
export function distinct<T>(items: Shape<readonly T[]>, by: (item: T) => unknown): Shape<readonly T[]> {
  return {
    toPlain: items.toPlain,
    fromPlain(plain) {
      const found = items.fromPlain(plain);
      if (new Set(found.map(by)).size !== found.length) throw new Malformed("a list without repetitions");
      return found;
    },
  };
}

/** A map as a flat list of keys and values; keys stand once. */
export function mapOf<K, V>(key: Shape<K>, value: Shape<V>, maxEntries: number): Shape<ReadonlyMap<K, V>> {
  return {
    toPlain(map) {
      const flat: Plain[] = [];
      for (const [k, v] of map) flat.push(key.toPlain(k), value.toPlain(v));
      return flat;
    },
    fromPlain(plain) {
      if (!Array.isArray(plain) || plain.length % 2 !== 0 || plain.length > 2 * maxEntries) {
        throw new Malformed(`a map of at most ${maxEntries} entries`);
      }
      const map = new Map<K, V>();
      for (let i = 0; i < plain.length; i += 2)
        map.set(key.fromPlain(plain[i]), value.fromPlain(plain[i + 1]));
      if (map.size !== plain.length / 2) throw new Malformed("a map without repeated keys");
      return map;
    },
  };
}

type Fields<T> = { readonly [K in keyof T]-?: Shape<T[K]> };

/** An object as an array in the order of the fields written here. */
export function object<T extends object>(fields: Fields<T>): Shape<T> {
  const names = Object.keys(fields) as (keyof T)[];
  const shapes = names.map((name) => ({ name, shape: fields[name] as Shape<T[keyof T]> }));
  return {
    toPlain(value) {
      const plain = new Array<Plain>(names.length);
      let position = 0;
      for (const { name, shape } of shapes) {
        plain[position] = shape.toPlain(value[name]);
        position += 1;
      }
      return plain;
    },
    fromPlain(plain) {
      if (!Array.isArray(plain)) throw new Malformed(`a tuple of ${names.join(", ")}`);
      // Adding fields one by one is cheaper than copying a blank of all, where so many shapes share this code.
      const result: Partial<T> = {};
      let position = 0;
      for (const { name, shape } of shapes) {
        result[name] = fieldOf(shape, plain, position, name);
        position += 1;
      }
      return result as T;
    },
  };
}

function fieldOf<V>(shape: Shape<V>, tuple: readonly unknown[], position: number, name: PropertyKey): V {
  if (position < tuple.length) return shape.fromPlain(tuple[position]);
  if (shape.absent === undefined) throw new Malformed(`the field ${String(name)}`);
  return shape.absent.value;
}

/**
 * One of several objects told apart by their `kind`, sent as its number. Numbers are stated because they may not
 * change; a number that is not known is refused as malformed.
 */
export function union<T extends { readonly kind: string }>(
  variants: {
    readonly [K in T["kind"]]: readonly [number: number, shape: Shape<Omit<Extract<T, { kind: K }>, "kind">>];
  },
): Shape<T> {
  const byNumber = new Map<unknown, string>();
  const entries = Object.entries(variants) as [string, readonly [number, Shape<unknown>]][];
  for (const [kind, [number]] of entries) byNumber.set(number, kind);
  const byKind = new Map(entries);
  return {
    toPlain(value) {
      const variant = byKind.get(value.kind);
      return variant === undefined ? null : [variant[0], variant[1].toPlain(value)];
    },
    fromPlain(plain) {
      const tuple: readonly unknown[] = Array.isArray(plain) ? plain : [];
      const body = tuple[1];
      const kind = byNumber.get(tuple[0]);
      const variant = byKind.get(kind ?? "");
      if (kind === undefined || variant === undefined)
        throw new Malformed("a kind of message this version knows");
      // It was made just now and is nobody else's, so it need not be copied.
      const value = variant[1].fromPlain(body) as { kind: string };
      value.kind = kind;
      return value as T;
    },
  };
}
