import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HearsayError, type Operation } from "@hearsay/client";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentError } from "../fault.ts";
import { type ApplyClient, writePlan } from "./apply-directory.ts";
import { batchesOf, contentTypeOf, guardDeletes, type HeldKey, type Plan, planOf } from "./plan.ts";
import { type DirectoryOptions, readDirectory } from "./read-directory.ts";
import { differences, planLines } from "./show-plan.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const TEXT = "text/plain; charset=utf-8";
const held = (text: string, contentType: string = TEXT, conflicts = 0): HeldKey => ({
  value: bytes(text),
  contentType,
  version: `v-${text}`,
  conflicts,
  expiresAt: undefined,
});
const files = (entries: Readonly<Record<string, string>>) =>
  new Map(Object.entries(entries).map(([key, text]) => [key, bytes(text)]));
const PRUNE = true;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "hearsay-test-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const OPTIONS = { prefix: "p/", exclude: [], maxValueBytes: 100 };

async function faultsOf(options: Partial<DirectoryOptions> = {}): Promise<readonly string[]> {
  try {
    await readDirectory(directory, { ...OPTIONS, ...options });
  } catch (error) {
    if (error instanceof AgentError && error.fault.code === "directory_invalid") return error.fault.faults;
    throw error;
  }
  return [];
}

describe("a directory", () => {
  it("is keys by the order of their bytes, with what is excluded left out", async () => {
    mkdirSync(join(directory, "b/.git"), { recursive: true });
    for (const name of ["b/x", "b/.git/config", "a", "ü", ".hidden"])
      writeFileSync(join(directory, name), name);
    const read = await readDirectory(directory, { ...OPTIONS, exclude: [".git"] });
    expect([...read.keys()]).toEqual(["p/.hidden", "p/a", "p/b/x", "p/ü"]);
    expect(Buffer.from(read.get("p/b/x") ?? []).toString()).toBe("b/x");
  });

  it("with anything that is no key or value is refused as a whole, with all of it named", async () => {
    writeFileSync(join(directory, "fine"), "x");
    writeFileSync(join(directory, "target"), "x");
    symlinkSync("target", join(directory, "link"));
    symlinkSync("/etc", join(directory, "linked-directory"));
    writeFileSync(Buffer.concat([Buffer.from(`${directory}/latin-`), Buffer.from([0xe9])]), "x");
    writeFileSync(join(directory, "line\nbreak"), "x");
    expect([...(await faultsOf())].sort()).toEqual([
      expect.stringMatching(/latin-.*: its name is not UTF-8/),
      expect.stringMatching(/line\\nbreak: its name/),
      expect.stringMatching(/link: it is a symbolic link/),
      expect.stringMatching(/linked-directory: it is a symbolic link/),
    ]);
    expect(await faultsOf({ exclude: ["link", "linked-directory"] })).toHaveLength(2);
  });

  it("with names too long for a key or files too large for a value is refused", async () => {
    const part = "d".repeat(250);
    const deep = join(directory, part, part, part, part);
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, "f".repeat(100)), "x");
    expect(await faultsOf()).toEqual([
      expect.stringContaining("its key would have 1106 bytes, 1024 is the most"),
    ]);
    rmSync(join(directory, part), { recursive: true });
    writeFileSync(join(directory, "large"), "x".repeat(101));
    expect(await faultsOf()).toEqual([expect.stringContaining("it has 101 bytes, 100 is the most")]);
  });

  it("that is not there, or is a file, is refused", async () => {
    writeFileSync(join(directory, "file"), "x");
    await expect(readDirectory(join(directory, "none"), OPTIONS)).rejects.toThrow("ENOENT");
    await expect(readDirectory(join(directory, "file"), OPTIONS)).rejects.toThrow("ENOTDIR");
  });
});

