/** Reads, plans and writes: the steps of `apply`, so that its caller can show the plan in between. */
import type { BatchResult } from "@hearsay/api";
import { type Client, fromBase64, HearsayError, type Operation } from "@hearsay/client";
import { AgentError, reasonOf } from "../fault.ts";
import { guarded, type KeyVersion, seenBy } from "./guarded.ts";
import { batchesOf, type Change, type HeldKey, type Plan } from "./plan.ts";

export type ApplyClient = Pick<Client, "batch" | "conflicts" | "list"> & {
  readonly cluster: Pick<Client["cluster"], "receipt" | "status">;
};

/** What a node holds below a prefix. */
export async function heldBelow(
  client: Pick<Client, "list">,
  prefix: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, HeldKey>> {
  const held = new Map<string, HeldKey>();
  for await (const item of client.list({ prefix, signal })) {
    const { key, value = "", contentType, version, conflicts = 0, expiresAt } = item;
    held.set(key, { value: fromBase64(value), contentType, version, conflicts, expiresAt });
  }
  return held;
}

export interface WriteOptions {
  readonly signal: AbortSignal;
  /** What all keys of the plan start with. */
  readonly prefix: string;
  /** How long to wait until every member holds the writes; undefined: not at all. */
  readonly waitMs: number | undefined;
  readonly onProgress: (written: number) => void;
  /** A clock that does not go back. */
  readonly nowMs: () => number;
}

/**
 * Writes the plan where the keys still are as it has them. A batch of unknown outcome is looked after, and what of it is not
 * there is written again.
 * @throws AgentError `apply_conflict`: some keys are not as they were planned, nothing of their batch is written;
 * `apply_incomplete`: some batches are written, running it again finishes it; `concurrent_values`: all is written, and
 * somebody else wrote at the same time; `not_everywhere`: all is written, and not every member has it yet. HearsayError when
 * nothing was written
 */
export async function writePlan(client: ApplyClient, plan: Plan, options: WriteOptions): Promise<void> {
  await new PlanWriter(client, options).write(plan);
}

/** Receipts that are asked for at one time; a node takes 64. */
const RECEIPTS_TOGETHER = 16;
/** How often a batch whose outcome is unknown is written. */
const MAX_WRITES = 3;
/** A node that is asked just before the time is over has so long to answer. */
const ANSWER_GRACE_MS = 2_000;

class PlanWriter {
  readonly #client: ApplyClient;
  readonly #options: WriteOptions;
  readonly #endMs: number;
  /** What no batch's acknowledgement has vouched for. */
  readonly #unconfirmed: KeyVersion[] = [];
  /** A batch's acknowledgement by all members is the quickest receipt; with one away it would come after the time-out. */
  #asksForAcks = false;

  constructor(client: ApplyClient, options: WriteOptions) {
    this.#client = client;
    this.#options = options;
    this.#endMs = options.nowMs() + (options.waitMs ?? 0);
  }

  async write({ changes }: Plan): Promise<void> {
    const { signal, waitMs, onProgress } = this.#options;
    if (waitMs !== undefined) {
      const { members } = await this.#client.cluster.status({ signal });
      this.#asksForAcks = members.every(({ state }) => state === "alive");
    }
    let written = 0;
    for (const batch of batchesOf(changes)) {
      try {
        await this.#writeBatch(batch, written);
      } catch (error) {
        const isConflict = error instanceof AgentError && error.fault.code === "apply_conflict";
        if (written === 0 || signal.aborted || isConflict) throw error;
        const facts = { written, keys: changes.length, reason: reasonOf(error) };
        throw new AgentError({ code: "apply_incomplete", ...facts }, { cause: error });
      }
      written += batch.length;
      onProgress(written);
    }
    await this.#refuseConcurrent(new Set(changes.map(({ key }) => key)));
    if (waitMs !== undefined) await this.#awaitReceipts();
  }

  async #writeBatch(changes: readonly Change[], written: number): Promise<void> {
    const { signal } = this.#options;
    for (let writes = 1; ; writes++) {
      const { operations, done } = guarded(changes, await seenBy(this.#client, changes, signal), written);
      this.#unconfirmed.push(...done);
      if (operations.length === 0) return;
      try {
        return await this.#send(operations);
      } catch (error) {
        const isOpen = error instanceof HearsayError && error.outcome === "unknown" && !signal.aborted;
        if (!isOpen || writes >= MAX_WRITES) throw error;
      }
    }
  }

  async #send(operations: readonly Operation[]): Promise<void> {
    const options = { signal: this.#options.signal };
    if (!this.#asksForAcks) {
      this.#unconfirmed.push(...versionsOf(await this.#client.batch(operations, options)));
      return;
    }
    try {
      await this.#client.batch(operations, { ...options, ack: "all", ackTimeoutMs: this.#leftMs() });
    } catch (error) {
      if (!(error instanceof HearsayError) || error.code !== "ack_timeout") throw error;
      // Committed on the node, and not yet everywhere: the others are still written, then all are asked for.
      this.#asksForAcks = false;
      const reads = operations.map(({ key }) => ({ op: "get", key }) as const);
      const { signal } = options;
      this.#unconfirmed.push(...versionsOf(await this.#client.batch(reads, { signal })));
    }
  }

  /** What somebody wrote between the reading of a key and its write stands beside it. */
  async #refuseConcurrent(written: ReadonlySet<string>): Promise<void> {
    const { prefix, signal } = this.#options;
    const keys: string[] = [];
    for await (const { items } of this.#client.conflicts({ prefix, signal })) {
      for (const { key } of items) if (written.has(key)) keys.push(key);
    }
    if (keys.length > 0) throw new AgentError({ code: "concurrent_values", keys });
  }

  async #awaitReceipts(): Promise<void> {
    const queue = this.#unconfirmed.values();
    const lacking = new Set<string>();
    const isLate = AbortSignal.timeout(this.#leftMs() + ANSWER_GRACE_MS);
    const signal = AbortSignal.any([this.#options.signal, isLate]);
    const ask = async (): Promise<void> => {
      for (const { key, version } of queue) {
        if (lacking.size > 0) return;
        const receipt = await this.#client.cluster.receipt(key, version, { signal, waitMs: this.#leftMs() });
        if (receipt.everywhere) continue;
        for (const { name } of [...receipt.lacking, ...receipt.unknown]) lacking.add(name);
      }
    };
    await Promise.all(Array.from({ length: RECEIPTS_TOGETHER }, ask)).catch((error: unknown) => {
      throw isLate.aborted
        ? new AgentError({ code: "not_everywhere", lacking: [] }, { cause: error })
        : error;
    });
    if (lacking.size > 0) throw new AgentError({ code: "not_everywhere", lacking: [...lacking].sort() });
  }

  #leftMs(): number {
    return Math.max(1, Math.ceil(this.#endMs - this.#options.nowMs()));
  }
}

function versionsOf(results: BatchResult["results"]): readonly KeyVersion[] {
  return results.flatMap(({ key, ...result }) =>
    "version" in result && result.version !== undefined ? [{ key, version: result.version }] : [],
  );
}
