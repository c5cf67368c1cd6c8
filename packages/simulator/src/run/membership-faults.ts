/** Nodes that come and go for good: joining, leaving, being forgotten, coming back. */
import type { VirtualCluster } from "../cluster/virtual-cluster.ts";
import type { Fault } from "../plan/actions.ts";
import type { FaultKind } from "../plan/faults.ts";
import type { Clients } from "./clients.ts";
import { chosen } from "./network-faults.ts";
import type { Operator } from "./operator.ts";

export interface MembershipFaultPorts {
  readonly cluster: VirtualCluster;
  readonly operator: Operator;
  readonly clients: Clients;
  fired(kind: FaultKind): void;
}

/** Nodes beyond those at the start. */
const JOINS_MAX = 3;
/** Machines that are replaced. */
const REPLACED_MAX = 3;
/** Fewer than these must not be left running by a fault of this kind. */
const RUNNING_MIN = 3;
const LAST_WRITES = 3;
const PAIR_MS = 45_000;
/** When an operator tells the others that a machine is gone. */
const FORGET_LOST_AFTER_MS = 20_000;
/** How long a node is down before an operator gives it up. */
const FORGET_AFTER_MS = 8_000;

export class MembershipFaults {
  readonly #ports: MembershipFaultPorts;
  #joined = 0;
  #replaced = 0;
  #hasFreeHand = true;

  constructor(ports: MembershipFaultPorts) {
    this.#ports = ports;
  }

  /** No more of it: what is under way stops where it is. */
  stop(): void {
    this.#hasFreeHand = false;
  }

  /** @returns false for a fault that is none of membership */
  strike(fault: Fault, name: string): boolean {
    switch (fault.fault) {
      case "join":
        void this.#join();
        return true;
      case "replaced":
        void this.#replace(name, fault);
        return true;
      case "pair_lost":
        void this.#losePair(name, fault);
        return true;
      case "leave":
        void this.#leave(name);
        return true;
      case "forget":
      case "forgotten_returns":
        void this.#forget(name, fault);
        return true;
      default:
        return false;
    }
  }

  async #join(): Promise<void> {
    const { operator, fired } = this.#ports;
    if (this.#joined >= JOINS_MAX) return;
    this.#joined += 1;
    const name = `j${this.#joined}`;
    this.#setUp(name, name);
    fired("join");
    await operator.start(name);
  }

  /** At another address, and mostly before the others know that the one before is dead. */
  async #replace(name: string, { durationMs }: Fault): Promise<void> {
    const { cluster, operator, fired } = this.#ports;
    if (operator.up.length <= RUNNING_MIN || this.#replaced >= REPLACED_MAX) return;
    if (!(await operator.lose(name))) return;
    this.#replaced += 1;
    const other = `r${this.#replaced}`;
    this.#setUp(other, cluster.machine(name).nodeName);
    fired("replaced");
    await cluster.time.sleep(durationMs);
    if (this.#hasFreeHand) await operator.start(other);
    await cluster.time.sleep(FORGET_LOST_AFTER_MS);
    if (this.#hasFreeHand) await operator.forgetStrays();
  }

  /** For so long that what begins between them is a cluster by itself, if anything does. */
  async #losePair(name: string, fault: Fault): Promise<void> {
    const { cluster, operator, fired } = this.#ports;
    const { up, present } = operator;
    const pair = [...new Set([name, chosen(up, fault.other)])].filter((one) => up.includes(one));
    if (pair.length < 2 || up.length < 2 + RUNNING_MIN - 1) return;
    if (pair.some((one) => operator.introductions.isBeside(one))) return;
    const others = present.filter((one) => !pair.includes(one));
    cluster.partition(pair, others);
    for (const one of pair) {
      await operator.kill(one);
      operator.wipe(one);
    }
    fired("pair_lost");
    await Promise.all(pair.map((one) => operator.start(one)));
    await cluster.time.sleep(PAIR_MS);
    for (const a of pair) for (const b of others) cluster.mend(a, b);
    await cluster.time.sleep(FORGET_LOST_AFTER_MS);
    if (this.#hasFreeHand) await operator.forgetStrays();
  }

  #setUp(name: string, nodeName: string): void {
    const { cluster, operator } = this.#ports;
    const like = [...cluster.machines.values()][0];
    const machine = cluster.machine(name);
    machine.nodeName = nodeName;
    if (like !== undefined) machine.disk.latency = like.disk.latency;
    operator.introduce(name);
  }

  async #leave(name: string): Promise<void> {
    const { cluster, operator, clients, fired } = this.#ports;
    if (operator.up.length <= RUNNING_MIN) return;
    // What was written a moment before is what a leave may lose.
    for (let i = 1; i <= LAST_WRITES; i++) clients.write(cluster.machine(name), `key-${i}`, 10);
    if (await operator.leave(name)) fired("leave");
  }

  async #forget(name: string, { durationMs }: Fault): Promise<void> {
    const { cluster, operator, fired } = this.#ports;
    if (operator.up.length <= RUNNING_MIN || !operator.is(name, "up")) return;
    await operator.kill(name);
    await cluster.time.sleep(FORGET_AFTER_MS);
    if (!this.#hasFreeHand) return;
    const [by] = operator.up;
    if (by !== undefined && (await operator.forget(name, by))) fired("forget");
    await cluster.time.sleep(durationMs);
    if (this.#hasFreeHand) await operator.start(name);
  }
}