describe("a plan", () => {
  it("creates, updates, leaves alone, and deletes only when asked", () => {
    const there = new Map([
      ["p/same", held("1")],
      ["p/changed", held("1")],
      ["p/extra", held("1")],
      ["p/type.json", held("{}", TEXT)],
      ["p/conflict", held("1", TEXT, 1)],
      ["p/expires", { ...held("1"), expiresAt: "2026-01-01T00:00:00.000Z" }],
    ]);
    const wanted = files({
      "p/same": "1",
      "p/changed": "2",
      "p/new": "3",
      "p/type.json": "{}",
      "p/conflict": "1",
      "p/expires": "1",
    });
    const kept = planOf(wanted, there, !PRUNE);
    expect(kept).toMatchObject({ unchanged: 1, left: 1 });
    expect(kept.changes.map(({ kind, key }) => `${kind} ${key}`)).toEqual([
      "update p/changed",
      "create p/new",
      "update p/type.json",
      "update p/conflict",
      "update p/expires",
    ]);
    expect(planOf(wanted, there, PRUNE).changes.at(-1)).toMatchObject({ kind: "delete", key: "p/extra" });
  });

  it("that would delete more than the share is refused", () => {
    const there = new Map(["a", "b", "c", "d"].map((key) => [key, held("1")]));
    const guard = (wanted: Readonly<Record<string, string>>, maxDeletePercent: number) => (): void =>
      guardDeletes(planOf(files(wanted), there, PRUNE), maxDeletePercent);
    expect(guard({}, 99)).toThrow("4 of 4 keys would be deleted, more than 99%");
    expect(guard({ a: "1", b: "2" }, 49)).toThrow(AgentError);
    expect(guard({ a: "1", b: "2" }, 50)).not.toThrow();
    expect(guard({}, 100)).not.toThrow();
  });

  it("makes what is there what is wanted, and then has nothing left to do", () => {
    const entries = fc.dictionary(fc.constantFrom("a", "b", "c", "d", "e"), fc.constantFrom("1", "2", "3"));
    fc.assert(
      fc.property(entries, entries, (wanted, there) => {
        const before = new Map(Object.entries(there).map(([key, text]) => [key, held(text)]));
        const after = new Map(before);
        for (const change of batchesOf(planOf(files(wanted), before, PRUNE).changes).flat()) {
          if (change.kind === "delete") after.delete(change.key);
          else after.set(change.key, held(change.value.toString(), change.contentType));
        }
        expect([...after.keys()].sort()).toEqual(Object.keys(wanted).sort());
        const again = [...after].map(
          ([key, one]) => [key, { ...one, value: files(wanted).get(key) ?? bytes("") }] as const,
        );
        expect(planOf(files(wanted), new Map(again), PRUNE)).toMatchObject({ changes: [], left: 0 });
      }),
    );
  });

  it("is split into batches within the limits of keys and bytes", () => {
    const many = files(Object.fromEntries(Array.from({ length: 2_500 }, (_, i) => [`k${i}`, "v"])));
    const sizes = (plan: Plan): number[] => batchesOf(plan.changes).map((batch) => batch.length);
    expect(sizes(planOf(many, new Map(), PRUNE))).toEqual([1000, 1000, 500]);
    const large = files(
      Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`k${i}`, "v".repeat(1024 * 1024)])),
    );
    expect(sizes(planOf(large, new Map(), PRUNE))).toEqual([3, 3, 3]);
  });

  it("is shown with the lines that change, and nothing that steers a terminal", () => {
    const there = new Map([
      ["p/a", held("one\ntwo\nthree\n")],
      ["p/b", held("x", "application/octet-stream")],
    ]);
    const plan = planOf(files({ "p/a": "one\n2\u001b[31m\nthree\n", "p/n\u0007": "" }), there, PRUNE);
    expect(planLines(plan).map(({ text }) => text)).toEqual([
      "~ p/a (14 to 17 bytes)",
      "     one",
      "    -two",
      "    +2\\u001b[31m",
      "     three",
      '+ "p/n\\u0007" (0 bytes)',
      "- p/b (1 bytes)",
    ]);
    expect(differences(Uint8Array.of(255), bytes("x"))[0]?.text).toContain("not text");
    expect(differences(bytes("x".repeat(70_000)), bytes("x"))[0]?.text).toContain("too large");
    const [long, short] = [Array.from({ length: 100 }, (_, i) => `${i}`).join("\n"), "x"];
    expect(differences(bytes(long), bytes(short)).at(-1)?.text).toMatch(/and \d+ more lines/);
  });

  it("gives names a type only where the value is text", () => {
    expect(contentTypeOf("a.json", bytes("{}"))).toBe("application/json");
    expect(contentTypeOf("a.json", Uint8Array.of(255))).toBe("application/octet-stream");
    expect(contentTypeOf("a", bytes("x"))).toBe(TEXT);
  });
});

