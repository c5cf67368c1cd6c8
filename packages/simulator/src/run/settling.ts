/** The end of a run: everything works again, or a core does, and what then has to come true in bounded time. */
import { SeededRandom, shuffled } from "@hearsay/core";
import type { VirtualCluster } from "../cluster/virtual-cluster.ts";
import { checkAgreement, checkFinalStates, type FinalState } from "../invariants/final-checks.ts";
import type { Invariant } from "../invariants/invariant.ts";
import type { Watcher } from "../watch/watcher.ts";
import type { Clients } from "./clients.ts";
import type { Inspection } from "./inspection.ts";
import type { Operator } from "./operator.ts";
import { emptyStrangers } from "./strays.ts";
import type { Trace } from "./trace.ts";

export interface SettlingPorts {
  readonly cluster: VirtualCluster;
  readonly operator: Operator;
  readonly clients: Clients;
  readonly watcher: Watcher;
  readonly inspection: Inspection;
  readonly trace: Trace;
}

/** Clocks that ran ahead, suspicions, purges and repairs of damaged directories included. */
const SETTLE_MS = 600_000;
/** A core whose other members never come back. */
const CORE_MS = 300_000;
/** Later than the last copy of a doubled request arrives, which may start a rumor again for a moment. */
const LATE_MS = 25_000;
/** Who is damaged is killed so often. Less than the shortest retention, and long enough to become a member again. */
const WORN_MS = 7_000;
/** Where deletions are kept for longer, it is not waited until they may go. */
const RETENTION_MAX_MS = 600_000;
const IDLE_MS = 10_000;

export class Settling {
  readonly #ports: SettlingPorts;

  constructor(ports: SettlingPorts) {
    this.#ports = ports;
  }

