/** Nodes in one process on virtual time: real stores on memory, real messages, a network that can be cut. */
import {
  ANTI_ENTROPY_DEFAULTS,
  DEFAULT_RUMOR_OPTIONS,
  decodeUtf8,
  encodeUtf8,
  formatVersion,
  isLive,
  SeededRandom,
  SWIM_DEFAULTS,
  winner,
} from "@hearsay/core";
import { ClusterMember, EXCHANGE_LIMITS, type MemberConfig, Node } from "@hearsay/node";
import { type Database, DEFAULT_STORE_LIMITS, Store } from "@hearsay/store";
import { copyOf } from "../disk/copy.ts";
import { CLUSTER, MAX_MESSAGE_BYTES, VirtualNetwork } from "../network/virtual-network.ts";
import type { Platform } from "../platform.ts";
import { VirtualTime } from "../time/virtual-time.ts";
import { Machine } from "./machine.ts";

/** 2030-01-01. */
const START_MS = 1_893_456_000_000;

export interface Logged {
  readonly node: string;
  readonly event: string;
}

/** The contents of a data directory at one time. */
export interface DirectoryCopy {
  readonly database: Database;
  readonly sequence: number;
}

export class VirtualCluster {
  readonly time: VirtualTime;
  readonly logged: Logged[] = [];
  readonly machines: Map<string, Machine> = new Map();
  readonly network: VirtualNetwork;
  readonly #platform: Platform;
  readonly #random: SeededRandom;
  readonly #overrides: Partial<MemberConfig>;

  constructor(platform: Platform, seed: number, overrides: Partial<MemberConfig> = {}) {
    this.#platform = platform;
    this.time = new VirtualTime(() => platform.turn());
    this.#random = new SeededRandom(seed);
    this.network = new VirtualNetwork(
      this.time,
      new SeededRandom(seed + 1),
      (address) => [...this.machines.values()].find((machine) => machine.address === address)?.member,
    );
    this.#overrides = overrides;
  }

  /** Messages by kind, and their bytes. */
  get traffic(): ReadonlyMap<string, { readonly messages: number; readonly bytes: number }> {
    return this.network.traffic;
  }

  /** Starts named nodes, each with the first as its seed, and waits until all take writes. */
  async start(...names: readonly string[]): Promise<void> {
    const [first] = names;
    for (const name of names) await this.run(name, name === first ? [] : [`${first}:1`]);
    await this.time.until(
      "all take writes",
      () => names.every((name) => this.machine(name).running.notWritable() === undefined),
      60_000,
    );
  }

