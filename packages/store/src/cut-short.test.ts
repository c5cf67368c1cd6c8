/** What a start may not overlook: what one that was cut short before it had found, and what the store notes of itself but does not fit. */
import { encodeUtf8, RecordHasher } from "@hearsay/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Backend,
  hashing,
  memoryBackend,
  type OpenOverrides,
  recordOf,
  textOf,
  value,
} from "./backend.contract.ts";
import { indexKey, journalKey, metaKey, recordKey, systemKey } from "./keyspace.ts";
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

describe("an index that was moved in part to another digest key is brought to its place", () => {
  /** More than two chunks of the index. */
  const RECORDS = 2500;
  const other = { digestKey: new Uint8Array(32).fill(8) };

  async function fill(): Promise<Backend> {
    const filled = await memoryBackend();
    const { store } = await filled.open();
    const puts = Array.from({ length: RECORDS }, (_, i) => store.put(`k${i}`, recordOf(value(1, "v"))));
    await Promise.all(puts);
    await store.close();
    return filled;
  }

  it.each([
    ["that key", other],
    ["the former one", {}],
  ])("by an opening with %s, wherever the first one was cut short", async (_which, then) => {
    let isOpen = false;
    for (let batches = 0; !isOpen; batches++) {
      expect(batches).toBeLessThan(20);
      const moved = await fill();
      const inner = await moved.raw();
      const cut = { ...other, openDatabase: () => endingAfter(inner, batches) };
      isOpen = await moved.open(cut).then(
        () => true,
        () => false,
      );
      const { store, report } = await moved.open(then);
      expect(report).toMatchObject({ records: RECORDS, damaged: 0, doubt: [] });
      expect(await store.verify({ deep: true })).toMatchObject({ consistent: true });
      await moved.dispose();
    }
  });
});

describe("a directory's stamp is renewed at each opening", () => {
  let stamp: string;
  let renewals: number;

  function stamped(over: OpenOverrides = {}): OpenOverrides {
    return {
      environment: { bootId: "boot-1", directoryStamp: stamp },
      renewStamp: () => {
        const renewed = `stamp ${++renewals}`;
        return {
          directoryStamp: renewed,
          apply: () => {
            stamp = renewed;
          },
        };
      },
      ...over,
    };
  }

  beforeEach(async () => {
    stamp = "directory-1";
    renewals = 0;
    await (await backend.open(stamped())).store.close();
  });

  it("and wherever that is cut short, the next one is not in doubt", async () => {
    const inner = await backend.raw();
    const cut = (batches: number): OpenOverrides => ({ openDatabase: () => endingAfter(inner, batches) });
    const unmoved = (): never => {
      throw new Error("killed");
    };
    const noRename = { renewStamp: () => ({ directoryStamp: `stamp ${++renewals}`, apply: unmoved }) };
    for (const over of [cut(0), noRename, cut(1), {}]) {
      await backend.open(stamped(over)).then(
        ({ store }) => store.close(),
        () => undefined,
      );
      const { store, report } = await backend.open(stamped());
      expect(report.doubt).toEqual([]);
      await store.close();
    }
  });

  it("and the one before is a stranger's from then on", async () => {
    const former = stamp;
    await (await backend.open(stamped())).store.close();
    stamp = former;
    expect((await backend.open(stamped())).report.doubt).toEqual(["directory_copied"]);
  });
});

const ENVIRONMENT = systemKey("environment");
const CHECKPOINT = systemKey("checkpoint");

async function loseJournal(): Promise<void> {
  for (let sequence = 0; sequence < 20; sequence++) await harm(journalKey(sequence), "delete");
}

it.each<[string, number | undefined, () => Promise<void>]>([
  ["its environment is damaged and the side file gone", 0, () => harm(ENVIRONMENT, "flip")],
  ["its environment and the side file are damaged", Number.NaN, () => harm(ENVIRONMENT, "flip")],
  ["its environment is gone", undefined, () => harm(ENVIRONMENT, "delete")],
  ["its journal and the side file are gone", 0, loseJournal],
  [
    "its environment is damaged, and its journal and the side file are gone",
    0,
    async () => {
      await loseJournal();
      await harm(ENVIRONMENT, "flip");
    },
  ],
])("a store is not taken for a new one where %s", async (_what, side, harmed) => {
  await harmed();
  backend.side.sequence = side ?? backend.side.sequence;
  const { store, report } = await backend.open();
  expect(report.records).toBe(3);
  expect(textOf(store.get("k"))).toBe("k");
});

it("a store whose journal is gone is in doubt where the side file cannot be read", async () => {
  await loseJournal();
  backend.side.sequence = Number.NaN;
  expect((await backend.open()).report.doubt).toEqual(["commits_missing"]);
});

describe("a checkpoint is taken for nothing", () => {
  let closedAt: number;
  let checkpoint: Uint8Array;

  beforeEach(async () => {
    const { store } = await backend.open();
    await store.close();
    closedAt = backend.side.sequence;
    checkpoint = (await backend.raw()).getSync(CHECKPOINT) ?? new Uint8Array(0);
    expect(checkpoint.length).toBeGreaterThan(0);
  });

  it("where the side file knows of commits after it", async () => {
    backend.side.sequence += 1;
    const { store, report } = await backend.open();
    expect(report).toMatchObject({ rebuilt: true, doubt: ["commits_missing"] });
    // None of the sequences that are gone is given out again.
    expect(store.sequence).toBe(closedAt + 2);
  });

  it("where the journal has lost its commit", async () => {
    await harm(journalKey(closedAt), "delete");
    const { report } = await backend.open();
    expect(report).toMatchObject({ rebuilt: true, doubt: ["commits_missing"] });
  });

  it("where the journal has gone on, and the side file has not", async () => {
    const { store } = await backend.open();
    await store.put("later", recordOf(value(2, "later")));
    await backend.crash();
    backend.side.sequence = closedAt;
    const batch = (await backend.raw()).batch();
    batch.put(CHECKPOINT, checkpoint);
    await batch.write({ sync: false });
    const { report } = await backend.open();
    expect(report).toMatchObject({ rebuilt: true, records: 4 });
  });
});
