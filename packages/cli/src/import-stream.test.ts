import type { BatchDraft, Operation } from "@hearsay/client";
import { HearsayError } from "@hearsay/client";
import { describe, expect, it } from "vitest";
import { type ImportOptions, type ImportProgress, importRecords } from "./import-stream.ts";
import type { SentLines } from "./sent-again.ts";

interface Sent {
  readonly keys: string[];
  readonly operations: readonly Operation[];
  finish(error?: unknown): void;
}

/** A batch that keeps its operations. */
class KeptDraft implements BatchDraft {
  readonly mediaType: string = "";
  readonly operations: Operation[] = [];
  readonly reads: number = 0;

  get size(): number {
    return this.operations.length;
  }

  add(operation: Operation): void {
    this.operations.push(operation);
  }

  body(): Uint8Array {
    return new Uint8Array(0);
  }
}

function operationsOf(batch: unknown): readonly Operation[] {
  if (!(batch instanceof KeptDraft)) throw new TypeError("it is no batch of this client");
  return batch.operations;
}

/** A client whose batches end when the test says so. */
function heldClient(): {
  readonly client: ImportOptions["client"];
  readonly sent: Sent[];
  next(): Promise<Sent>;
} {
  const sent: Sent[] = [];
  const waiting: ((sent: Sent) => void)[] = [];
  let taken = 0;
  return {
    sent,
    client: {
      draft: () => new KeptDraft(),
      batch: (draft) =>
        new Promise((resolve, reject) => {
          const operations = operationsOf(draft);
          const one: Sent = {
            keys: operations.map(({ key }) => key),
            operations,
            finish: (error) => (error === undefined ? resolve([]) : reject(error)),
          };
          sent.push(one);
          waiting.shift()?.(one);
        }),
    },
    next: () => {
      const one = sent[taken++];
      return one === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(one);
    },
  };
}

async function* lines(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(`${text}\n`);
}

function record(key: string, more: object = {}): string {
  return JSON.stringify({ key, text: key, ...more });
}

function start(
  client: ImportOptions["client"],
  input: AsyncIterable<Uint8Array>,
  options: Partial<ImportOptions> = {},
): Promise<ImportProgress> {
  return importRecords(input, {
    client,
    signal: new AbortController().signal,
    concurrency: 2,
    batchRecords: 2,
    nowMs: () => 1_000,
    onProgress: () => undefined,
    onRepeat: () => undefined,
    ...options,
  });
}

describe("an import", () => {
  it("keeps several batches in flight and no more than it may", async () => {
    const { client, sent, next } = heldClient();
    const running = start(client, lines(...["a", "b", "c", "d", "e"].map((key) => record(key))));
    const first = await next();
    await next();
    expect(sent.map(({ keys }) => keys)).toEqual([
      ["a", "b"],
      ["c", "d"],
    ]);
    first.finish();
    (await next()).finish();
    sent[1]?.finish();
    expect(await running).toMatchObject({ records: 5, expired: 0 });
    expect(sent[2]?.keys).toEqual(["e"]);
  });

  it("does not send a key while an earlier line of the same key is in flight", async () => {
    const { client, sent, next } = heldClient();
    const running = start(
      client,
      lines(record("a"), record("b"), record("b", { text: "later" }), record("c")),
    );
    const first = await next();
    // Everything the import can do by itself is done within one turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toHaveLength(1);
    first.finish();
    const second = await next();
    expect(second.keys).toEqual(["b", "c"]);
    second.finish();
    expect(await running).toMatchObject({ records: 4 });
  });

  it("counts what has expired, carries what has not, and skips empty lines", async () => {
    const { client, next } = heldClient();
    const at = (ms: number): object => ({ expiresAt: new Date(ms).toISOString() });
    const running = start(client, lines("", record("over", at(1_000)), record("lives", at(1_250)), "\r"));
    const { operations, finish } = await next();
    expect(operations).toMatchObject([{ op: "put", key: "lives", ttl: "250ms" }]);
    finish();
    expect(await running).toMatchObject({ records: 1, expired: 1 });
  });

  it("stops at a bad line, names it, and waits for what is in flight", async () => {
    const { client, next } = heldClient();
    const running = start(client, lines(record("a"), record("b"), "{oops"));
    let ended = false;
    const outcome = running.catch((error: unknown) => {
      ended = true;
      return error;
    });
    const { finish } = await next();
    expect(ended).toBe(false);
    finish();
    expect(await outcome).toMatchObject({ message: "line 3: it is not JSON", code: "bad_line", exit: 1 });
  });

  it("names the line whose value would stay for longer than nodes take, as a bad one", async () => {
    const expiresAt = "9999-12-31T23:59:59.000Z";
    const { client, sent } = heldClient();
    await expect(start(client, lines(record("a"), record("b", { expiresAt })))).rejects.toThrow(
      "line 2: expiresAt is too far away",
    );
    expect(sent).toEqual([]);
  });

  it("names the lines of a batch that failed, and says whether they may be there", async () => {
    const { client, next } = heldClient();
    const running = start(client, lines("", record("a"), record("b"))).catch((error: unknown) => error);
    const fault = { code: "timed_out", endpoint: "http://n", afterMs: 5 } as const;
    (await next()).finish(new HearsayError(fault, { outcome: "unknown", attempts: 1 }));
    expect(await running).toMatchObject({
      message: "lines 2 to 3 may not have been written: http://n did not answer within 5 ms",
      code: "timed_out",
      exit: 6,
    });
  });

  it("names the first lines of all that failed, in whatever order their batches did", async () => {
    const { client, next } = heldClient();
    const keys = ["a", "b", "c", "d", "e", "f"];
    const running = start(client, lines(...keys.map((key) => record(key))), { concurrency: 3 }).catch(
      (error: unknown) => error,
    );
    const sent = [await next(), await next(), await next()];
    const fault = { code: "unreachable", endpoint: "http://n", reason: "refused", sent: false } as const;
    for (const i of [2, 1, 0]) {
      if (i === 0) sent[i]?.finish();
      else sent[i]?.finish(new HearsayError(fault, { outcome: "none", attempts: 1 }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await running).toMatchObject({
      message: expect.stringMatching(/^lines 3 to 4 were not written: /),
      next: expect.stringContaining("tail -n +3 FILE"),
      exit: 5,
    });
  });

  it("tells once of each batch that is sent again while its first attempt may still arrive", async () => {
    const seen: SentLines[] = [];
    const client: ImportOptions["client"] = {
      draft: () => new KeptDraft(),
      batch: async (batch, options) => {
        const isLost = operationsOf(batch).some(({ key }) => key === "c");
        for (let times = 0; isLost && times < 2; times++) options?.onRepeatUnknown?.();
        return [];
      },
    };
    const input = lines(record("a"), record("b"), "", record("c"), record("d"));
    expect(await start(client, input, { onRepeat: (batch) => seen.push(batch) })).toMatchObject({
      records: 4,
    });
    expect(seen).toEqual([{ records: 2, firstLine: 4, lastLine: 5 }]);
  });

  it("reports progress of what was acknowledged", async () => {
    const seen: number[] = [];
    const client: ImportOptions["client"] = { draft: () => new KeptDraft(), batch: async () => [] };
    await start(client, lines(record("a"), record("b"), record("c")), {
      onProgress: ({ records }) => seen.push(records),
    });
    expect(seen).toEqual([2, 3]);
  });
});
