/** Disks that fail: what the writers are told, and how the store comes back. */
import { encodeUtf8 } from "@hearsay/core";
import { afterEach, describe, expect, it } from "vitest";
import { type Backend, memoryBackend, recordOf, textOf, value } from "./backend.contract.ts";
import { GHOSTS_MAX } from "./ghosts.ts";
import { graveyardKey, quarantineKey, recordKey } from "./keyspace.ts";
import type { Database, StoreLimits } from "./ports.ts";
import type { Store } from "./store.ts";

/** A database whose writes fail on demand, before or after they have reached the disk. */
class FaultyDatabase implements Database {
  readonly #inner: Database;
  readonly #faults: Faults;
  /** LevelDB refuses everything after a failed write, until it is reopened. */
  #broken: Error | undefined;

  constructor(inner: Database, faults: Faults) {
    this.#inner = inner;
    this.#faults = faults;
  }

  async open(options: { readonly createIfMissing: boolean }): Promise<void> {
    this.#faults.opened += 1;
    if (this.#faults.openFails !== undefined) throw this.#faults.openFails;
    await this.#inner.open(options);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    if (this.#faults.readFails !== undefined) throw this.#faults.readFails;
    return this.#inner.getSync(key);
  }

  iterator(range: Parameters<Database["iterator"]>[0]): ReturnType<Database["iterator"]> {
    return this.#inner.iterator(range);
  }

  batch(): ReturnType<Database["batch"]> {
    const batch = this.#inner.batch();
    return {
      put: (key, content) => batch.put(key, content),
      del: (key) => batch.del(key),
      write: async (options) => {
        await this.#faults.gate;
        if (this.#broken !== undefined) throw this.#broken;
        const fault = this.#faults.next;
        this.#faults.next = undefined;
        if (fault?.reached === true || fault === undefined) await batch.write(options);
        if (fault !== undefined) {
          this.#broken = fault.error;
          throw fault.error;
        }
      },
    };
  }
}

interface Faults {
  next: { readonly error: Error; readonly reached: boolean } | undefined;
  openFails: Error | undefined;
  readFails: Error | undefined;
  /** Writes wait for it. */
  gate: Promise<void>;
  opened: number;
}

const FULL = Object.assign(new Error("IO error: /data/000016.log: No space left on device"), {
  code: "LEVEL_IO_ERROR",
});
const BROKEN = Object.assign(new Error("IO error: /data/000016.log: Input/output error"), {
  code: "LEVEL_IO_ERROR",
});

let backend: Backend;
let store: Store;
let faults: Faults;
let room: boolean;

/** @param left is in the database under it from the start, with nothing */
async function open(limits: Partial<StoreLimits> = {}, left?: Uint8Array): Promise<void> {
  backend = await memoryBackend();
  const inner = await backend.raw();
  if (left !== undefined) {
    // Left as by a kill, so that the next opening reads everything.
    await backend.open();
    const batch = inner.batch();
    batch.put(left, new Uint8Array(0));
    await batch.write({ sync: false });
  }
  faults = {
    next: undefined,
    openFails: undefined,
    readFails: undefined,
    gate: Promise.resolve(),
    opened: 0,
  };
  room = true;
  ({ store } = await backend.open({
    openDatabase: () => new FaultyDatabase(inner, faults),
    hasRoom: () => Promise.resolve(room),
    limits,
  }));
}

afterEach(async () => {
  await store.close();
  await backend.dispose();
});

function codes(): string[] {
  return backend.events.map((event) => event.code);
}

it.each([false, true])(
  "counts the ghosts that are on the disk after a write that failed (reached it: %s)",
  async (reached) => {
    await open();
    const { version } = value(1, "v");
    const keep = (): Promise<boolean> => store.quarantine("k", value(1, "v"), { atMs: 1, why: "refused" });
    const counted = async (): Promise<number> => {
      let found = 0;
      for await (const _ of store.ghosts()) found += 1;
      expect(store.stats().ghosts).toBe(found);
      return found;
    };
    const failed = { fault: { code: "disk_full", outcome: "unknown" } };
    faults.next = { error: FULL, reached };
    await expect(keep()).rejects.toMatchObject(failed);
    // Nothing counts before it is known.
    expect(store.stats().ghosts).toBe(0);
    await store.retry();
    expect(await counted()).toBe(reached ? 1 : 0);
    expect(await keep()).toBe(true);
    expect(await counted()).toBe(1);
    faults.next = { error: FULL, reached };
    await expect(store.discardGhost("k", version)).rejects.toMatchObject(failed);
    expect(store.stats().ghosts).toBe(1);
    await store.retry();
    expect(await counted()).toBe(reached ? 0 : 1);
    expect(await store.discardGhost("k", version)).toBe(!reached);
    expect(await counted()).toBe(0);
  },
);

it("keeps no more ghosts at one time than there is room for", async () => {
  await open();
  const keep = (time: number): Promise<boolean> =>
    store.quarantine("k", value(time, "v"), { atMs: 1, why: "refused" });
  const times = Array.from({ length: GHOSTS_MAX + 2 }, (_, i) => i + 1);
  const kept = await Promise.all(times.map(keep));
  expect([kept.filter(Boolean).length, store.stats().ghosts]).toEqual([GHOSTS_MAX, GHOSTS_MAX]);
});

it("forgets nothing damaged that the disk would not take it for", async () => {
  await open({}, quarantineKey(encodeUtf8("k")));
  expect(store.stats().damaged).toBe(1);
  faults.next = { error: FULL, reached: false };
  await expect(store.put("x", recordOf(value(1, "x")))).rejects.toMatchObject({
    fault: { code: "disk_full" },
  });
  await expect(store.dropDamaged(5, 5, 10)).rejects.toMatchObject({
    fault: { code: "disk_full", outcome: "none" },
  });
  await store.retry();
  expect(store.stats().damaged).toBe(1);
  expect(await store.dropDamaged(5, 5, 10)).toEqual(["k"]);
  expect(store.stats().damaged).toBe(0);
});

it("outlives a purge that cannot take away the grave of a record that is no more, and takes it away later", async () => {
  await open({}, graveyardKey(100, encodeUtf8("gone")));
  const graves = async (): Promise<number> => (await store.graves(10)).length;
  faults.next = { error: FULL, reached: false };
  // A rejection that nobody handles would fail this run.
  expect(await store.purge(500, 10)).toEqual({ purged: 0, more: false });
  while (store.stats().condition === "ok") await new Promise((resolve) => setImmediate(resolve));
  await store.retry();
  expect(await graves()).toBe(1);
  await store.purge(500, 10);
  await store.flush();
  expect(await graves()).toBe(0);
});

for (const reached of [false, true]) {
  const fate = reached ? "reached the disk all the same" : "is lost";
  it(`goes on reading while the disk is full, and recovers when there is room; the failed write ${fate}`, async () => {
    await open();
    await store.put("k", recordOf(value(1, "one")));
    const before = await store.root();
    room = false;
    faults.next = { error: FULL, reached };
    const failed = store.put("k", recordOf(value(2, "two")));
    const meta = store.meta.put("m", Uint8Array.of(1));
    await expect(failed).rejects.toMatchObject({ fault: { code: "disk_full", outcome: "unknown" } });
    await expect(meta).rejects.toMatchObject({ fault: { code: "disk_full" } });
    await expect(store.put("x", recordOf(value(3, "x")))).rejects.toMatchObject({
      fault: { code: "disk_full", outcome: "none" },
    });
    expect(textOf(store.get("k"))).toBe("one");
    await store.retry();
    expect(store.stats().condition).toBe("full");
    expect(textOf(store.latest("k"))).toBe("one");
    expect(await store.root()).toBe(before);
    room = true;
    await store.retry();
    expect(store.stats().condition).toBe("ok");
    expect(textOf(store.get("k"))).toBe(reached ? "two" : "one");
    expect(store.meta.get("m")).toEqual(reached ? Uint8Array.of(1) : undefined);
    await store.put("x", recordOf(value(4, "x")));
    expect(await store.verify({ deep: true })).toMatchObject({ consistent: true });
    await store.close();
    const opened = await backend.open();
    expect(opened.report).toMatchObject({ clean: true, doubt: [], records: 2 });
    await opened.store.close();
  });

  it(`does not acknowledge a write whose sync failed, and reopens at once; the write ${fate}`, async () => {
    await open();
    await store.put("k", recordOf(value(1, "one")));
    faults.next = { error: BROKEN, reached };
    await expect(store.put("k", recordOf(value(2, "two")))).rejects.toMatchObject({
      fault: { code: "write_failed", outcome: "unknown" },
    });
    await store.retry();
    expect(codes()).toContain("reopened");
    expect(faults.opened).toBe(2);
    expect(textOf(store.get("k"))).toBe(reached ? "two" : "one");
    await store.put("k", recordOf(value(3, "three")));
    expect(await store.verify({ deep: true })).toMatchObject({ consistent: true });
    await backend.crash();
    const opened = await backend.open();
    expect(opened.report).toMatchObject({ clean: false, doubt: [], records: 1 });
    expect(textOf(opened.store.get("k"))).toBe("three");
  });
}

it("refuses the writes that were built on a failed one, with outcome none", async () => {
  await open();
  let release = (): void => undefined;
  faults.gate = new Promise((resolve) => {
    release = resolve;
  });
  faults.next = { error: BROKEN, reached: false };
  const first = store.put("k", recordOf(value(1, "one")));
  const failures = [first.catch((error: unknown) => error)];
  // The next group forms once the first one's batch has been handed to the database.
  while (store.stats().pendingBytes > 0 && failures.length === 1) {
    await new Promise((resolve) => setImmediate(resolve));
    failures.push(store.put("k", recordOf(value(2, "two"))).catch((error: unknown) => error));
  }
  release();
  expect(await Promise.all(failures)).toMatchObject([
    { fault: { code: "write_failed", outcome: "unknown" } },
    { fault: { code: "write_failed", outcome: "none" } },
  ]);
  await store.retry();
  expect(store.get("k")).toBeUndefined();
  expect(store.stats()).toMatchObject({ condition: "ok", records: 0 });
});

it("says that it is unavailable while the database cannot be reopened, and tries again", async () => {
  await open();
  await store.put("cached", recordOf(value(1, "x")));
  faults.next = { error: BROKEN, reached: false };
  faults.openFails = BROKEN;
  await expect(store.put("k", recordOf(value(2, "x")))).rejects.toThrow();
  await store.retry();
  expect(codes()).toContain("reopen_failed");
  expect(textOf(store.get("cached"))).toBe("x");
  expect(() => store.get("k")).toThrow(expect.objectContaining({ fault: { code: "store_unavailable" } }));
  // What was never put needs no database to be known as absent.
  expect(store.get("elsewhere")).toBeUndefined();
  await expect(store.scan({ prefix: "", after: undefined, limit: 1 })).rejects.toMatchObject({
    fault: { code: "store_unavailable" },
  });
  faults.openFails = undefined;
  await store.retry();
  expect(store.get("k")).toBeUndefined();
  expect(store.stats().condition).toBe("ok");
});

it("is flushed when what was put before is committed, though more is put meanwhile", async () => {
  await open();
  const releases: (() => void)[] = [];
  const closeGate = (): void => {
    faults.gate = new Promise((resolve) => releases.push(resolve));
  };
  closeGate();
  const before = store.put("before", recordOf(value(1, "x")));
  const flushed = store.flush();
  // By then the batch has been handed to the database, and what follows is another one.
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
  closeGate();
  const meanwhile = store.put("meanwhile", recordOf(value(2, "x")));
  releases[0]?.();
  await Promise.race([flushed, before.then(() => Promise.reject(new Error("not flushed")))]);
  expect([store.get("before"), store.get("meanwhile")]).toMatchObject([{}, undefined]);
  releases[1]?.();
  await meanwhile;
});

it("is not flushed while nobody can tell whether a write that failed is on disk", async () => {
  await open();
  faults.next = { error: BROKEN, reached: true };
  faults.openFails = BROKEN;
  const failing = store.put("k", recordOf(value(1, "x")));
  const flushed = store.flush();
  await expect(failing).rejects.toThrow();
  await expect(flushed).rejects.toMatchObject({ fault: { code: "write_failed" } });
  await store.retry();
  await expect(store.flush()).rejects.toMatchObject({ fault: { code: "write_failed" } });
  faults.openFails = undefined;
  await store.retry();
  await store.flush();
  expect(textOf(store.get("k"))).toBe("x");
});

it("says at once that a ghost cannot be kept aside where it cannot be read whether it is, before anything else of the turn", async () => {
  await open();
  const sibling = value(1, "ghost");
  faults.readFails = BROKEN;
  expect(() => store.quarantine("k", sibling, { atMs: 1, why: "dropped" })).toThrow(
    expect.objectContaining({ fault: expect.objectContaining({ code: "read_failed" }) }),
  );
  faults.readFails = undefined;
  expect(await store.quarantine("k", sibling, { atMs: 1, why: "dropped" })).toBe(true);
});

it("tries again when what became of the failed write cannot be read after the reopening", async () => {
  await open();
  faults.next = { error: BROKEN, reached: true };
  faults.readFails = BROKEN;
  await expect(store.put("k", recordOf(value(2, "x")))).rejects.toThrow();
  await store.retry();
  expect(store.stats().condition).toBe("failed");
  expect(codes()).toContain("reopen_failed");
  faults.readFails = undefined;
  await store.retry();
  expect(store.stats().condition).toBe("ok");
  expect(textOf(store.get("k"))).toBe("x");
});

describe("damage", () => {
  async function harm(key: string): Promise<void> {
    const batch = (await backend.raw()).batch();
    batch.put(recordKey(encodeUtf8(key)), encodeUtf8("what fails its checksum"));
    await batch.write({ sync: false });
  }

  async function withDamage(): Promise<void> {
    await open({ cacheMaxBytes: 0 });
    await store.put("k", recordOf(value(1, "x")));
    await harm("k");
  }

  it("is found again, and in doubt again, where neither could be stored the first time", async () => {
    await withDamage();
    faults.next = { error: BROKEN, reached: false };
    expect(() => store.get("k")).toThrow("damaged");
    await store.flush().catch(() => undefined);
    await store.retry();
    expect(store.stats()).toMatchObject({ damaged: 0, doubt: [] });
    expect(() => store.get("k")).toThrow("damaged");
    await store.flush();
    expect(store.stats()).toMatchObject({ damaged: 1, doubt: ["damaged_records"] });
  });

  it("leaves the store in doubt where that this is settled could not be stored", async () => {
    await withDamage();
    expect(() => store.get("k")).toThrow("damaged");
    await store.flush();
    faults.next = { error: BROKEN, reached: false };
    await expect(store.settleDoubt()).rejects.toThrow();
    expect(store.stats().doubt).toEqual(["damaged_records"]);
  });

  it("that is found while the disk is full is left for when there is room", async () => {
    await withDamage();
    faults.next = { error: FULL, reached: false };
    await expect(store.put("other", recordOf(value(2, "x")))).rejects.toThrow();
    expect(() => store.get("k")).toThrow("damaged");
    expect([store.stats().pendingBytes, store.stats().doubt]).toEqual([0, []]);
    await store.retry();
    expect(() => store.get("k")).toThrow("damaged");
    await store.flush();
    expect(store.stats().damaged).toBe(1);
  });

  it("of the database's own files is noted for the next start, which trusts no checkpoint, and salvages where it can", async () => {
    await open({ cacheMaxBytes: 0 });
    await store.put("k", recordOf(value(1, "x")));
    faults.readFails = BROKEN;
    expect(() => store.get("k")).toThrow("cannot read");
    faults.readFails = undefined;
    await store.close();
    let salvaged = 0;
    const salvage = async (): Promise<void> => {
      salvaged += 1;
    };
    const { report, store: next } = await backend.open({ salvage });
    await next.close();
    expect([report.rebuilt, salvaged]).toEqual([true, 1]);
  });
});

it("builds upon what waits behind the batch that is being written, of records and of the node's own values", async () => {
  await open();
  await store.put("k", recordOf(value(1, "x")));
  const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  let release = (): void => undefined;
  faults.gate = new Promise((resolve) => {
    release = resolve;
  });
  const written = [store.put("k", recordOf(value(2, "first"))), store.meta.put("own", Uint8Array.of(1))];
  await turn();
  await turn();
  written.push(store.put("k", recordOf(value(3, "second"))), store.meta.put("own", Uint8Array.of(2)));
  await turn();
  expect([textOf(store.get("k")), textOf(store.latest("k"))]).toEqual(["x", "second"]);
  expect(store.meta.get("own")).toEqual(Uint8Array.of(2));
  release();
  await Promise.all(written);
  expect(textOf(store.get("k"))).toBe("second");
});

it("refuses a whole turn when too much waits, and never half of one", async () => {
  await open({ pendingMaxBytes: 1000 });
  let release = (): void => undefined;
  faults.gate = new Promise((resolve) => {
    release = resolve;
  });
  const turn = (from: number): Promise<string>[] =>
    [from, from + 1, from + 2, from + 3].map((i) =>
      store.put(`k${i}`, recordOf(value(i, "x".repeat(500)))).then(
        () => "done",
        (error: unknown) =>
          error instanceof Error && "fault" in error ? JSON.stringify(error.fault) : "other",
      ),
    );
  const admitted = turn(1);
  await Promise.resolve();
  const refused = await Promise.all(turn(11));
  expect(new Set(refused.map((text) => JSON.parse(text).code))).toEqual(new Set(["overloaded"]));
  release();
  expect(await Promise.all(admitted)).toEqual(["done", "done", "done", "done"]);
  expect(await Promise.all(turn(21))).toEqual(["done", "done", "done", "done"]);
  expect(store.get("k11")).toBeUndefined();
});
