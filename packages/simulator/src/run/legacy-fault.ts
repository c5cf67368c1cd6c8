/**
 * A write that one other alone has heard of when its node goes for good: the links from that node to all but the heir are cut, it
 * is written to, and its directory is lost as soon as the heir has the write. Then the heir is asked whether it may be stopped.
 */
import type { VirtualCluster } from "../cluster/virtual-cluster.ts";
import type { Fault } from "../plan/actions.ts";
import type { FaultKind } from "../plan/faults.ts";
import { readable } from "../watch/readable.ts";
import type { Asking } from "./asking.ts";
import type { Clients } from "./clients.ts";
import { chosen } from "./network-faults.ts";
import type { Operator } from "./operator.ts";

export interface LegacyFaultPorts {
  readonly cluster: VirtualCluster;
  readonly operator: Operator;
  readonly clients: Clients;
  readonly asking: Asking;
  fired(kind: FaultKind): void;
  broke(error: unknown): void;
}

/** Fewer than these must not go on without it. */
const LEFT_MIN = 2;
const KEY = "legacy";
const BYTES = 10;
const LOOK_MS = 5;
/** When the mail has not come by then it never will: the link is cut otherwise as well. */
const MAIL_MS = 2_000;
/** Of the questions: at once, and when an answer may have become another. */
const ASKED_AFTER_MS = [0, 20, 200];
/** When an operator tells the others that the directory is lost. */
const FORGET_AFTER_MS = 20_000;

export class LegacyFault {
  readonly #ports: LegacyFaultPorts;
  #isOver = false;

  constructor(ports: LegacyFaultPorts) {
    this.#ports = ports;
  }

  /** No more of it by itself. */
  stop(): void {
    this.#isOver = true;
  }

  /** @returns false for a fault that is another one */
  strike(fault: Fault, name: string): boolean {
    if (fault.fault !== "legacy") return false;
    this.#bequeath(fault, name).catch((error: unknown) => this.#ports.broke(error));
    return true;
  }

  async #bequeath(fault: Fault, name: string): Promise<void> {
    const { cluster, operator, clients, fired } = this.#ports;
    const { up, present, introductions } = operator;
    const heir = chosen(
      up.filter((other) => other !== name),
      fault.other,
    );
    if (!up.includes(name) || up.length <= LEFT_MIN || operator.isRebuilding) return;
    if (introductions.isBeside(name) || introductions.isBeside(heir) || introductions.isFounder(name)) return;
    const others = present.filter((other) => other !== name && other !== heir);
    cluster.partition([name], others);
    clients.write(cluster.machine(name), KEY, BYTES);
    const mend = (): void => {
      for (const other of others) cluster.mend(name, other);
    };
    const hasCome = await this.#comes(heir, name);
    // What goes once all works again, nobody forgets.
    if (this.#isOver) return mend();
    await operator.kill(name);
    if (!operator.is(name, "down")) return;
    operator.wipe(name);
    if (hasCome) {
      fired("legacy");
      for (const afterMs of ASKED_AFTER_MS) cluster.time.after(afterMs, () => this.#ask(heir));
    }
    await cluster.time.sleep(fault.durationMs);
    mend();
    await operator.start(name);
    await cluster.time.sleep(FORGET_AFTER_MS);
    if (!this.#isOver) await operator.forgetStrays();
  }

  /** Whether the heir comes to hold what the other one has of the key. */
  async #comes(heir: string, name: string): Promise<boolean> {
    const { cluster } = this.#ports;
    const version = (machine: string): number | undefined =>
      readable(KEY, cluster.machine(machine))?.siblings[0].version.time;
    for (let waitedMs = 0; waitedMs < MAIL_MS && !this.#isOver; waitedMs += LOOK_MS) {
      await cluster.time.sleep(LOOK_MS);
      const written = version(name);
      if (written !== undefined && written === version(heir)) return true;
    }
    return false;
  }

  #ask(heir: string): void {
    const request = {
      kind: "request",
      atMs: 0,
      request: "stopping",
      key: KEY,
      node: 0,
      strength: 0,
    } as const;
    this.#ports.asking.perform(request, this.#ports.cluster.machine(heir));
  }
}