describe("writing a plan", () => {
  const plan = planOf(
    files(Object.fromEntries(Array.from({ length: 1_500 }, (_, i) => [`k${i}`, "v"]))),
    new Map(),
    PRUNE,
  );
  const problem = (code: string, status: number, outcome: "none" | "unknown" = "none"): HearsayError =>
    new HearsayError(
      {
        code: "problem",
        endpoint: "x",
        retryAfterMs: undefined,
        problem: { status, code, title: code, next: "" },
      },
      { outcome, attempts: 1 },
    );

  interface Calls {
    readonly batches: { readonly operations: readonly Operation[]; readonly ack: unknown }[];
    readonly reads: number[];
    readonly receipts: string[];
  }

  function clientOf(
    behaviour: {
      readonly states?: string[];
      readonly fail?: (batch: number) => unknown;
      readonly lacking?: string[];
      /** What the reading before a batch finds of a key, where it is not absent. */
      readonly found?: (key: string, write: number) => object | undefined;
      readonly concurrent?: string[];
    } = {},
  ): { readonly client: ApplyClient; readonly calls: Calls } {
    const calls: Calls = { batches: [], reads: [], receipts: [] };
    const member = (name: string) => ({ id: name, name, state: "alive" });
    const client = {
      batch: async (operations: readonly Operation[], options: { ack?: unknown } = {}) => {
        if (operations.every(({ op }) => op === "get")) {
          calls.reads.push(operations.length);
          return operations.map(({ op, key }) => {
            const found = behaviour.found?.(key, calls.batches.length);
            return found === undefined
              ? { op, key, found: false, deleted: false }
              : { op, key, found: true, ...found };
          });
        }
        calls.batches.push({ operations, ack: options.ack });
        const failure = behaviour.fail?.(calls.batches.length);
        if (failure !== undefined) throw failure;
        return operations.map(({ op, key }) => ({ op, key, version: `v-${key}`, context: "", acks: 1 }));
      },
      list: () => Promise.reject(new Error("not used")),
      conflicts: async function* () {
        yield { items: (behaviour.concurrent ?? []).map((key) => ({ key, versions: [] })), next: null };
      },
      cluster: {
        status: async () => ({
          members: (behaviour.states ?? ["alive", "alive"]).map((state) => ({ state })),
        }),
        receipt: async (key: string) => {
          calls.receipts.push(key);
          const lacking = behaviour.lacking ?? [];
          return { everywhere: lacking.length === 0, lacking: lacking.map(member), unknown: [] };
        },
      },
    };
    return { client: client as unknown as ApplyClient, calls };
  }
  const options = {
    signal: new AbortController().signal,
    prefix: "",
    waitMs: 5_000,
    onProgress: () => undefined,
    nowMs: () => 0,
  };

  it("has each batch acknowledged by all members when all are there", async () => {
    const { client, calls } = clientOf();
    await writePlan(client, plan, options);
    expect(calls.batches.map(({ operations, ack }) => [operations.length, ack])).toEqual([
      [1000, "all"],
      [500, "all"],
    ]);
    expect(calls.receipts).toEqual([]);
    const without = clientOf();
    await writePlan(without.client, plan, { ...options, waitMs: undefined });
    expect(without.calls.batches.map(({ ack }) => ack)).toEqual([undefined, undefined]);
  });

  it("writes all at once when a member is away, then waits for every receipt, and names who lacks what", async () => {
    const patient = clientOf({ states: ["alive", "dead"] });
    await writePlan(patient.client, plan, options);
    expect(patient.calls.batches.map(({ ack }) => ack)).toEqual([undefined, undefined]);
    expect(patient.calls.receipts).toHaveLength(1_500);
    const late = clientOf({ states: ["alive", "dead"], lacking: ["n3"] });
    await expect(writePlan(late.client, plan, options)).rejects.toMatchObject({
      fault: { code: "not_everywhere", lacking: ["n3"] },
    });
  });

  it("writes the other batches when one is not acknowledged in time, and asks for the receipts of both", async () => {
    const { client, calls } = clientOf({
      found: (key, writes) =>
        writes === 1 && Number(key.slice(1)) < 1_000 ? { version: `v-${key}`, context: "c" } : undefined,
      fail: (batch) => (batch === 1 ? problem("ack_timeout", 504, "unknown") : undefined),
    });
    await writePlan(client, plan, options);
    expect(calls.batches.map(({ operations, ack }) => [operations[0]?.op, operations.length, ack])).toEqual([
      ["put", 1000, "all"],
      ["put", 500, undefined],
    ]);
    expect(calls.receipts).toHaveLength(1_500);
  });

  describe("somebody else's write since the plan was made", () => {
    const small = planOf(
      files({ a: "new", b: "new", c: "new" }),
      new Map([
        ["b", held("old")],
        ["gone", held("old")],
      ]),
      PRUNE,
    );
    const asPlanned = (key: string): object | undefined =>
      key === "b" || key === "gone" ? stored("old", `context-${key}`) : undefined;
    const stored = (text: string, context = "c"): object => ({
      version: `v-${text}`,
      context,
      contentType: TEXT,
      size: text.length,
      value: Buffer.from(text).toString("base64"),
    });
    const write = (found: (key: string, write: number) => object | undefined, more: object = {}) => {
      const { client, calls } = clientOf({ found, ...more });
      return { calls, done: writePlan(client, small, { ...options, waitMs: undefined }) };
    };

    it("that has the same value and will expire is written over where it was planned with, else refused", async () => {
      const expiring = (): object => ({ ...stored("new"), expiresAt: "2026-01-01T00:00:00.000Z" });
      const plan = planOf(
        files({ a: "new" }),
        new Map([["a", { ...held("new"), expiresAt: "2026-01-01T00:00:00.000Z" }]]),
        PRUNE,
      );
      const { client, calls } = clientOf({ found: expiring });
      await writePlan(client, plan, { ...options, waitMs: undefined });
      expect(calls.batches[0]?.operations).toMatchObject([{ op: "put", key: "a", context: "c" }]);
      const { done } = write((key) => (key === "a" ? expiring() : asPlanned(key)));
      await expect(done).rejects.toMatchObject({ fault: { code: "apply_conflict", keys: ["a"] } });
    });

    it("is not in the way where there is none: each write covers what was read just before it", async () => {
      const { calls, done } = write(asPlanned);
      await done;
      expect(calls.batches[0]?.operations).toMatchObject([
        { op: "put", key: "a", context: "" },
        { op: "put", key: "b", context: "context-b" },
        { op: "put", key: "c", context: "" },
        { op: "delete", key: "gone", context: "context-gone" },
      ]);
    });

    it.each([
      ["replaces a value that was to be updated", "b", stored("theirs")],
      ["deletes it", "b", undefined],
      ["creates a key that was to be created", "c", stored("theirs")],
      ["replaces a value that was to be deleted", "gone", stored("theirs")],
      ["stands beside the value that was planned with", "b", { ...stored("old"), conflicts: 1 }],
    ])("that %s is a conflict, and nothing of the batch is written", async (_, key, found) => {
      const { calls, done } = write((asked) => (asked === key ? found : asPlanned(asked)));
      await expect(done).rejects.toMatchObject({
        fault: { code: "apply_conflict", keys: [key], written: 0 },
      });
      expect(calls.batches).toEqual([]);
    });

    it("of the same mind is none, and is not written again", async () => {
      const { calls, done } = write((key) =>
        key === "b" ? stored("new") : key === "gone" ? undefined : asPlanned(key),
      );
      await done;
      expect(calls.batches[0]?.operations.map(({ key }) => key)).toEqual(["a", "c"]);
    });

    it("that comes between reading and writing is told, as it stands beside", async () => {
      const { done } = write(asPlanned, { concurrent: ["b", "other"] });
      await expect(done).rejects.toMatchObject({ fault: { code: "concurrent_values", keys: ["b"] } });
    });

    it("is told from one's own whose answer was lost", async () => {
      const { calls, done } = write(
        (key, writes) => (writes === 0 ? asPlanned(key) : key === "gone" ? undefined : stored("new")),
        { fail: (batch: number) => (batch === 1 ? problem("write_failed", 500, "unknown") : undefined) },
      );
      await done;
      expect(calls.batches).toHaveLength(1);
    });

    it("is looked for in smaller batches where a node gives less away at once", async () => {
      const { client, calls } = clientOf({ found: asPlanned });
      const stingy = {
        ...client,
        batch: async (operations: readonly Operation[]) => {
          if (operations.length > 1 && operations[0]?.op === "get") throw problem("body_too_large", 413);
          return await client.batch(operations);
        },
      };
      await writePlan(stingy, small, { ...options, waitMs: undefined });
      expect(calls.reads).toEqual([1, 1, 1, 1]);
    });
  });

  it("says how far it came when a later batch fails, and passes on the failure of the first", async () => {
    const later = clientOf({ fail: (batch) => (batch === 2 ? problem("disk_full", 507) : undefined) });
    await expect(writePlan(later.client, plan, options)).rejects.toMatchObject({
      fault: { code: "apply_incomplete", written: 1000, keys: 1500, reason: "disk_full" },
    });
    const first = clientOf({ fail: () => problem("disk_full", 507) });
    await expect(writePlan(first.client, plan, options)).rejects.toBeInstanceOf(HearsayError);
  });
});
