/** Random operations against plain maps, with restarts and crashes; and what the root says about the records. */
import {
  applyWrite,
  encodeUtf8,
  type KeyRecord,
  mergeRecords,
  purgeableFrom,
  type Sibling,
} from "@hearsay/core";
import fc from "fast-check";
import { expect, it } from "vitest";
import { type Backend, memoryBackend, NODE_A, NODE_B, tombstone, value } from "./backend.contract.ts";
import { readAll } from "./store.contract.ts";
import type { Store } from "./store.ts";

const KEYS = ["a", "b", "b/1", "c", "\u0000", "ü", "😀", "zz"];

type Command =
  | { readonly op: "write"; readonly key: string; readonly text: string | null; readonly ttl: boolean }
  | { readonly op: "merge"; readonly key: string; readonly age: number }
  | { readonly op: "turn" }
  | { readonly op: "purge"; readonly back: number }
  | { readonly op: "close" }
  | { readonly op: "crash" };

const key = fc.constantFrom(...KEYS);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      op: fc.constant("write" as const),
      key,
      text: fc.option(fc.string()),
      ttl: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("merge" as const), key, age: fc.nat(20) }) },
  { weight: 6, arbitrary: fc.constant({ op: "turn" as const }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("purge" as const), back: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.constant({ op: "close" as const }) },
  { weight: 1, arbitrary: fc.constant({ op: "crash" as const }) },
);

/** The store's records as they should be: what is committed, and what the newest turn adds. */
class Model {
  committed: Map<string, KeyRecord> = new Map();
  newest: Map<string, KeyRecord> = new Map();
  time: number = 100;

  write(at: string, sibling: Sibling): KeyRecord {
    const record = applyWrite(this.newest.get(at), sibling, undefined);
    this.newest.set(at, record);
    return record;
  }

  /** A concurrent write of another node arrives. */
  merge(at: string, sibling: Sibling): KeyRecord {
    const incoming = applyWrite(undefined, sibling, undefined);
    const held = this.newest.get(at);
    const record = held === undefined ? incoming : mergeRecords(held, incoming);
    this.newest.set(at, record);
    return record;
  }

  settle(): void {
    this.committed = new Map(this.newest);
  }

  purge(floor: number): void {
    for (const [at, record] of this.newest) {
      const from = purgeableFrom(record);
      if (from !== undefined && from <= floor) this.newest.delete(at);
    }
    this.settle();
  }
}

async function compare(store: Store, model: Model): Promise<void> {
  for (const at of KEYS) {
    expect(store.get(at)).toEqual(model.committed.get(at));
    expect(store.latest(at)).toEqual(model.newest.get(at));
  }
  const inOrder = [...model.committed.keys()].sort((a, b) => Buffer.compare(encodeUtf8(a), encodeUtf8(b)));
  expect((await readAll(store)).map((entry) => entry.key)).toEqual(inOrder);
}

async function step(store: Store, model: Model, next: Command): Promise<void> {
  if (next.op === "write") {
    const time = ++model.time;
    const plain = next.text === null ? tombstone(time) : value(time, next.text);
    const sibling = next.ttl && plain.kind === "value" ? { ...plain, expiresAtMs: 0 } : plain;
    void store.put(next.key, model.write(next.key, sibling));
  } else if (next.op === "merge") {
    const time = Math.max(1, ++model.time - next.age);
    void store.put(next.key, model.merge(next.key, value(time, "other", NODE_B)));
  } else if (next.op === "purge") {
    await store.flush();
    await store.purge(model.time - next.back, 100);
    model.purge(model.time - next.back);
  } else {
    await store.flush();
    model.settle();
  }
}

async function run(backend: Backend, commands: readonly Command[]): Promise<void> {
  const model = new Model();
  let { store } = await backend.open({ limits: { cacheMaxBytes: 3000 } });
  for (const next of commands) {
    await step(store, model, next);
    if (next.op === "close" || next.op === "crash") {
      const root = await store.root();
      const { records, tombstones, purgeable, bytes } = store.stats();
      if (next.op === "close") await store.close();
      else await backend.crash();
      const opened = await backend.open({ limits: { cacheMaxBytes: 3000 } });
      store = opened.store;
      expect(opened.report).toMatchObject({ clean: next.op === "close", doubt: [], damaged: 0 });
      expect(store.stats()).toMatchObject({ records, tombstones, purgeable, bytes });
      expect(await store.root()).toBe(root);
    }
    if (next.op !== "write" && next.op !== "merge") await compare(store, model);
  }
  await store.flush();
  expect(await store.verify({ deep: true })).toMatchObject({ consistent: true, records: model.newest.size });
}

it("agrees with a map of records after any operations, restarts and crashes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 60 }), async (commands) => {
      const backend = await memoryBackend();
      try {
        await run(backend, commands);
      } finally {
        await backend.dispose();
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);

it("has equal roots exactly when the sibling versions of all records are equal", async () => {
  const state = fc.dictionary(
    fc.constantFrom("a", "b", "c"),
    fc.tuple(fc.integer({ min: 1, max: 2 }), fc.constantFrom(NODE_A, NODE_B)),
  );
  const rootOf = async (records: Record<string, readonly [number, string]>): Promise<string> => {
    const backend = await memoryBackend();
    try {
      const { store } = await backend.open();
      for (const [at, [time, node]] of Object.entries(records)) {
        void store.put(at, applyWrite(undefined, value(time, "x", node), undefined));
      }
      await store.flush();
      return await store.root();
    } finally {
      await backend.dispose();
    }
  };
  await fc.assert(
    fc.asyncProperty(state, state, async (left, right) => {
      const dump = (records: typeof left): string => JSON.stringify(Object.entries(records).sort());
      expect((await rootOf(left)) === (await rootOf(right))).toBe(dump(left) === dump(right));
    }),
    { numRuns: 25 },
  );
}, 60_000);
