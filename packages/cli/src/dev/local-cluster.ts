/** Several nodes on this machine, each a process of its own with a data directory of its own. */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Ending, NodeProcess, type Ready } from "@hearsay/chaos";
import { Client, HearsayError } from "@hearsay/client";
import { CliError, EXIT } from "../failure.ts";
import { pause, rejectedBy } from "../pause.ts";
import { HEARSAY } from "./hearsay-command.ts";

/** A node that takes no writes after this long has a reason, which is told. */
const WRITES_PATIENCE_MS = 60_000;
const WRITES_ASK_MS = 100;

/** On one machine, looking for members that were away costs next to nothing. */
const SETTINGS = ["swim.reconnectIntervalMs=500"];

export interface LocalClusterOptions {
  /** One for each node. */
  readonly ports: readonly number[];
  /** Holds a directory and a log for each node. */
  readonly directory: string;
  /** Settings of every node, `knob=value`. */
  readonly set: readonly string[];
}

export interface LocalClusterEvents {
  /** A node wrote an error. */
  complained(name: string, text: string): void;
  /** A node ended that was not asked to. */
  lost(node: LocalNode, ending: Ending): void;
}

export interface LocalNode {
  /** Its place among the nodes, from 0. */
  readonly index: number;
  readonly name: string;
  readonly port: number;
  readonly data: string;
  readonly log: string;
  readonly process: NodeProcess;
  readonly ready: Ready;
  /** Patient: a machine that starts several nodes is busy, and nodes refuse what they cannot do in time. */
  readonly client: Client;
}

const PATIENT = { rounds: 10 };

export class LocalCluster {
  readonly #options: LocalClusterOptions;
  readonly #events: LocalClusterEvents;
  readonly #nodes: Map<string, LocalNode> = new Map();
  readonly #started: Set<NodeProcess> = new Set();
  /** Processes whose end is wanted. */
  readonly #ending: Set<NodeProcess> = new Set();
  #stops = false;

  constructor(options: LocalClusterOptions, events: LocalClusterEvents) {
    this.#options = options;
    this.#events = events;
  }

