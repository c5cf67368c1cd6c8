/**
 * Does to a local cluster what life does: writes on one node, reads on all, a crash, writes and deletions meanwhile, a
 * return. Then everything has to hold everywhere.
 */
import { describeConvergence, untilConverged } from "../convergence.ts";
import { CliError, EXIT } from "../failure.ts";
import { pause } from "../pause.ts";
import { compareAll } from "../verify-cluster.ts";
import { type LocalCluster, type LocalNode, untilWritable } from "./local-cluster.ts";

const KEYS = 20;
const CONVERGE_PATIENCE_MS = 60_000;
const READ_PATIENCE_MS = 10_000;
const READ_ASK_MS = 20;

/** What every node has to read; undefined for a deleted key. */
type Expected = Map<string, string | undefined>;

export class Smoke {
  readonly #cluster: LocalCluster;
  readonly #signal: AbortSignal;
  readonly #tell: (step: string) => Promise<void>;
  readonly #expected: Expected = new Map();
  /** The version of the last write of each key. */
  readonly #versions: Map<string, string> = new Map();

  constructor(cluster: LocalCluster, signal: AbortSignal, tell: (step: string) => Promise<void>) {
    this.#cluster = cluster;
    this.#signal = signal;
    this.#tell = tell;
  }

  /** @throws CliError for what does not hold */
  async run(): Promise<void> {
    await this.#cluster.start(this.#signal);
    const { nodes } = this.#cluster;
    const [writer, victim] = [nodes[0], nodes.at(-1)];
    if (writer === undefined || victim === undefined) throw failed("there are no nodes");
    const others = nodes.filter((node) => node !== victim);
    await this.#tell(`${nodes.length} nodes take writes: ${nodes.map(({ ready }) => ready.url).join(", ")}`);
    await this.#writeFirst(writer);
    await this.#expectReads(nodes);
    await this.#tell(`${KEYS} keys written on ${writer.name} are read on all`);
    await this.#cluster.kill(victim);
    await this.#tell(`${victim.name} killed`);
    await this.#writeMeanwhile(writer);
    await this.#expectReads(others);
    await this.#tell(`${KEYS / 2} keys overwritten, ${KEYS / 4} deleted, ${KEYS / 4} new on ${writer.name}`);
    await this.#expectHeldBack(writer, victim);
    await this.#bringBack(victim);
    await this.#checkAll(this.#cluster.nodes);
  }

  async #writeFirst(writer: LocalNode): Promise<void> {
    for (let i = 0; i < KEYS; i++) await this.#put(writer, `smoke/${i}`, `first ${i}`, "all");
  }

  async #writeMeanwhile(writer: LocalNode): Promise<void> {
    for (let i = 0; i < KEYS / 2; i++) await this.#put(writer, `smoke/${i}`, `second ${i}`, 1);
    for (let i = KEYS / 2; i < (KEYS * 3) / 4; i++) {
      const key = `smoke/${i}`;
      const { version } = await writer.client.delete(key, { signal: this.#signal });
      this.#expected.set(key, undefined);
      this.#versions.set(key, version);
    }
    for (let i = 0; i < KEYS / 4; i++) await this.#put(writer, `smoke/new/${i}`, `meanwhile ${i}`, 1);
  }

  async #put(node: LocalNode, key: string, value: string, ack: 1 | "all"): Promise<void> {
    const { version } = await node.client.put(key, value, { ack, signal: this.#signal });
    this.#expected.set(key, value);
    this.#versions.set(key, version);
  }

  async #bringBack(victim: LocalNode): Promise<void> {
    const node = await this.#cluster.startNode(victim.index);
    if (node.ready.id !== victim.ready.id) {
      throw failed(`${victim.name} came back as ${node.ready.id} instead of ${victim.ready.id}`);
    }
    await untilWritable(node, this.#signal);
    await this.#tell(`${victim.name} started again, as itself`);
    for (const { name, client } of this.#cluster.nodes) {
      const wait = { signal: this.#signal, timeoutMs: CONVERGE_PATIENCE_MS };
      const report = await untilConverged(client, wait);
      if (report?.verdict !== "converged") {
        const seen = report === undefined ? "it has not answered" : describeConvergence(report);
        throw failed(`${name} sees no convergence within ${CONVERGE_PATIENCE_MS / 1000} s: ${seen}`);
      }
    }
    await this.#tell("every node says that all hold the same");
  }

  async #checkAll(nodes: readonly LocalNode[]): Promise<void> {
    await this.#expectReads(nodes);
    await this.#tell("values and deletions are the same on all");
    for (const { name, client } of nodes) {
      for (const [key, version] of this.#versions) {
        const receipt = await client.cluster.receipt(key, version, { signal: this.#signal });
        if (!receipt.everywhere) {
          throw failed(`the receipt of ${key} on ${name} lacks ${missing(receipt.lacking, receipt.unknown)}`);
        }
      }
    }
    await this.#tell(`${this.#versions.size} receipts name every node`);
    for (const { name, client } of nodes) {
      const { comparisons } = await compareAll(client, { signal: this.#signal, settleMs: READ_PATIENCE_MS });
      for (const { member, result } of comparisons) {
        if (result.kind !== "equal")
          throw failed(`${name} and ${member.name} are not the same: ${result.kind}`);
      }
    }
    await this.#tell("verify finds no difference between any two");
  }

  /** Waits until the nodes read what was written. */
  async #expectReads(nodes: readonly LocalNode[]): Promise<void> {
    for (const node of nodes) {
      for (const [key, value] of this.#expected) await this.#expectRead(node, key, value);
    }
  }

  async #expectRead(node: LocalNode, key: string, value: string | undefined): Promise<void> {
    const endMs = performance.now() + READ_PATIENCE_MS;
    for (;;) {
      const found = await node.client.get(key, { signal: this.#signal });
      const text = found.kind === "value" ? new TextDecoder().decode(found.bytes) : undefined;
      if (text === value) return;
      if (performance.now() > endMs) {
        const [read, wanted] = [text, value].map((one) => JSON.stringify(one) ?? "nothing");
        throw failed(`${node.name} reads ${read} of ${key} instead of ${wanted}`);
      }
      await pause(READ_ASK_MS, this.#signal);
    }
  }

  /** A member that is away keeps the deletions, and is named. */
  async #expectHeldBack(writer: LocalNode, victim: LocalNode): Promise<void> {
    const endMs = performance.now() + CONVERGE_PATIENCE_MS;
    for (;;) {
      const { blockedBy } = await writer.client.cluster.tombstones({ signal: this.#signal });
      if (blockedBy.some(({ id }) => id === victim.ready.id)) break;
      if (performance.now() > endMs)
        throw failed(`${writer.name} does not say that ${victim.name} keeps deletions`);
      await pause(READ_ASK_MS, this.#signal);
    }
    await this.#tell(`the deletions wait for ${victim.name}`);
  }
}

function missing(
  lacking: readonly { readonly name: string }[],
  unknown: readonly { readonly name: string }[],
): string {
  return [...lacking, ...unknown].map(({ name }) => name).join(", ");
}

function failed(message: string): CliError {
  return new CliError(message, { code: "smoke_failed", exit: EXIT.error });
}
