/**
 * Nodes that are told of one another and begin a cluster together: starts them, stops founders of it, and looks whether it becomes
 * one cluster in time.
 */
import type { ClusterMember } from "@hearsay/node";
import type { VirtualCluster } from "../cluster/virtual-cluster.ts";
import type { Fault } from "../plan/actions.ts";
import { type Beginning, FOUNDER_WITHIN_MS } from "../plan/beginnings.ts";
import type { FaultKind } from "../plan/faults.ts";
import type { Watcher } from "../watch/watcher.ts";
import { chosen } from "./network-faults.ts";
import type { Operator } from "./operator.ts";

export interface BeginningPorts {
  readonly cluster: VirtualCluster;
  readonly operator: Operator;
  readonly watcher: Watcher;
  fired(kind: FaultKind): void;
  broke(error: unknown): void;
}

/** Shorter than a founder takes between two steps. */
const LOOK_MS = 50;
/** The longest of {@link FOUNDER_WITHIN_MS} that is not spent on looking. */
const STOPPED_AFTER_MS = 2_000;
/** After these there may be two clusters, or one that has nothing to do with those who began. */
const BEGINS_ANEW: ReadonlySet<FaultKind> = new Set<FaultKind>([
  "begun_beside",
  "alone_beside",
  "reset_alone",
  "restored",
  "old_copy",
]);

export class Beginnings {
  readonly #ports: BeginningPorts;
  /** Ids of nodes that were seen to have found others, and not to be members yet. */
  readonly #founders: Set<string> = new Set();
  #names: readonly string[] = [];
  #isOver = true;

  constructor(ports: BeginningPorts) {
    this.#ports = ports;
  }

  begin(names: readonly string[], { starts, membersByMs }: Beginning): void {
    const { cluster, operator } = this.#ports;
    const { introductions } = operator;
    this.#names = names;
    this.#isOver = false;
    for (const [i, name] of names.entries()) {
      operator.introduce(name);
      const { atMs = 0, told } = starts[i] ?? {};
      if (told?.length === 0) introductions.begins(name);
      else if (told !== undefined) {
        const others = told.map((other) => names[other]).filter((other) => other !== undefined);
        introductions.tells(name, others);
      }
      cluster.time.after(atMs, () => void operator.start(name));
    }
    this.#watch(membersByMs).catch((error: unknown) => this.#ports.broke(error));
  }

  stop(): void {
    this.#isOver = true;
    this.#ports.operator.introductions.hasBegun();
  }

  /** @returns false for a fault that is none of these; what leads to another cluster is seen here and done elsewhere */
  strike(fault: Fault): boolean {
    if (BEGINS_ANEW.has(fault.fault)) this.stop();
    if (fault.fault !== "founder_stopped") return false;
    this.#stopFounder(fault).catch((error: unknown) => this.#ports.broke(error));
    return true;
  }

  async #watch(membersByMs: number | undefined): Promise<void> {
    const { cluster, operator, watcher, fired } = this.#ports;
    while (!this.#isOver) {
      for (const name of this.#founding()) this.#founders.add(operator.machine(name).running.id);
      const members = this.#running().filter(({ keeper }) => keeper.hasBelonged);
      this.#checkOne(members);
      if (members.length === this.#names.length) {
        if (members.some(({ id }) => this.#founders.has(id))) fired("founded");
        this.stop();
        return;
      }
      if (membersByMs !== undefined && cluster.time.monotonicMs() >= membersByMs) {
        const outside = this.#names.filter(
          (name) => operator.machine(name).member?.keeper.hasBelonged !== true,
        );
        const detail = `not members within ${Math.round(membersByMs / 1000)} s: ${outside.join(", ")}`;
        watcher.report({ invariant: "founding", detail });
        return;
      }
      await cluster.time.sleep(LOOK_MS);
    }
  }

  #checkOne(members: readonly ClusterMember[]): void {
    const { watcher } = this.#ports;
    for (const [i, one] of members.entries()) {
      for (const other of members.slice(i + 1)) {
        watcher.count("founding");
        if (!one.membership.isOfOtherCluster(other.membership.someIds())) continue;
        watcher.report({
          invariant: "founding",
          detail: `${one.id} and ${other.id} are members of two clusters`,
        });
      }
    }
  }

  async #stopFounder({ node, other, strength, durationMs }: Fault): Promise<void> {
    const { cluster, operator, fired } = this.#ports;
    const { time } = cluster;
    const endMs = time.monotonicMs() + FOUNDER_WITHIN_MS - STOPPED_AFTER_MS;
    while (this.#founding().length === 0 && time.monotonicMs() < endMs) await time.sleep(LOOK_MS);
    await time.sleep(STOPPED_AFTER_MS * strength ** 3);
    const names = this.#founding().filter((name) => operator.is(name, "up"));
    const name = chosen(names, node);
    if (name === "" || this.#isOver) return;
    fired("founder_stopped");
    if (other < 0.5) await operator.kill(name);
    else await operator.stop(name);
    await time.sleep(durationMs);
    await operator.start(name);
  }

  #running(): ClusterMember[] {
    const { operator } = this.#ports;
    return this.#names.map((name) => operator.machine(name).member).filter((member) => member !== undefined);
  }

  /** Those that have found others to begin with, and are not members yet. */
  #founding(): string[] {
    const { operator } = this.#ports;
    return this.#names.filter((name) => (operator.machine(name).member?.keeper.founders.length ?? 0) > 0);
  }
}
