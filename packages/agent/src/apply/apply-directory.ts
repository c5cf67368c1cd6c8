/** Reads, plans and writes: the steps of `apply`, so that its caller can show the plan in between. */
import type { BatchResult } from "@hearsay/api";
import { type Client, fromBase64, HearsayError, type Operation } from "@hearsay/client";
import { AgentError, reasonOf } from "../fault.ts";
import { batchesOf, type HeldKey, type Plan } from "./plan.ts";

export type ApplyClient = Pick<Client, "batch" | "list"> & {
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
    const { key, value = "", contentType, conflicts = 0 } = item;
    held.set(key, { value: fromBase64(value), contentType, conflicts });
  }
  return held;
}

export interface WriteOptions {
  readonly signal: AbortSignal;
  /** How long to wait until every member holds the writes; undefined: not at all. */
  readonly waitMs: number | undefined;
  readonly onProgress: (written: number) => void;
  /** A clock that does not go back. */
  readonly nowMs: () => number;
}

/**
 * Writes the plan. Making a batch twice changes nothing, so also one of unknown outcome is repeated.
 * @throws AgentError `apply_incomplete`: some batches are written, running it again finishes it; `not_everywhere`: all
 * is written, and not every member has it yet. HearsayError when nothing was written
 */
export async function writePlan(client: ApplyClient, plan: Plan, options: WriteOptions): Promise<void> {
  await new PlanWriter(client, options).write(plan);
}

interface KeyVersion {
  readonly key: string;
  readonly version: string;
}

/** Receipts that are asked for at one time; a node takes 64. */
const RECEIPTS_TOGETHER = 16;

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
    for (const operations of batchesOf(changes)) {
      try {
        await this.#writeBatch(operations);
      } catch (error) {
        if (written === 0 || signal.aborted) throw error;
        const facts = { written, keys: changes.length, reason: reasonOf(error) };
        throw new AgentError({ code: "apply_incomplete", ...facts }, { cause: error });
      }
      written += operations.length;
      onProgress(written);
    }
    if (waitMs !== undefined) await this.#awaitReceipts();
  }

  async #writeBatch(operations: readonly Operation[]): Promise<void> {
    const options = { signal: this.#options.signal, repeatUnknown: true };
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

  async #awaitReceipts(): Promise<void> {
    const queue = this.#unconfirmed.values();
    const lacking = new Set<string>();
    const ask = async (): Promise<void> => {
      for (const { key, version } of queue) {
        if (lacking.size > 0) return;
        const { signal } = this.#options;
        const receipt = await this.#client.cluster.receipt(key, version, { signal, waitMs: this.#leftMs() });
        if (receipt.everywhere) continue;
        for (const { name } of [...receipt.lacking, ...receipt.unknown]) lacking.add(name);
      }
    };
    await Promise.all(Array.from({ length: RECEIPTS_TOGETHER }, ask));
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
