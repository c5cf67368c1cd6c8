/** The hands at the machines: starts, stops, replaces disks, joins, forgets, and has nodes come back as an operator would. */
import type { NodeId } from "@hearsay/core";
import { IdentityError, PeerFault } from "@hearsay/node";
import { StoreError } from "@hearsay/store";
import type { Machine } from "../cluster/machine.ts";
import type { Run } from "../cluster/run.ts";
import type { VirtualCluster } from "../cluster/virtual-cluster.ts";
import type { PowerLoss } from "../disk/virtual-disk.ts";
import type { Watcher } from "../watch/watcher.ts";
import { Introductions } from "./introductions.ts";
import { forgetStrays } from "./strays.ts";
import type { Trace } from "./trace.ts";

/** `busy`: something is being done to it. `gone`: it has left for good. */
type Condition = "up" | "down" | "busy" | "leaving" | "gone";

export interface OperatorPorts {
  readonly cluster: VirtualCluster;
  readonly watcher: Watcher;
  readonly trace: Trace;
  /** A forgotten node is back under a new id. */
  returned(): void;
  /** A node failed by something that no disk, peer or operator causes. */
  broke(error: unknown): void;
}

/** A node that came into doubt, or was refused, is started again after this time. */
const RESTART_DELAY_MS = 2_000;
/** A stop takes at most so long, then the process is killed. */
const STOP_GRACE_MS = 5_000;

export class Operator {
  readonly introductions: Introductions = new Introductions();
  readonly #ports: OperatorPorts;
  readonly #conditions: Map<string, Condition> = new Map();
  /** Machines that an operator has given up and that have not come back. */
  readonly #forgotten: Set<string> = new Set();
  /** Machines that are held back while a cluster is begun anew. */
  readonly #seized: Set<string> = new Set();
  /** Nothing more is started, because what is broken is to stay so. */
  #isAway: (name: string) => boolean = () => false;

  constructor(ports: OperatorPorts) {
    this.#ports = ports;
  }

  /** From now on nothing is done any more to these. */
  leaveAlone(names: ReadonlySet<string>): void {
    this.#isAway = (name) => names.has(name);
  }

  is(name: string, condition: Condition): boolean {
    return this.#conditions.get(name) === condition;
  }

