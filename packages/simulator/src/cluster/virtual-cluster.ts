/** Nodes in one process on virtual time: real nodes and stores, real messages, machines that fail as they are told to. */
import {
  decodeUtf8,
  encodeUtf8,
  formatVersion,
  isLive,
  type RandomSource,
  SeededRandom,
  winner,
} from "@hearsay/core";
import type { ClusterMember, LogFields, MemberConfig } from "@hearsay/node";
import type { StoreEvent } from "@hearsay/store";
import type { DiskContents } from "../disk/contents.ts";
import { VirtualDisk } from "../disk/virtual-disk.ts";
import type { LinkEvent, Links } from "../network/links.ts";
import { VirtualNetwork } from "../network/virtual-network.ts";
import type { Platform } from "../platform.ts";
import { VirtualTime } from "../time/virtual-time.ts";
import { COMMON_SETTINGS, type CommonSettings, compose, type Hooks } from "./composition.ts";
import { Machine } from "./machine.ts";
import { Run } from "./run.ts";

export interface Logged {
  readonly node: string;
  readonly event: string;
}

/** Who is told of what happens. */
export interface ClusterEvents {
  logged?(machine: Machine, event: string, fields: LogFields): void;
  /** A run's store came into doubt: the server ends that run and starts another. */
  doubted?(machine: Machine, run: Run): void;
  retired?(machine: Machine): void;
  counted?(machine: Machine, name: string, amount: number): void;
  arrived?(from: string, to: string, bytes: Uint8Array): void;
  happened?(event: LinkEvent): void;
  /** A node failed by something else than its disk or its peers. */
  broke?(error: unknown): void;
}

/** A store that could not write tries again this often, as the server has it do. */
const RETRY_INTERVAL_MS = 1000;
/** Log lines that are kept. */
const LOGGED_MAX = 10_000;

export class VirtualCluster {
  readonly time: VirtualTime;
  readonly logged: Logged[] = [];
  readonly machines: Map<string, Machine> = new Map();
  readonly network: VirtualNetwork;
  readonly platform: Platform;
  readonly hooks: Hooks[] = [];
  settings: CommonSettings = COMMON_SETTINGS;
  readonly #byAddress: Map<string, Machine> = new Map();
  readonly #random: RandomSource;
  readonly #events: ClusterEvents;

  constructor(
    platform: Platform,
    seed: number,
    overrides: Partial<MemberConfig> = {},
    events: ClusterEvents = {},
  ) {
    this.platform = platform;
    this.time = new VirtualTime(() => platform.turn());
    this.settings = { ...COMMON_SETTINGS, member: overrides };
    this.#events = events;
    this.#random = new SeededRandom(seed);
    this.network = new VirtualNetwork({
      time: this.time,
      random: new SeededRandom(seed + 1),
      at: (address) => this.#byAddress.get(address)?.run,
      arrived: (from, to, bytes) => events.arrived?.(from, to, bytes),
      happened: (event) => events.happened?.(event),
      broke: (error) => {
        if (events.broke === undefined) throw error;
        events.broke(error);
      },
    });
  }