  get nodes(): readonly LocalNode[] {
    return [...this.#nodes.values()].sort((a, b) => a.index - b.index);
  }

  get running(): number {
    return [...this.#started].filter(({ runs }) => runs).length;
  }

  /**
   * Starts all nodes and settles when each takes writes and sees the others. Rejects with the signal's reason when it is aborted first; what
   * has been started by then is to be stopped.
   * @throws CliError
   */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#startAll(signal), rejectedBy(signal)]);
  }

  async #startAll(signal: AbortSignal): Promise<void> {
    const [, ...others] = this.#options.ports;
    signal.throwIfAborted();
    await Promise.all(this.#options.ports.map((_, i) => rm(this.#place(i).log, { force: true })));
    signal.throwIfAborted();
    await this.startNode(0);
    signal.throwIfAborted();
    await Promise.all(others.map((_, i) => this.startNode(i + 1)));
    await Promise.all(this.nodes.map((node) => untilWritable(node, signal)));
    await Promise.all(this.nodes.map((node) => untilSees(node, this.nodes, signal)));
  }

  /** Starts a node, or starts it again where it was; none once all are to stop. @throws CliError */
  async startNode(index: number): Promise<LocalNode> {
    if (this.#stops) throw new Error("the nodes are being stopped");
    const place = this.#place(index);
    const { ports, set } = this.#options;
    const port = ports[index] ?? 0;
    const seeds = this.#seedsOf(index).flatMap((seed) => ["--join", `127.0.0.1:${seed}`]);
    const settings = [...SETTINGS, ...set].flatMap((assignment) => ["--set", assignment]);
    const child = new NodeProcess(place, HEARSAY, ["--listen", `127.0.0.1:${port}`, ...seeds, ...settings], {
      complained: (text) => this.#events.complained(place.name, text),
    });
    this.#started.add(child);
    const ready = await child.ready();
    const client = new Client({ endpoints: [ready.url], retry: PATIENT });
    const node = { index, ...place, port, process: child, ready, client };
    this.#nodes.set(place.name, node);
    void child.ended.then((ending) => {
      this.#started.delete(child);
      if (!this.#ending.has(child)) this.#events.lost(node, ending);
    });
    return node;
  }

  /** The ports it joins through. The first node begins the cluster, unless it has lost its directory and the others have theirs. */
  #seedsOf(index: number): readonly number[] {
    const [first = 0, ...others] = this.#options.ports;
    if (index > 0) return [first];
    const has = (i: number): boolean => existsSync(this.#place(i).data);
    return !has(0) && others.some((_, i) => has(i + 1)) ? others : [];
  }

  /** Ends a node without a warning, as a crash would. */
  async kill(node: LocalNode): Promise<void> {
    this.#ending.add(node.process);
    await node.process.kill();
  }

  /** Stops every node that runs, also one that is about to be started; settles when all have ended. */
  async stop(): Promise<readonly { readonly name: string; readonly ending: Ending }[]> {
    this.#stops = true;
    const running = [...this.#started].filter(({ runs }) => runs);
    for (const child of running) this.#ending.add(child);
    return await Promise.all(
      running.map(async (child) => ({ name: child.place.name, ending: await child.stop() })),
    );
  }

  #place(index: number): { readonly name: string; readonly data: string; readonly log: string } {
    const name = `n${index + 1}`;
    const { directory } = this.#options;
    return { name, data: join(directory, name), log: join(directory, `${name}.log`) };
  }
}

/** Nodes that were all stopped take each other for stopped at first, and what is written on one is on no other. */
async function untilSees(node: LocalNode, others: readonly LocalNode[], signal: AbortSignal): Promise<void> {
  const endMs = performance.now() + WRITES_PATIENCE_MS;
  for (;;) {
    const { members } = await node.client.cluster.status({ signal });
    const alive = new Set(members.filter(({ state }) => state === "alive").map(({ id }) => id));
    const unseen = others.filter(({ ready }) => !alive.has(ready.id));
    if (unseen.length === 0) return;
    if (performance.now() > endMs) {
      throw new CliError(`${node.name} does not see ${unseen.map(({ name }) => name).join(", ")}`, {
        code: "not_together",
        exit: EXIT.error,
        next: `Its log says more: ${node.log}`,
      });
    }
    await pause(WRITES_ASK_MS, signal);
  }
}

/** Waiting does not end these. */
const FINAL = new Set(["retired", "name_taken", "limits_differ", "data_too_old"]);

/** Settles when a node takes writes. @throws CliError when it does not in time, or never will */
export async function untilWritable(node: LocalNode, signal: AbortSignal): Promise<void> {
  const endMs = performance.now() + WRITES_PATIENCE_MS;
  const client = new Client({ endpoints: [node.ready.url], retry: { rounds: 1 } });
  for (;;) {
    const refusal = await refusalOf(client, signal);
    if (refusal === undefined) return;
    const isFinal = FINAL.has(refusal.code) || !node.process.runs;
    if (isFinal || performance.now() > endMs) throw notWritable(node, refusal);
    await pause(WRITES_ASK_MS, signal);
  }
}

function notWritable({ name, data, log }: LocalNode, { code, message }: HearsayError): CliError {
  const reset = `The node has left, or was forgotten. Bring it back as a new one: hearsay reset --data ${data}`;
  const joining = `More than half of the cluster's members have to run for that: start all of them (--nodes). Where they are gone for
good, hearsay reset --alone --data ${data} goes on with this one's data. Its log: ${log}`;
  const next = code === "retired" ? reset : code === "joining" ? joining : `Its log says more: ${log}`;
  return new CliError(`${name} takes no writes: ${message}`, {
    code: "not_writable",
    exit: EXIT.error,
    next,
  });
}

/** A version that no node writes, so that a write on its condition is admitted and then changes nothing. */
const NO_VERSION = "none";

async function refusalOf(client: Client, signal: AbortSignal): Promise<HearsayError | undefined> {
  try {
    await client.delete("hearsay", { ifVersion: NO_VERSION, signal });
    return undefined;
  } catch (error) {
    if (!(error instanceof HearsayError)) throw error;
    return error.code === "precondition_failed" ? undefined : error;
  }
}