  machine(name: string): Machine {
    const found = this.machines.get(name);
    if (found !== undefined) return found;
    const machine = new Machine(name, `${name}:1`, this.#platform.newDatabase());
    this.machines.set(name, machine);
    return machine;
  }

  /** Starts a node on its machine, or starts it again. */
  async run(name: string, seeds: readonly string[]): Promise<ClusterMember> {
    const machine = this.machine(name);
    const { store, report } = await Store.open({
      openDatabase: () => machine.database,
      hashing: this.#platform.hashing,
      digestKey: new Uint8Array(32).fill(7),
      durability: "fsync",
      sequenceFile: {
        read: () => machine.sequence,
        write: (sequence) => {
          machine.sequence = sequence;
        },
      },
      environment: { bootId: "boot", directoryStamp: machine.directory },
      yieldToEventLoop: () => Promise.resolve(),
      hasRoom: () => Promise.resolve(true),
      onEvent: (event) => this.logged.push({ node: name, event: event.code }),
      limits: { ...DEFAULT_STORE_LIMITS, cacheMaxBytes: 1024 * 1024 },
    });
    const log = this.#logOf(name);
    const clock = { nowMs: () => START_MS + Math.floor(this.time.monotonicMs()) + machine.clockOffsetMs };
    const metrics = { count: () => undefined };
    const random = this.#random.fork();
    const doubt = report.doubt.length > 0;
    const node = await Node.open(
      { clock, random, store, log, metrics, settleDoubt: () => store.settleDoubt() },
      {
        name: machine.nodeName,
        fallbackName: name,
        cluster: CLUSTER,
        clockMaxDriftMs: 10_000,
        conflicts: { maxSiblings: 32, policies: new Map() },
        doubt,
        maxWaiters: 100,
      },
    );
    const member = new ClusterMember(
      this.#config(machine, seeds, doubt),
      {
        node,
        store,
        digests: store,
        graveyard: store,
        facts: store,
        clock,
        timers: this.time,
        transport: {
          request: (to, message, timeoutMs) =>
            this.network.request({ id: node.id, address: machine.address }, to, message, timeoutMs),
        },
        resolveSeed: (seed) => Promise.resolve([seed]),
        random,
        log,
        metrics,
      },
      { retired: () => this.logged.push({ node: name, event: "retired" }) },
    );
    Object.assign(machine, { node, member, store });
    await member.start();
    return member;
  }

  /** Stops a node as SIGTERM does. */
  async stop(name: string): Promise<void> {
    const machine = this.machine(name);
    const stopping = machine.running.stop();
    await this.time.advance(2000);
    await stopping;
    await machine.store?.close();
    machine.member = undefined;
    machine.store = undefined;
  }

  /** Ends a node as kill -9 does: what was committed is on its disk. */
  async kill(name: string): Promise<void> {
    const machine = this.machine(name);
    machine.running.halt();
    await machine.store?.flush();
    machine.database = await copyOf(machine.database, this.#platform);
    machine.member = undefined;
  }

  /** Copies the data directory of a node that does not run. */
  async copyDirectory(name: string): Promise<DirectoryCopy> {
    const { database, sequence } = this.machine(name);
    return { database: await copyOf(database, this.#platform), sequence };
  }

  /** Puts a copy in the place of the data directory; its files are others then. */
  async restoreDirectory(name: string, copy: DirectoryCopy): Promise<void> {
    const machine = this.machine(name);
    machine.database = await copyOf(copy.database, this.#platform);
    machine.sequence = copy.sequence;
    machine.directory += " copied";
  }

  /** Loses the data directory of a node that does not run. */
  wipe(name: string): void {
    const machine = this.machine(name);
    machine.database = this.#platform.newDatabase();
    machine.sequence = 0;
    machine.directory += " new";
  }

  /** Cuts the link from one node to another, and not the way back. */
  cut(from: string, to: string): void {
    this.network.cut(`${from}:1`, `${to}:1`);
  }

  /** Cuts the links between the two groups, both ways. */
  partition(left: readonly string[], right: readonly string[]): void {
    for (const a of left) {
      for (const b of right) {
        this.cut(a, b);
        this.cut(b, a);
      }
    }
  }

  heal(): void {
    this.network.heal();
  }

  async put(name: string, key: string, text: string): Promise<string> {
    return await this.#write(name, key, text);
  }

  async remove(name: string, key: string): Promise<string> {
    return await this.#write(name, key, undefined);
  }

  /** What a reader sees; undefined for nothing or deleted. */
  read(name: string, key: string): string | undefined {
    const record = this.machine(name).store?.get(key);
    if (record === undefined) return undefined;
    const sibling = winner(record);
    return isLive(sibling, START_MS + this.time.monotonicMs()) ? decodeUtf8(sibling.bytes) : undefined;
  }

  /** Whether these nodes hold the same records, by their roots. */
  async agree(...names: readonly string[]): Promise<boolean> {
    const roots = await Promise.all(names.map((name) => this.machine(name).store?.root()));
    return new Set(roots).size === 1;
  }

  async converged(...names: readonly string[]): Promise<void> {
    await this.time.until(`${names.join(", ")} hold the same`, () => this.agree(...names), 120_000);
  }

  events(event: string): readonly string[] {
    return this.logged.filter((line) => line.event === event).map((line) => line.node);
  }

  async #write(name: string, key: string, text: string | undefined): Promise<string> {
    const { node, running } = this.machine(name);
    const fault = running.notWritable();
    if (node === undefined || fault !== undefined) throw new Error(`${name} takes no writes: ${fault?.code}`);
    const written = node.write(
      key,
      text === undefined
        ? { kind: "tombstone" }
        : { kind: "value", bytes: encodeUtf8(text), contentType: "text/plain", ttlMs: null },
      undefined,
    );
    if ("code" in written) throw new Error(written.code);
    await written.committed;
    running.spread(key, 0);
    return formatVersion(written.version);
  }

  #config(machine: Machine, seeds: readonly string[], doubt: boolean): MemberConfig {
    return {
      address: machine.address,
      zone: "",
      build: "test",
      protocol: { min: 1, max: 1 },
      seeds,
      incarnation: doubt ? "fresh" : "same",
      swim: SWIM_DEFAULTS,
      rumors: DEFAULT_RUMOR_OPTIONS,
      antiEntropy: ANTI_ENTROPY_DEFAULTS,
      exchange: EXCHANGE_LIMITS,
      tombstoneRetentionMs: 60_000,
      stateIntervalMs: 1000,
      maxPendingAcks: 100,
      limits: {
        maxValueBytes: 1024 * 1024,
        maxSiblings: 32,
        maxMessageBytes: MAX_MESSAGE_BYTES,
        tombstoneRetentionMs: 60_000,
        digestKeyId: "0".repeat(16),
      },
      hash: (text) => this.#platform.hashing.sha256Hex(encodeUtf8(text)).slice(0, 16),
      ...this.#overrides,
      ...machine.overrides,
    };
  }

  #logOf(node: string): { info: LogCall; warn: LogCall; error: LogCall } {
    const note: LogCall = (event) => {
      this.logged.push({ node, event });
    };
    return { info: note, warn: note, error: note };
  }
}

type LogCall = (event: string) => void;