  get links(): Links {
    return this.network.links;
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
    const disk = new VirtualDisk(this.platform, this.time, this.#random.fork());
    const machine = new Machine(name, disk, this.time);
    this.machines.set(name, machine);
    this.#byAddress.set(machine.address, machine);
    return machine;
  }

  /** Starts a node on its machine, or starts it again, and settles when it takes part. */
  async run(name: string, seeds: readonly string[]): Promise<ClusterMember> {
    const starting = this.begin(name, seeds);
    const { latency } = this.machine(name).disk;
    if (latency.mostMs > 0) await this.time.advance(20 * latency.mostMs);
    return await starting;
  }

  /**
   * Starts a node on its machine while time passes elsewhere.
   * @throws StoreError, IdentityError as the server's start does
   */
  async begin(name: string, seeds: readonly string[]): Promise<ClusterMember> {
    const machine = this.machine(name);
    const run = new Run(this.time);
    machine.run = run;
    const member = await this.#open(machine, run, seeds);
    await member.start();
    return member;
  }

  async #open(machine: Machine, run: Run, seeds: readonly string[]): Promise<ClusterMember> {
    const { network } = this;
    const { address, name } = machine;
    const opened = await compose({
      machine,
      run,
      settings: this.settings,
      hashing: this.platform.hashing,
      random: this.#random.fork(),
      transport: (id) => ({
        request: (to, message, timeoutMs) =>
          network.request({ id: id(), address, run }, to, message, timeoutMs),
      }),
      seeds,
      hooks: this.hooks,
      factory: machine.disk.factory(run.whenOn),
      logged: (event, fields) => this.#log(machine, event, fields),
      stored: (event) => this.#stored(machine, run, event),
      counted: (metric, amount) => this.#events.counted?.(machine, metric, amount),
      retired: () => {
        this.logged.push({ node: name, event: "retired" });
        this.#events.retired?.(machine);
      },
    });
    run.opened = opened;
    this.#retry(run);
    return opened.member;
  }

  #retry(run: Run): void {
    run.after(RETRY_INTERVAL_MS, () => {
      void run.opened?.store.retry();
      this.#retry(run);
    });
  }

  #log(machine: Machine, event: string, fields: LogFields): void {
    if (this.logged.length < LOGGED_MAX) this.logged.push({ node: machine.name, event });
    this.#events.logged?.(machine, event, fields);
  }

  #stored(machine: Machine, run: Run, event: StoreEvent): void {
    this.#log(machine, event.code, {});
    // What opening finds becomes a new incarnation at once.
    if (event.code === "doubt" && run.opened !== undefined) this.#events.doubted?.(machine, run);
  }

  /** Stops a node as SIGTERM does. */
  async stop(name: string): Promise<void> {
    const stopping = this.beginStop(name);
    await this.time.advance(2000);
    await stopping;
  }

  async beginStop(name: string): Promise<void> {
    const machine = this.machine(name);
    const { run } = machine;
    const opened = run?.opened;
    if (run === undefined || opened === undefined) return;
    await opened.member.stop();
    await opened.store.close();
    if (machine.run !== run) return;
    run.end();
    machine.run = undefined;
  }

  /** Ends a node as kill -9 does: what was committed is on its disk. */
  async kill(name: string): Promise<void> {
    const machine = this.machine(name);
    machine.run?.end();
    machine.run = undefined;
    await machine.disk.crash();
  }

  /** Copies the data directory of a node. */
  async copyDirectory(name: string): Promise<DiskContents> {
    return await this.machine(name).disk.copy();
  }

  /** Puts a copy in the place of the data directory; its files are others then. */
  async restoreDirectory(name: string, copy: DiskContents): Promise<void> {
    await this.machine(name).disk.restore(copy);
  }

  /** Loses the data directory of a node that does not run. */
  wipe(name: string): void {
    this.machine(name).disk.wipe();
  }

  /** Cuts the link from one node to another, and not the way back. */
  cut(from: string, to: string): void {
    this.links.cut(`${from}:1`, `${to}:1`);
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

  /** Takes back what cuts the links between two, both ways. */
  mend(a: string, b: string): void {
    this.links.mend(`${a}:1`, `${b}:1`);
    this.links.mend(`${b}:1`, `${a}:1`);
  }

  heal(): void {
    this.links.mendAll();
  }

  async put(name: string, key: string, text: string): Promise<string> {
    return await this.#write(name, key, text);
  }

  async remove(name: string, key: string): Promise<string> {
    return await this.#write(name, key, undefined);
  }

  /** What a reader sees; undefined for nothing or deleted. */
  read(name: string, key: string): string | undefined {
    const machine = this.machine(name);
    const record = machine.store?.get(key);
    if (record === undefined) return undefined;
    const sibling = winner(record);
    return isLive(sibling, machine.nowMs()) ? decodeUtf8(sibling.bytes) : undefined;
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
}
