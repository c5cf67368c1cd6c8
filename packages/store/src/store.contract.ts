/** What every store does, whatever database it runs on. */
import type { KeyRecord } from "@hearsay/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Backend,
  NODE_A,
  NODE_B,
  recordOf,
  textOf,
  tombstone,
  value,
  version,
} from "./backend.contract.ts";
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
      const first = store.put("k", recordOf(value(1, "one")));
      expect(textOf(store.latest("k"))).toBe("one");
      expect(store.get("k")).toBeUndefined();
      await first;
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

    it("refuses writes once it is closed", async () => {
      await store.close();
      await expect(store.put("k", recordOf(value(1, "x")))).rejects.toMatchObject({
        fault: { code: "store_closed", outcome: "none" },
      });
    });
  });
}
