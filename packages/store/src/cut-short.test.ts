/** A process that ends while it opens its store: the next one has to know what the first one had found. */
import { encodeUtf8, RecordHasher } from "@hearsay/core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Backend, hashing, memoryBackend, recordOf, textOf, value } from "./backend.contract.ts";
import { indexKey, metaKey, recordKey, systemKey } from "./keyspace.ts";
import type { Database } from "./ports.ts";

const hasher = new RecordHasher(hashing, new Uint8Array(32).fill(7));
const KEY = encodeUtf8("k");

let backend: Backend;

beforeEach(async () => {
  backend = await memoryBackend();
  const { store } = await backend.open();
  for (const key of ["a", "k", "z"]) await store.put(key, recordOf(value(1, key)));
  await store.meta.put("clock", Uint8Array.of(1));
  await backend.crash();
});

afterEach(() => backend.dispose());

/** What follows the first so many batches is not written any more. */
function endingAfter(inner: Database, batches: number): Database {
  let left = batches;
  return {
    open: (options) => inner.open(options),
    close: () => Promise.resolve(),
    getSync: (key) => inner.getSync(key),
    iterator: (range) => inner.iterator(range),
    batch: () => {
      const batch = inner.batch();
      return {
        put: (key, content) => batch.put(key, content),
        del: (key) => batch.del(key),
        write: async (options) => {
          if (left === 0) throw new Error("killed");
          left -= 1;
          await batch.write(options);
        },
      };
    },
  };
}

async function harm(at: Uint8Array, how: "flip" | "delete"): Promise<void> {
  const database = await backend.raw();
  const batch = database.batch();
  const bytes = database.getSync(at) ?? new Uint8Array(1);
  if (how === "delete") batch.del(at);
  else batch.put(at, bytes.slice().fill(0x55, bytes.length >> 1));
  await batch.write({ sync: false });
}

const HARMS: readonly (readonly [string, () => Promise<void>])[] = [
  ["a value of the node's own is damaged", () => harm(metaKey("clock"), "flip")],
  ["a record is damaged", () => harm(recordKey(KEY), "flip")],
  ["a record is missing", () => harm(recordKey(KEY), "delete")],
  [
    "a record and its index entry are damaged",
    async () => {
      await harm(recordKey(KEY), "flip");
      await harm(indexKey(hasher.bucketOf("k"), KEY), "flip");
    },
  ],
];

it.each(HARMS)(
  "a store of which %s is in doubt however often its opening was cut short",
  async (_what, harmed) => {
    await harmed();
    const inner = await backend.raw();
    let isOpen = false;
    for (let batches = 0; !isOpen; batches++) {
      expect(batches).toBeLessThan(20);
      try {
        const opened = await backend.open({ openDatabase: () => endingAfter(inner, batches) });
        expect(opened.report.doubt).not.toEqual([]);
        isOpen = true;
      } catch (error) {
        expect(error).toMatchObject({ fault: { code: "store_unreadable", detail: "killed" } });
      }
    }
  },
);

it("a store with a damaged record is salvaged by the next start where the first one ended before that", async () => {
  await harm(recordKey(KEY), "flip");
  const killed = (): Promise<void> => Promise.reject(new Error("killed"));
  await expect(backend.open({ salvage: killed })).rejects.toThrow("killed");
  let salvaged = 0;
  const { report } = await backend.open({
    salvage: async () => {
      salvaged += 1;
    },
  });
  expect(salvaged).toBe(1);
  expect(report.doubt).toEqual(["salvaged", "damaged_records"]);
});

it.each([0, Number.NaN])(
  "a store whose environment is damaged, and whose side file says %d, is not taken for a new one",
  async (sequence) => {
    await harm(systemKey("environment"), "flip");
    backend.side.sequence = sequence;
    const { store, report } = await backend.open();
    expect(report.doubt).toContain("damaged_meta");
    expect(report.records).toBe(3);
    expect(textOf(store.get("k"))).toBe("k");
  },
);
