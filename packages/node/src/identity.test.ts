import { decodeUtf8, encodeUtf8, isNodeId, nodeName } from "@hearsay/core";
import { beforeEach, describe, expect, test } from "vitest";
import { establishIdentity, IdentityError, leaveIdsBehind, type WantedIdentity } from "./identity.ts";
import type { MetaStore, Random } from "./ports.ts";

const wanted: WantedIdentity = {
  name: "alpha",
  fallbackName: "unnamed",
  cluster: "test",
  doubt: false,
  now: 7,
};

function sequence(): Random {
  let draws = 0;
  return { next: () => (draws++ * 0.618) % 1 };
}

class MemoryMeta implements MetaStore {
  readonly values: Map<string, Uint8Array> = new Map();
  puts = 0;

  get(name: string): Uint8Array | undefined {
    return this.values.get(name);
  }

  async put(name: string, value: Uint8Array): Promise<void> {
    this.puts += 1;
    this.values.set(name, value);
  }
}

describe("a data directory's identity", () => {
  let meta: MemoryMeta;
  const random = sequence();
  beforeEach(() => {
    meta = new MemoryMeta();
  });

  test("is minted once and found again on every start", async () => {
    const first = await establishIdentity(meta, random, wanted);
    expect(isNodeId(first.id)).toBe(true);
    expect(nodeName(first.id)).toBe("alpha");
    expect(first.retired).toEqual([]);
    expect(await establishIdentity(meta, random, wanted)).toEqual(first);
    expect(meta.puts).toBe(1);
  });

  test("settles the doubt in the turn that stores it, and settles none where there was none", async () => {
    const steps: string[] = [];
    const put = meta.put.bind(meta);
    meta.put = (name, value) => {
      steps.push("stored");
      void Promise.resolve().then(() => steps.push("turn ends"));
      return put(name, value);
    };
    const settle = async (): Promise<void> => void steps.push("settled");
    await establishIdentity(meta, random, wanted, settle);
    expect(steps).toEqual(["stored", "turn ends"]);
    await establishIdentity(meta, random, { ...wanted, doubt: true }, settle);
    expect(steps.slice(2)).toEqual(["stored", "settled", "turn ends"]);
  });

  test("is minted anew under doubt, and remembers every incarnation before", async () => {
    const ids = [(await establishIdentity(meta, random, wanted)).id];
    for (let restart = 0; restart < 3; restart++) {
      const next = await establishIdentity(meta, random, { ...wanted, doubt: true });
      expect(next.retired).toEqual(ids);
      ids.push(next.id);
    }
    expect(new Set(ids).size).toBe(4);
    expect((await establishIdentity(meta, random, wanted)).id).toBe(ids.at(-1));
  });

  test("says since when it is this one, whatever the time is at later starts", async () => {
    expect((await establishIdentity(meta, random, wanted)).since).toBe(7);
    expect((await establishIdentity(meta, random, { ...wanted, now: 8 })).since).toBe(7);
    expect((await establishIdentity(meta, random, { ...wanted, now: 9, doubt: true })).since).toBe(9);
    expect((await establishIdentity(meta, random, { ...wanted, now: 10 })).since).toBe(9);
  });

  test("of an earlier build, which did not say since when, says so from the first start on", async () => {
    const { id } = await establishIdentity(meta, random, wanted);
    await meta.put("identity", encodeUtf8(JSON.stringify({ cluster: "test", id, retired: [] })));
    expect(await establishIdentity(meta, random, { ...wanted, now: 8 })).toMatchObject({ id, since: 8 });
    expect(await establishIdentity(meta, random, { ...wanted, now: 9 })).toMatchObject({ id, since: 8 });
  });

  test("whose ids are left behind stays what it is, and the next one under doubt remembers none of them", async () => {
    await establishIdentity(meta, random, wanted);
    const before = await establishIdentity(meta, random, { ...wanted, doubt: true });
    await leaveIdsBehind(meta);
    expect(await establishIdentity(meta, random, wanted)).toEqual(before);
    const next = await establishIdentity(meta, random, { ...wanted, doubt: true });
    expect([next.retired, next.id === before.id]).toEqual([[], false]);
    // The one after that is another incarnation of the same cluster.
    const last = await establishIdentity(meta, random, { ...wanted, doubt: true });
    expect(last.retired).toEqual([next.id]);
  });

  test("of which there is none yet, or none that can be read, has no ids to leave behind", async () => {
    await leaveIdsBehind(meta);
    expect(meta.puts).toBe(0);
    await meta.put("identity", Uint8Array.from([0xff]));
    await leaveIdsBehind(meta);
    expect((await establishIdentity(meta, random, { ...wanted, doubt: true })).retired).toEqual([]);
  });

  test("of another cluster or node is refused, also under doubt, and nothing is written", async () => {
    await establishIdentity(meta, random, wanted);
    const before = new Map(meta.values);
    for (const doubt of [false, true]) {
      await expect(
        establishIdentity(meta, random, { ...wanted, cluster: "other", doubt }),
      ).rejects.toMatchObject({ fault: { code: "wrong_cluster", expected: "other", found: "test" } });
      await expect(establishIdentity(meta, random, { ...wanted, name: "beta", doubt })).rejects.toMatchObject(
        {
          fault: { code: "wrong_name", expected: "beta", found: "alpha" },
        },
      );
    }
    expect(meta.values).toEqual(before);
  });

  test.each([
    ["no JSON", "{"],
    ["no object", "null"],
    ["no identity", "{}"],
    ["an id that is none", '{"cluster":"test","id":"alpha","retired":[]}'],
    ["no list of retired ids", '{"cluster":"test","id":"alpha~0000000000"}'],
    ["a time that is none", '{"cluster":"test","id":"alpha~0000000000","retired":[],"since":"now"}'],
    ["a retired id that is none", '{"cluster":"test","id":"alpha~0000000000","retired":[1]}'],
  ])("that cannot be read stops the start: %s", async (_, text) => {
    await meta.put("identity", encodeUtf8(text));
    await expect(establishIdentity(meta, random, wanted)).rejects.toMatchObject({
      fault: { code: "identity_unreadable" },
    });
    expect(decodeUtf8(meta.get("identity") ?? new Uint8Array())).toBe(text);
  });

  test("that cannot be read is replaced under doubt", async () => {
    await meta.put("identity", Uint8Array.from([0xff]));
    const minted = await establishIdentity(meta, random, { ...wanted, doubt: true });
    expect(await establishIdentity(meta, random, wanted)).toEqual(minted);
  });

  test("has the name of its directory where none is wanted, and the fallback in a new one", async () => {
    const unnamed = { ...wanted, name: undefined };
    const minted = await establishIdentity(meta, random, unnamed);
    expect(nodeName(minted.id)).toBe("unnamed");
    expect(await establishIdentity(meta, random, { ...unnamed, fallbackName: "other" })).toEqual(minted);
    const anew = await establishIdentity(meta, random, { ...unnamed, fallbackName: "other", doubt: true });
    expect(nodeName(anew.id)).toBe("unnamed");
  });

  test("is not given out before it is stored", async () => {
    const broken: MetaStore = { get: () => undefined, put: () => Promise.reject(new Error("disk full")) };
    await expect(establishIdentity(broken, random, wanted)).rejects.toThrow("disk full");
  });

  test("that was refused says in its message what was found and what was wanted", () => {
    const error = new IdentityError({ code: "wrong_name", expected: "beta", found: "alpha" });
    expect(error.message).toMatch(/alpha.*beta/);
  });
});