  /** Machines that are part of the cluster, whether or not they run. */
  get present(): string[] {
    return [...this.#conditions].filter(([, condition]) => condition !== "gone").map(([name]) => name);
  }

  get up(): string[] {
    return this.present.filter((name) => this.is(name, "up") && this.machine(name).member !== undefined);
  }

  isForgotten(name: string): boolean {
    return this.#forgotten.has(name);
  }

  machine(name: string): Machine {
    return this.#ports.cluster.machine(name);
  }

  async start(name: string): Promise<void> {
    if (!this.is(name, "down") || this.#isAway(name)) return;
    const before = this.machine(name).run;
    const oldId = this.#ports.watcher.replica(this.machine(name)).id;
    this.#set(name, "busy");
    this.#ports.trace.note(`${name} starts`);
    try {
      await this.#ports.cluster.begin(name, this.#seedsFor(name));
    } catch (error) {
      if (this.#isOwn(name, before)) await this.#cannotStart(name, error);
      return;
    }
    if (this.machine(name).member === undefined) return;
    this.#set(name, "up");
    const id = this.machine(name).node?.id ?? "";
    this.introductions.started(name, id);
    if (id === oldId) return;
    this.#ports.trace.note(`${name} is ${id} now`);
    if (this.#forgotten.delete(name)) this.#ports.returned();
  }

  /** As kill -9 does. */
  async kill(name: string): Promise<void> {
    if (!this.is(name, "up")) return;
    this.#set(name, "busy");
    this.#ports.trace.note(`${name} is killed`);
    await this.#ports.cluster.kill(name);
    this.#set(name, "down");
  }

  async losePower(name: string): Promise<PowerLoss> {
    if (!this.is(name, "up")) return { acknowledged: 0, lost: 0, torn: false };
    this.#set(name, "busy");
    const machine = this.machine(name);
    machine.run?.end();
    machine.run = undefined;
    const loss = await machine.disk.losePower();
    this.#ports.trace.note(`${name} loses power, and ${loss.lost} batches`);
    if (this.#ports.cluster.settings.durability === "os" && loss.acknowledged > 0)
      this.#ports.watcher.replica(machine).mayLack = true;
    this.#set(name, "down");
    return loss;
  }

  /** As SIGTERM does, and kill -9 when that takes too long. */
  async stop(name: string): Promise<void> {
    if (!this.is(name, "up")) return;
    this.#set(name, "busy");
    this.#ports.trace.note(`${name} stops`);
    const { cluster } = this.#ports;
    const { run } = this.machine(name);
    const stopping = cluster.beginStop(name).catch((error: unknown) => {
      if (run?.hasEnded !== true) this.#expect(error);
    });
    await Promise.race([stopping, cluster.time.sleep(STOP_GRACE_MS)]);
    if (this.machine(name).run !== undefined) await cluster.kill(name);
    this.#set(name, "down");
  }

  get isRebuilding(): boolean {
    return this.#seized.size > 0;
  }

  /** Kills all there are, and nobody else starts them. @returns undefined when something else is being done to one of them */
  async seizeAll(): Promise<readonly string[] | undefined> {
    const names = this.present;
    if (names.length < 2 || this.isRebuilding || this.introductions.hasBeside) return undefined;
    if (!names.every((name) => this.is(name, "up") || this.is(name, "down"))) return undefined;
    for (const name of names) this.#seized.add(name);
    for (const name of names) await this.kill(name).then(() => this.#set(name, "busy"));
    return names;
  }

  /** What was seized starts again, and enters the cluster that has begun. */
  release(names: readonly string[]): void {
    for (const name of names) {
      if (!this.#seized.delete(name) || !this.is(name, "busy")) continue;
      this.#set(name, "down");
      void this.start(name);
    }
  }

  /** A machine that was seized begins a cluster of its own. */
  found(name: string): void {
    this.#ports.trace.note(`${name} goes on alone`);
    this.introductions.begins(name);
    this.#set(name, "down");
    void this.start(name);
  }

  /** The directory of a stopped node is gone. */
  wipe(name: string): void {
    if (!this.is(name, "down") && !this.#seized.has(name)) return;
    this.#ports.trace.note(`the directory of ${name} is gone`);
    this.#ports.watcher.replica(this.machine(name)).mayLack = true;
    this.machine(name).disk.wipe();
  }

  /** Its machine is gone for good, with the directory. @returns false when it is not up */
  async lose(name: string): Promise<boolean> {
    await this.kill(name);
    if (!this.is(name, "down")) return false;
    this.wipe(name);
    this.#ports.watcher.replica(this.machine(name)).giveUp(() => true);
    this.#set(name, "gone");
    return true;
  }

  /** Retires the id of a stopped node by the word of another. @returns whether it is retired there */
  async forget(name: string, by: string): Promise<boolean> {
    const { watcher, trace } = this.#ports;
    const { id } = watcher.replica(this.machine(name));
    const { member } = this.machine(by);
    if (id === "" || member === undefined || !this.is(name, "down") || member.id === id) return false;
    // One of two clusters has never heard of who is in the other.
    if (this.introductions.isBeside(name) || this.introductions.isBeside(by)) return false;
    // Who is still joining refuses, and nobody is given up by that.
    if (member.joiningState.kind !== "member") return false;
    trace.note(`${by} forgets ${id}`);
    watcher.forgotten(this.machine(name), this.machine(by));
    this.#forgotten.add(name);
    try {
      await member.forget(id);
    } catch (error) {
      this.#expect(error);
    }
    return true;
  }

  /** See {@link forgetStrays}. */
  async forgetStrays(): Promise<void> {
    await forgetStrays(this, this.#ports.trace, (error) => this.#expect(error));
  }

  /**
   * Nobody is a member any more, and nobody can become one: of those that hold the same, one goes on alone, and all others
   * of `names` enter its cluster empty (docs/cluster.md, When the others are gone for good).
   */
  async beginAnew(alike: readonly string[], names: readonly string[]): Promise<void> {
    const founder = alike.find((name) => this.machine(name).store?.stats().damaged === 0) ?? alike[0];
    if (founder === undefined) return;
    await Promise.all(names.map((name) => this.stop(name)));
    for (const name of names) if (name !== founder) this.wipe(name);
    this.machine(founder).resetAlone();
    this.found(founder);
  }

  /** @returns whether it has left */
  async leave(name: string): Promise<boolean> {
    const { member } = this.machine(name);
    if (member === undefined || !this.is(name, "up")) return false;
    this.#set(name, "leaving");
    this.#ports.trace.note(`${name} leaves`);
    const { run } = this.machine(name);
    try {
      await member.leave();
    } catch (error) {
      if (run?.hasEnded === true) return false;
      this.#expect(error);
      this.#ports.trace.note(`${name} cannot leave: ${String(error)}`);
      if (this.machine(name).run === run) this.#set(name, "up");
      return false;
    }
    if (this.machine(name).run !== run) return false;
    this.#ports.watcher.left(this.machine(name));
    await this.#ports.cluster.kill(name);
    this.#set(name, "gone");
    return true;
  }

  /** What the server does when its store comes into doubt. */
  doubted(machine: Machine, run: Run): void {
    if (machine.run !== run) return;
    run.halt();
    this.#restartLater(machine.name, () => undefined);
  }

  /** The node was told that it is retired; an operator has it come back as a new incarnation. */
  retired(machine: Machine): void {
    this.#restartLater(machine.name, () => {
      machine.disk.directory += 1;
    });
  }

  #restartLater(name: string, before: () => void): void {
    const { time } = this.#ports.cluster;
    const { run } = this.machine(name);
    time.after(RESTART_DELAY_MS, () => {
      if (this.machine(name).run !== run || this.#isAway(name)) return;
      // Its start, or its leave, has not come to an end yet.
      if (!this.is(name, "up")) {
        this.#restartLater(name, before);
        return;
      }
      void this.kill(name).then(() => {
        if (!this.is(name, "down")) return;
        before();
        return this.start(name);
      });
    });
  }

  /**
   * A directory that cannot be read is replaced by a new one, as the node's answer tells the operator to do. What a disk or
   * the load has refused is tried again.
   */
  async #cannotStart(name: string, error: unknown): Promise<void> {
    this.#expect(error);
    this.#ports.trace.note(`${name} does not start: ${String(error)}`);
    await this.#ports.cluster.kill(name);
    this.#set(name, "down");
    const isUnreadable =
      error instanceof IdentityError ||
      (error instanceof StoreError && error.fault.code === "store_unreadable");
    if (isUnreadable) this.wipe(name);
    this.#ports.cluster.time.after(RESTART_DELAY_MS, () => void this.start(name));
  }

  /** Whether the run that failed is still the one there is. */
  #isOwn(name: string, before: Run | undefined): boolean {
    return this.machine(name).run !== before && this.is(name, "busy");
  }

  #expect(error: unknown): void {
    const isExpected =
      error instanceof PeerFault || error instanceof StoreError || error instanceof IdentityError;
    if (!isExpected) this.#ports.broke(error);
  }

  #seedsFor(name: string): string[] {
    this.introductions.areMembers(this.up.filter((other) => this.machine(other).member?.keeper.hasBelonged));
    return this.introductions.of(name, this.present).map((other) => this.machine(other).address);
  }

  #set(name: string, condition: Condition): void {
    this.#conditions.set(name, condition);
  }

  /** Only for the first nodes: the one they are started by. */
  introduce(name: string): void {
    this.#set(name, "down");
  }

  idOf(name: string): NodeId {
    return this.#ports.watcher.replica(this.machine(name)).id;
  }
}
