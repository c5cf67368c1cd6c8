/** A machine of the cluster over several runs of its node: an address, a disk, a clock. */
import type { ClusterMember, MemberConfig, Node } from "@hearsay/node";
import type { Store } from "@hearsay/store";
import type { VirtualDisk } from "../disk/virtual-disk.ts";
import type { VirtualTime } from "../time/virtual-time.ts";
import type { Run } from "./run.ts";

/** 2030-01-01. */
export const START_MS = 1_893_456_000_000;

export class Machine {
  readonly name: string;
  readonly address: string;
  readonly disk: VirtualDisk;
  /** The operator's name for its node; two machines may have been given one. */
  nodeName: string;
  /** What its node is configured with otherwise than the rest. */
  overrides: Partial<MemberConfig> = {};
  /** By how much its wall clock is off. */
  clockOffsetMs = 0;
  /** Milliseconds that its wall clock gains in a second. */
  clockDrift = 0;
  /** Its next start is one after `hearsay reset --alone`. */
  isResetAlone = false;
  run: Run | undefined;
  readonly #time: VirtualTime;
  #driftsSinceMs = 0;

  constructor(name: string, disk: VirtualDisk, time: VirtualTime) {
    this.name = name;
    this.nodeName = name;
    this.address = `${name}:1`;
    this.disk = disk;
    this.#time = time;
  }

  get node(): Node | undefined {
    return this.run?.opened?.node;
  }

  get member(): ClusterMember | undefined {
    return this.run?.opened?.member;
  }

  get store(): Store | undefined {
    return this.run?.opened?.store;
  }

  get running(): ClusterMember {
    if (this.member === undefined) throw new Error(`${this.name} is not running`);
    return this.member;
  }

  /** What `hearsay reset --alone` does to the directory of a stopped node. */
  resetAlone(): void {
    this.disk.directory += 1;
    this.isResetAlone = true;
  }

  /** What its wall clock shows. */
  nowMs(): number {
    const passedMs = this.#time.monotonicMs();
    const driftMs = ((passedMs - this.#driftsSinceMs) * this.clockDrift) / 1000;
    return START_MS + Math.floor(passedMs + this.clockOffsetMs + driftMs);
  }

  /** Lets the clock gain or lose from now on, beginning where it stands. */
  drift(perSecond: number): void {
    const passedMs = this.#time.monotonicMs();
    this.clockOffsetMs += ((passedMs - this.#driftsSinceMs) * this.clockDrift) / 1000;
    this.#driftsSinceMs = passedMs;
    this.clockDrift = perSecond;
  }

  /** Shows the true time from now on. */
  correctClock(): void {
    this.drift(0);
    this.clockOffsetMs = 0;
  }
}
