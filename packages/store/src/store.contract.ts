/** What every store does, whatever database it runs on. */
import { setImmediate } from "node:timers/promises";
import type { KeyRecord, Sibling } from "@hearsay/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Backend,
  hashing,
  NODE_A,
  NODE_B,
  recordOf,
  textOf,
  tombstone,
  value,
  version,
} from "./backend.contract.ts";
import { readSnapshot } from "./snapshot-read.ts";
import type { RecordEntry, Store } from "./store.ts";

export async function readAll(store: Store, prefix: string = ""): Promise<RecordEntry[]> {
  const entries: RecordEntry[] = [];
  let after: string | undefined;
  do {
    const chunk = await store.scan({ prefix, after, limit: 7 });
    entries.push(...chunk.entries);
    after = chunk.next;
  } while (after !== undefined);
  return entries;
}

export function storeContract(name: string, makeBackend: () => Promise<Backend>): void {
  describe(`a store on ${name}`, () => {
    let backend: Backend;
    let store: Store;

    beforeEach(async () => {
      backend = await makeBackend();
      ({ store } = await backend.open());
    });

    afterEach(() => backend.dispose());

    async function reopen(): Promise<void> {
      await store.close();
      ({ store } = await backend.open());
    }

    it("gives back what was put, byte for byte, before and after reopening", async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      const record: KeyRecord = {
        context: new Map([
          [NODE_B, 5],
          [NODE_A, 2 ** 52 + 1],
        ]),
        siblings: [
          { kind: "value", version: version(2 ** 52 + 1), bytes, contentType: "x/y; q=ü", expiresAtMs: null },
          {
            kind: "value",
            version: version(9),
            bytes: new Uint8Array(0),
            contentType: "",
            expiresAtMs: 12.5,
          },
          tombstone(5, NODE_B),
        ],
      };
      await store.put("k", record);
      expect(store.get("k")).toEqual(record);
      await reopen();
      expect(store.get("k")).toEqual(record);
      expect(store.get("absent")).toBeUndefined();
    });

    it("shows a put to writers at once and to readers when it is committed", async () => {
      void store.put("k", recordOf(value(1, "one")));
      expect(textOf(store.latest("k"))).toBe("one");
      expect(store.get("k")).toBeUndefined();
      await store.settled("k");
      const second = store.put("k", recordOf(value(2, "two")));
      expect(textOf(store.latest("k"))).toBe("two");
      expect(textOf(store.get("k"))).toBe("one");
      await second;
      expect(textOf(store.get("k"))).toBe("two");
    });

    it("does not keep the caller's buffer", async () => {
      const sibling = value(1, "abc");
      const put = store.put("k", recordOf(sibling));
      if (sibling.kind === "value") sibling.bytes.fill(0);
      await put;
      expect(textOf(store.get("k"))).toBe("abc");
    });

    it("keeps the last of several puts of a key in one turn", async () => {
      const puts = [1, 2, 3].map((time) => store.put("k", recordOf(value(time, `v${time}`))));
      await Promise.all(puts);
      expect(textOf(store.get("k"))).toBe("v3");
      await reopen();
      expect(textOf(store.get("k"))).toBe("v3");
    });

    it("keeps hostile keys apart", async () => {
      const keys = [
        "\u0000",
        "\u0000\u0000",
        "a",
        "a\u0000",
        "a/b",
        "a%2Fb",
        ".",
        "..",
        "é",
        "e\u0301",
        "😀",
        "\uffff",
        "x".repeat(1024),
      ];
      await Promise.all(keys.map((key, i) => store.put(key, recordOf(value(i + 1, key)))));
      await reopen();
      for (const key of keys) expect(textOf(store.get(key))).toBe(key);
      const listed = (await readAll(store)).map((entry) => entry.key);
      expect(listed).toEqual([...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    });

    it("lists by prefix in byte order and resumes after a key", async () => {
      const keys = ["a", "b", "b/1", "b/2", "b/3", "b0", "c", "\uffff", "😀"];
      await Promise.all(keys.map((key, i) => store.put(key, recordOf(value(i + 1, key)))));
      expect((await readAll(store, "b/")).map((entry) => entry.key)).toEqual(["b/1", "b/2", "b/3"]);
      const chunk = await store.scan({ prefix: "b/", after: "b/1", limit: 1 });
      expect(chunk.entries.map((entry) => entry.key)).toEqual(["b/2"]);
      expect(chunk.next).toBe("b/2");
      expect((await store.scan({ prefix: "b/", after: "a", limit: 9 })).entries).toHaveLength(3);
      expect((await store.scan({ prefix: "b/", after: "c", limit: 9 })).entries).toHaveLength(0);
      expect((await readAll(store, "\uffff")).map((entry) => entry.key)).toEqual(["\uffff"]);
    });

    it("commits meta with the records of its turn", async () => {
      const put = store.put("k", recordOf(value(1, "x")));
      const meta = store.meta.put("clock", Uint8Array.of(1, 2));
      expect(store.meta.get("clock")).toEqual(Uint8Array.of(1, 2));
      await Promise.all([put, meta]);
      await reopen();
      expect(store.meta.get("clock")).toEqual(Uint8Array.of(1, 2));
      expect(store.meta.get("other")).toBeUndefined();
    });

    it("remembers the newest versions of a key", async () => {
      for (let time = 1; time <= 25; time++) await store.put("k", recordOf(value(time, `v${time}`)));
      const times = (): number[] => store.history("k").map((sibling) => sibling.version.time);
      expect(times()).toEqual([25, 24, 23, 22, 21, 20, 19, 18, 17, 16]);
      await reopen();
      expect(times()).toEqual([25, 24, 23, 22, 21, 20, 19, 18, 17, 16]);
      expect(store.history("never")).toEqual([]);
    });

    it("remembers every version of one turn", async () => {
      await Promise.all([1, 2, 3].map((time) => store.put("k", recordOf(value(time, `v${time}`)))));
      expect(store.history("k").map((sibling) => sibling.version.time)).toEqual([3, 2, 1]);
    });

    it("has one root for the same records, whatever the order and the overwrites on the way", async () => {
      const other = await makeBackend();
      const { store: twin } = await other.open();
      try {
        expect(await twin.root()).toBe(await store.root());
        const empty = await store.root();
        for (let i = 0; i < 200; i++) await store.put(`k${i}`, recordOf(value(i + 1, "old")));
        for (let i = 0; i < 200; i++) void store.put(`k${i}`, recordOf(value(1000 + i, "new")));
        await store.flush();
        for (let i = 199; i >= 0; i--) void twin.put(`k${i}`, recordOf(value(1000 + i, "new")));
        await twin.flush();
        expect(await store.root()).toBe(await twin.root());
        expect(await store.root()).not.toBe(empty);
        await twin.put("k7", recordOf(value(5000, "newer")));
        expect(await store.root()).not.toBe(await twin.root());
        await reopen();
        await store.put("k7", recordOf(value(5000, "newer")));
        expect(await store.root()).toBe(await twin.root());
      } finally {
        await other.dispose();
      }
    });

    it("leads from the root to the one bucket that differs", async () => {
      for (let i = 0; i < 50; i++) void store.put(`k${i}`, recordOf(value(i + 1, "v")));
      await store.flush();
      await store.root();
      const before = [0, 1, 2, 3].map((level) =>
        Array.from({ length: 16 ** level }, (_, i) => store.children(level, i)),
      );
      await store.put("k7", recordOf(value(99, "w")));
      await store.root();
      let index = 0;
      for (const [level, nodes] of before.entries()) {
        const differing: number[] = [];
        for (const [i, old] of nodes.entries()) {
          const children = store.children(level, i);
          for (let child = 0; child < 16; child++) {
            const hash = (bytes: Uint8Array): Uint8Array => bytes.subarray(child * 8, child * 8 + 8);
            if (Buffer.compare(hash(old), hash(children)) !== 0) differing.push(i * 16 + child);
          }
        }
        expect(differing).toHaveLength(1);
        index = differing[0] ?? -1;
      }
      const entries = await store.bucketEntries(index);
      expect(entries).toContainEqual({ key: "k7", versions: [version(99)] });
    });

    it("purges whole records at or below the floor, with history and index, and nothing else", async () => {
      const empty = await store.root();
      const expiring: Sibling = {
        kind: "value",
        version: version(10),
        bytes: new Uint8Array(3),
        contentType: "",
        expiresAtMs: 1,
      };
      await store.put("live", recordOf(value(1, "x")));
      await store.put("dead", recordOf(value(2, "x")));
      await store.put("dead", recordOf(tombstone(3)));
      await store.put("later", recordOf(tombstone(5000)));
      await store.put("mixed", recordOf(tombstone(8), value(7, "x", NODE_B)));
      await store.put("expiring", recordOf(expiring));
      expect((await store.graves(10)).map((grave) => grave.key)).toEqual(["dead", "expiring", "later"]);
      expect(store.stats()).toMatchObject({ records: 5, tombstones: 3, purgeable: 3 });
      expect(await store.purge(2048, 1)).toEqual({ purged: 1, more: true });
      expect(await store.purge(2048, 10)).toEqual({ purged: 1, more: false });
      expect((await readAll(store)).map((entry) => entry.key)).toEqual(["later", "live", "mixed"]);
      expect(store.get("dead")).toBeUndefined();
      await store.put("dead", recordOf(value(20, "again")));
      expect(store.history("dead")).toHaveLength(1);
      await store.put("live", recordOf(tombstone(30)));
      await store.put("mixed", recordOf(tombstone(30)));
      await store.put("dead", recordOf(tombstone(30)));
      expect(await store.purge(6000, 10)).toEqual({ purged: 4, more: false });
      expect(await store.root()).toBe(empty);
      expect(store.stats()).toMatchObject({ records: 0, tombstones: 0, purgeable: 0, bytes: 0 });
    });

    it("does not purge what was written after the grave was listed", async () => {
      await store.put("k", recordOf(tombstone(3)));
      const purging = store.purge(10, 10);
      const written = store.put("k", recordOf(value(4, "x")));
      await Promise.all([purging, written]);
      expect(textOf(store.get("k"))).toBe("x");
    });

    it("verifies as consistent while writes go on", async () => {
      for (let i = 0; i < 1000; i++) void store.put(`k${i}`, recordOf(value(i + 1, "v")));
      await store.flush();
      let writing = true;
      const writer = (async () => {
        for (let i = 0; writing; i++) {
          const key = `k${(i * 7919) % 1500}`;
          const held = store.latest(key);
          void store.put(key, recordOf(i % 3 === 0 ? tombstone(2000 + i) : value(2000 + i, "w")));
          if (held !== undefined && i % 5 === 0) await store.purge(1000 + i, 2);
          if (i % 4 === 0) await store.flush();
        }
      })();
      for (const deep of [true, false, true]) {
        expect(await store.verify({ deep })).toMatchObject({ consistent: true, damaged: 0, deep });
      }
      writing = false;
      await writer;
      await store.flush();
    });

    it("streams a snapshot that equals the store at one moment, while writes and purges go on", async () => {
      for (let i = 0; i < 2000; i++) void store.put(`k${i}`, recordOf(value(i + 1, `v${i}`)));
      await store.flush();
      // Each turn writes its number with what else it writes, so the number names the moment of a snapshot.
      const turns: Map<string, Sibling>[] = [];
      let writing = true;
      const writer = (async () => {
        for (let turn = 0; writing; turn++) {
          const puts = new Map<string, Sibling>([["turn", value(10_000 + turn, String(turn))]]);
          for (let i = turn * 20; i < turn * 20 + 20; i++) {
            const time = 10_000 + i;
            puts.set(`k${(i * 7919) % 2500}`, i % 4 === 0 ? tombstone(time) : value(time, `w${i}`));
          }
          turns.push(puts);
          for (const [key, sibling] of puts) void store.put(key, recordOf(sibling));
          await setImmediate();
          if (turn % 3 === 0) await store.purge(10_000 + turn * 20 - 100, 5);
        }
      })();
      const restored = new Map<string, Sibling>();
      let ended = false;
      for await (const item of readSnapshot(store.snapshot(), hashing)) {
        if (item.kind === "record") restored.set(item.key, item.record.siblings[0]);
        else if (item.kind === "removed") restored.delete(item.key);
        else ended = true;
      }
      writing = false;
      await writer;
      await store.flush();
      expect(ended).toBe(true);
      const moment = restored.get("turn");
      const last = moment?.kind === "value" ? Number(new TextDecoder().decode(moment.bytes)) : -1;
      expect(last).toBeGreaterThan(2);
      const expected = new Map<string, Sibling>();
      for (let i = 0; i < 2000; i++) expected.set(`k${i}`, value(i + 1, `v${i}`));
      for (const puts of turns.slice(0, last + 1)) {
        for (const [key, sibling] of puts) expected.set(key, sibling);
      }
      // Tombstones may have been purged before that moment.
      const live = (states: Map<string, Sibling>): [string, Sibling][] =>
        [...states].filter(([, sibling]) => sibling.kind === "value").sort(([a], [b]) => (a < b ? -1 : 1));
      expect(live(restored)).toEqual(live(expected));
      for (const [key, sibling] of restored) expect(sibling.version).toEqual(expected.get(key)?.version);
    });

    it("refuses writes once it is closed", async () => {
      await store.close();
      await expect(store.put("k", recordOf(value(1, "x")))).rejects.toMatchObject({
        fault: { code: "store_closed", outcome: "none" },
      });
    });
  });
}