  /** All faults have ended: every node comes back, and all becomes one. */
  async settleAll(): Promise<void> {
    const { operator, trace } = this.#ports;
    trace.note("everything works again");
    await this.#comesTrue("membership", "every node runs", SETTLE_MS, () => this.#run(operator.present));
    const names = operator.present;
    await this.#comesTrue(
      "membership",
      "nobody waits for a node that is gone",
      SETTLE_MS,
      () => this.#noStrays() || this.#isMajorityGone(names),
    );
    if (this.#isMajorityGone(names)) {
      await this.#beginAnew(names);
      await this.#comesTrue("membership", "nobody waits for a node that is gone", SETTLE_MS, () =>
        this.#noStrays(),
      );
    }
    await this.#comesTrue("membership", "every node takes writes", SETTLE_MS, () => this.#writable(names));
    await this.#heals(names);
    await this.#comesTrue("membership", "every node is alive to every other", SETTLE_MS, () =>
      this.#allAlive(names),
    );
    await this.#comesTrue("convergence", "all hold the same", SETTLE_MS, () => this.#agree(names));
    this.#writeLast(names);
    await this.#comesTrue("watermark", "the watermark passes the last write", SETTLE_MS, () =>
      this.#isPassed(names),
    );
    await this.#comesTrue("convergence", "all hold the same", SETTLE_MS, () => this.#agree(names));
    if (this.#hasBroken) return;
    this.#haveTold(names);
    const { watcher, cluster } = this.#ports;
    for (const name of names) watcher.look(cluster.machine(name));
    const states = await this.#states(names);
    watcher.count("durability", watcher.ledger.size * states.length);
    watcher.count("convergence", states.length);
    for (const violation of checkFinalStates(watcher.ledger, states)) watcher.report(violation);
    await this.#isIdle();
  }

  /** What an operator does who finds that nobody can become a member any more. */
  async #beginAnew(names: readonly string[]): Promise<void> {
    const { operator } = this.#ports;
    // Nobody lets in who has entered nowhere yet, as nobody is a member.
    const entered = names.filter((name) => this.#hasEntered(name));
    await this.#comesTrue("membership", "every node is alive to every other", SETTLE_MS, () => {
      // Time passes only outside of this check.
      void emptyStrangers(operator);
      return this.#allAlive(entered);
    });
    await this.#comesTrue("convergence", "all hold the same", SETTLE_MS, () => this.#agree(entered));
    if (this.#hasBroken) return;
    if (this.#isMajorityGone(names)) {
      let hasBegun = false;
      void operator.beginAnew(entered, names).then(() => {
        hasBegun = true;
      });
      await this.#comesTrue("membership", "one goes on alone", SETTLE_MS, () => hasBegun);
      await this.#comesTrue("membership", "every node runs", SETTLE_MS, () => this.#run(names));
    }
  }

  /** A majority works again, the others are broken for good: the core becomes one. */
  async settleCore(seed: number, heal: () => void): Promise<void> {
    const { operator, cluster, trace, watcher } = this.#ports;
    const random = new SeededRandom(seed);
    heal();
    // Who is about to go is no part of a majority that stays.
    await this.#comesTrue(
      "membership",
      "whoever is leaving has left, or stays",
      CORE_MS,
      () =>
        !operator.isRebuilding &&
        !operator.introductions.hasBeside &&
        operator.present.every((name) => !operator.is(name, "leaving")),
    );
    const names = shuffled(random, operator.present);
    const core = this.#coreOf(names);
    const others = names.filter((name) => !core.includes(name));
    trace.note(`the core is ${core.join(", ")}`);
    operator.leaveAlone(new Set(others));
    for (const [i, name] of others.entries()) {
      if (i % 2 === 0) await operator.kill(name);
      else cluster.partition([name], core);
    }
    await this.#comesTrue("membership", "the core runs", CORE_MS, () => this.#run(core));
    if (this.#isMajorityGone(core)) await this.#beginAnew(core);
    await this.#comesTrue("membership", "the core is alive to itself", CORE_MS, () => {
      // Time passes only outside of this check.
      void emptyStrangers(operator);
      return this.#allAlive(core);
    });
    this.#writeLast(core.filter((name) => cluster.machine(name).member?.notWritable() === undefined));
    await this.#comesTrue("convergence", "the core holds the same", CORE_MS, () => this.#agree(core));
    if (this.#hasBroken) return;
    const states = await this.#states(core);
    watcher.count("convergence", states.length);
    for (const violation of checkAgreement(states)) watcher.report(violation);
  }

  /** A majority, with one in it that has been a member: newcomers rightly begin nothing beside the only one that has data. */
  #coreOf(names: readonly string[]): string[] {
    const isElder = (name: string): boolean =>
      this.#ports.cluster.machine(name).member?.keeper.hasBelonged === true;
    const core = names.slice(0, Math.floor(names.length / 2) + 1);
    const elder = names.find(isElder);
    return elder === undefined || core.some(isElder) ? core : [elder, ...core.slice(1)];
  }

  get #hasBroken(): boolean {
    return this.#ports.watcher.violation !== undefined;
  }

  async #comesTrue(
    invariant: Invariant,
    what: string,
    limitMs: number,
    holds: () => boolean | Promise<boolean>,
  ): Promise<void> {
    const { cluster, watcher } = this.#ports;
    watcher.count(invariant);
    const endMs = cluster.time.monotonicMs() + limitMs;
    while (!this.#hasBroken && !(await holds())) {
      if (cluster.time.monotonicMs() >= endMs) {
        watcher.report({ invariant, detail: `not within ${limitMs / 1000} s: ${what}` });
        return;
      }
      await cluster.time.advance(500);
    }
  }

  /** What an operator sees who looks at the members, and forgets those that nothing will bring back. */
  #noStrays(): boolean {
    const { operator, cluster } = this.#ports;
    // Time passes only outside of this check.
    void operator.forgetStrays();
    const current = new Set(operator.present.map((name) => operator.idOf(name)));
    return operator.present.every((name) => {
      const { member } = cluster.machine(name);
      // One that has just been stopped for it comes back under another id.
      if (!operator.is(name, "up") || member === undefined) return false;
      return member.membership.counted().ids.every((id) => current.has(id));
    });
  }

  /**
   * Nobody is a member, and of those who would have to record anybody too few have a directory left. None becomes writable by
   * itself then.
   */
  #isMajorityGone(names: readonly string[]): boolean {
    const members = names.map((name) => this.#ports.cluster.machine(name).member);
    const ids = new Set(members.map((member) => member?.id));
    return members.every((member) => {
      const joining = member?.joiningState;
      if (member === undefined || joining?.kind !== "joining") return false;
      const others = members.filter((other) => other !== member);
      const elders = others.filter((other) => other?.keeper.hasBelonged === true);
      // Newcomers have a say where there is nobody else, and no member has let one of them in.
      const isNew =
        elders.length === 0 &&
        members.every((one) => one?.keeper.letInBy === null) &&
        member.membership.counted().ids.every((id) => ids.has(id));
      return joining.needed > (isNew ? others : elders).length;
    });
  }

  /** Somewhere, at some time: its disk may have lost the table that says so. */
  #hasEntered(name: string): boolean {
    const { member } = this.#ports.cluster.machine(name);
    if (member === undefined) return false;
    return member.keeper.letInBy !== null || member.membership.counted().ids.length > 1;
  }

  /** Nothing stays damaged, although whoever has damage is killed time and again, as an impatient operator might. */
  async #heals(names: readonly string[]): Promise<void> {
    const { cluster, operator } = this.#ports;
    const { member } = cluster.settings;
    const retentions = names.map((name) => ({ ...member, ...cluster.machine(name).overrides }));
    const longestMs = Math.max(...retentions.map(({ tombstoneRetentionMs = 0 }) => tombstoneRetentionMs));
    if (longestMs > RETENTION_MAX_MS) return;
    let killedMs = Number.NEGATIVE_INFINITY;
    await this.#comesTrue("healing", "nothing is damaged", SETTLE_MS + longestMs, () => {
      const damaged = names.filter((name) => cluster.machine(name).store?.stats().damaged !== 0);
      if (cluster.time.monotonicMs() - killedMs < WORN_MS) return damaged.length === 0;
      killedMs = cluster.time.monotonicMs();
      // Time passes only outside of this check.
      for (const name of damaged) void operator.kill(name).then(() => operator.start(name));
      return damaged.length === 0;
    });
  }

  /** Starts what is down, again and again until all is up. */
  #run(names: readonly string[]): boolean {
    const { operator, cluster } = this.#ports;
    for (const name of names) if (operator.is(name, "down")) void operator.start(name);
    return names.every((name) => operator.is(name, "up") && cluster.machine(name).member !== undefined);
  }

  /** An operator looks at those that do not. */
  #writable(names: readonly string[]): boolean {
    const { operator } = this.#ports;
    // Time passes only outside of this check.
    void operator.forgetStrays();
    return names.every((name) => this.#ports.cluster.machine(name).member?.notWritable() === undefined);
  }

  #allAlive(names: readonly string[]): boolean {
    const { cluster } = this.#ports;
    const ids = names.map((name) => cluster.machine(name).node?.id ?? "");
    return names.every((name) => {
      const members = cluster.machine(name).member?.membership.members() ?? [];
      return ids.every((id) => members.some((member) => member.id === id && member.state === "alive"));
    });
  }

  async #agree(names: readonly string[]): Promise<boolean> {
    const { cluster } = this.#ports;
    const roots = await Promise.all(names.map((name) => cluster.machine(name).store?.root()));
    return new Set(roots).size === 1 && !roots.includes(undefined);
  }

  #writeLast(names: readonly string[]): void {
    const { clients, cluster } = this.#ports;
    for (const name of names) clients.write(cluster.machine(name), "last", 10);
  }

  #isPassed(names: readonly string[]): boolean {
    const { watcher, cluster } = this.#ports;
    const writes = watcher.ledger.of("last");
    const last = writes.at(-1)?.version.time ?? Number.POSITIVE_INFINITY;
    if (writes.length < names.length) this.#writeLast(names);
    return names.every((name) => (cluster.machine(name).member?.keeper.completeness.watermark ?? 0) >= last);
  }

  /** Each of them has written something while all were alive to it. */
  #haveTold(names: readonly string[]): void {
    const { watcher, cluster } = this.#ports;
    if (names.length < 2) return;
    watcher.count("spreading");
    const told = names.some((name) => {
      const counters = cluster.machine(name).member?.rumors.monger.counters;
      return counters !== undefined && counters.records + counters.offers > 0;
    });
    if (!told)
      watcher.report({ invariant: "spreading", detail: "nobody has told anybody of its last write" });
  }

  async #states(names: readonly string[]): Promise<FinalState[]> {
    const states = await Promise.all(names.map((name) => this.#ports.inspection.stateOf(name)));
    return states.filter((state) => state !== undefined);
  }

  /** Nothing has changed for a while, so no records travel. */
  async #isIdle(): Promise<void> {
    const { cluster, watcher } = this.#ports;
    await cluster.time.advance(LATE_MS);
    const before = cluster.network.records;
    const { changes } = watcher;
    await cluster.time.advance(IDLE_MS);
    // What was purged meanwhile is change.
    if (watcher.changes > changes || this.#hasBroken) return;
    watcher.count("quiescence");
    const sent = cluster.network.records - before;
    if (sent === 0) return;
    watcher.report({ invariant: "quiescence", detail: `${sent} records were sent, and nothing has changed` });
  }
}
