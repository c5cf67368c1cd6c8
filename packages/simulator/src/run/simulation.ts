/**
 * One run of a plan: the cluster, its clients, its faults and its watcher, on one virtual time.
 *
 * A run ends at the first violation, or when the plan is over and the cluster has settled. Nothing in it depends on
 * anything but the plan, so the same plan gives the same trace, to the last message.
 */
import { siblingLimit } from "@hearsay/core";
import type { Hooks } from "../cluster/composition.ts";
import { PartialViews } from "../cluster/partial-views.ts";
import { VirtualCluster } from "../cluster/virtual-cluster.ts";
import type { CheckCounts, Violation } from "../invariants/invariant.ts";
import { describeRecord } from "../invariants/record-checks.ts";
import type { Action, Fault } from "../plan/actions.ts";
import type { FaultCounts, FaultKind } from "../plan/faults.ts";
import type { Mode, Plan } from "../plan/plan.ts";
import type { RequestCounts } from "../plan/requests.ts";
import type { Platform } from "../platform.ts";
import { noteRevivals } from "../watch/revivals.ts";
import { Watcher } from "../watch/watcher.ts";
import { Asking } from "./asking.ts";
import { Beginnings } from "./beginnings.ts";
import { BesideFaults } from "./beside-faults.ts";
import { Clients, type OperationCounts } from "./clients.ts";
import { Inspection } from "./inspection.ts";
import { LegacyFault } from "./legacy-fault.ts";
import { MachineFaults } from "./machine-faults.ts";
import { MembershipFaults } from "./membership-faults.ts";
import { chosen, NetworkFaults } from "./network-faults.ts";
import { Operator } from "./operator.ts";
import { RebuildingFaults } from "./rebuilding-faults.ts";
import { Settling } from "./settling.ts";
import { Trace } from "./trace.ts";

export interface RunOptions {
  /** Put into every node, for planted bugs. */
  readonly hooks?: Hooks;
  /** Whether the trace keeps lines for people. */
  readonly keepsLines?: boolean;
  /** Ends the run at this virtual time, whether or not anything has broken; undefined: when the plan is over and all has settled. */
  readonly endMs?: number | undefined;
}

export interface RunReport {
  readonly seed: number;
  readonly mode: Mode;
  readonly violation: Violation | undefined;
  /** Virtual time at which the run ended. */
  readonly simulatedMs: number;
  readonly traceHash: string;
  readonly lines: readonly string[];
  /** Which faults have had an effect, and how often. */
  readonly fired: FaultCounts;
  readonly checks: CheckCounts;
  readonly operations: OperationCounts;
  /** Which requests were answered, and how often. */
  readonly answered: RequestCounts;
  /** What nodes have counted, by the names of their metrics. */
  readonly counted: Readonly<Record<string, number>>;
  readonly writes: number;
  readonly messages: number;
}

/** Between two looks at the watcher. */
const STEP_MS = 1_000;
/** Between two inspections of the whole. */
const INSPECTION_MS = 10_000;

export async function runPlan(platform: Platform, plan: Plan, options: RunOptions = {}): Promise<RunReport> {
  return await new Simulation(platform, plan, options).run();
}

class Simulation {
  readonly #plan: Plan;
  readonly #endMs: number | undefined;
  readonly #cluster: VirtualCluster;
  readonly #watcher: Watcher;
  readonly #trace: Trace;
  readonly #operator: Operator;
  readonly #clients: Clients;
  readonly #asking: Asking;
  readonly #network: NetworkFaults;
  readonly #machines: MachineFaults;
  readonly #membership: MembershipFaults;
  readonly #rebuilding: RebuildingFaults;
  readonly #beside: BesideFaults;
  readonly #legacy: LegacyFault;
  readonly #beginnings: Beginnings;
  readonly #inspection: Inspection;
  readonly #fired: FaultCounts = {};
  readonly #counted: Record<string, number> = {};
  /** What the faults under way do when they end. */
  readonly #ends: Set<() => void> = new Set();
  /** How often links have done what shows that a fault is at work. */
  readonly #linkEvents: Map<string, number> = new Map();
  #isOver = false;

  constructor(platform: Platform, plan: Plan, { hooks, keepsLines = false, endMs }: RunOptions) {
    this.#plan = plan;
    this.#endMs = endMs;
    const broke = (error: unknown): void => this.#broke(error);
    const cluster: VirtualCluster = new VirtualCluster(
      platform,
      plan.seed,
      {},
      {
        arrived: (_from, _to, bytes) => this.#trace.bytes(bytes),
        happened: (event) => this.#linkEvents.set(event, (this.#linkEvents.get(event) ?? 0) + 1),
        logged: (machine, event, fields) => {
          this.#watcher.losses.logged(machine, event, fields);
          noteRevivals(this.#watcher, machine, event);
        },
        doubted: (machine, run) => this.#operator.doubted(machine, run),
        retired: (machine) => this.#operator.retired(machine),
        counted: (_machine, name, amount) => {
          this.#counted[name] = (this.#counted[name] ?? 0) + amount;
        },
        broke,
      },
    );
    cluster.settings = plan.settings;
    this.#cluster = cluster;
    const nowMs = (): number => cluster.time.monotonicMs();
    this.#trace = new Trace(platform.hashing, nowMs, keepsLines);
    const rules = { maxSiblings: plan.settings.maxSiblings, policies: plan.settings.policies };
    const limit = (key: string): number => siblingLimit(rules, key);
    this.#watcher = new Watcher(nowMs, limit, (machine, key, record) => {
      const what = `${machine.name} ${record === undefined ? "drops" : "stores"} ${key}`;
      this.#trace.note(what, () => (record === undefined ? what : `${what} ${describeRecord(record)}`));
    });
    const { viewSize } = plan.settings;
    const views = viewSize === undefined ? [] : [new PartialViews(cluster, viewSize, plan.seed)];
    cluster.hooks.push(this.#watcher, ...views, ...(hooks === undefined ? [] : [hooks]));
    const shared = { cluster, watcher: this.#watcher, trace: this.#trace, broke };
    this.#operator = new Operator({ ...shared, returned: () => this.#fire("forgotten_returns") });
    this.#clients = new Clients(shared);
    this.#asking = new Asking({ ...shared, clients: this.#clients, hashing: platform.hashing });
    this.#network = new NetworkFaults(cluster);
    const ports = { ...shared, operator: this.#operator, clients: this.#clients };
    const fired = (kind: FaultKind): void => this.#fire(kind);
    this.#machines = new MachineFaults({ ...ports, fired });
    this.#membership = new MembershipFaults({ ...ports, fired });
    this.#rebuilding = new RebuildingFaults({ ...ports, fired, hashing: platform.hashing });
    this.#beside = new BesideFaults({ ...ports, fired });
    this.#legacy = new LegacyFault({ ...ports, asking: this.#asking, fired });
    this.#beginnings = new Beginnings({ ...ports, fired });
    this.#inspection = new Inspection(ports);
  }

  /** What the simulator itself throws is a violation as any other: it has a seed, which replays, and is cut down. */
  async run(): Promise<RunReport> {
    try {
      await this.#play();
    } catch (error) {
      this.#broke(error);
    }
    return this.#report();
  }

  #broke(error: unknown): void {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#watcher.report({ invariant: "failure", detail });
  }

  async #play(): Promise<void> {
    await this.#start();
    this.#schedule();
    const { time } = this.#cluster;
    for (let nextMs = INSPECTION_MS; time.monotonicMs() < this.#plan.durationMs; ) {
      await time.advance(STEP_MS);
      if (time.monotonicMs() >= nextMs) {
        nextMs += INSPECTION_MS;
        await this.#inspection.look();
      }
      if (this.#watcher.violation !== undefined) return;
      if (this.#endMs !== undefined && time.monotonicMs() >= this.#endMs) return;
    }
    this.#isOver = true;
    this.#membership.stop();
    this.#machines.stop();
    this.#rebuilding.stop();
    this.#beside.stop();
    this.#legacy.stop();
    this.#beginnings.stop();
    const settling = new Settling({
      cluster: this.#cluster,
      operator: this.#operator,
      clients: this.#clients,
      watcher: this.#watcher,
      inspection: this.#inspection,
      trace: this.#trace,
    });
    if (this.#plan.mode === "safety") {
      this.#endAll();
      await settling.settleAll();
    } else await settling.settleCore(this.#plan.seed, () => this.#endAll());
  }

  async #start(): Promise<void> {
    const names = Array.from({ length: this.#plan.nodes }, (_, i) => `n${i + 1}`);
    for (const name of names) this.#cluster.machine(name).disk.latency = this.#plan.disk;
    const { beginning } = this.#plan;
    if (beginning !== undefined) {
      this.#beginnings.begin(names, beginning);
      return;
    }
    for (const name of names) {
      this.#operator.introduce(name);
      void this.#operator.start(name);
      await this.#cluster.time.advance(20 * this.#plan.disk.mostMs);
    }
  }

  #schedule(): void {
    for (const action of this.#plan.actions) {
      this.#cluster.time.after(action.atMs - this.#cluster.time.monotonicMs(), () => this.#act(action));
    }
  }

  #act(action: Action): void {
    if (this.#isOver) return;
    if (action.kind === "fault") {
      this.#strike(action);
      return;
    }
    const { up } = this.#operator;
    const name = chosen(up, action.node);
    if (name === "") return;
    const machine = this.#cluster.machine(name);
    if (action.kind === "request") this.#asking.perform(action, machine);
    else this.#clients.perform(action, machine);
  }

  #strike(fault: Fault): void {
    const names = this.#operator.present;
    const name = chosen(names, fault.node);
    this.#trace.note(`fault ${fault.fault} at ${name} for ${Math.round(fault.durationMs)} ms`);
    const strike = this.#network.strike(fault, names);
    if (strike === undefined) {
      const kinds = [this.#beginnings, this.#machines, this.#membership, this.#beside, this.#legacy];
      if (!kinds.some((kind) => kind.strike(fault, name))) this.#rebuilding.strike(fault, name);
      return;
    }
    const before = this.#linkEvents.get(strike.shows) ?? 0;
    const end = (): void => {
      if (!this.#ends.delete(end)) return;
      strike.end();
      if ((this.#linkEvents.get(strike.shows) ?? 0) > before) this.#fire(fault.fault);
    };
    this.#ends.add(end);
    this.#cluster.time.after(fault.durationMs, end);
  }

  #endAll(): void {
    for (const end of this.#ends) end();
    this.#cluster.links.heal();
    for (const { run, disk } of this.#cluster.machines.values()) {
      run?.resume();
      disk.isFull = false;
      disk.latency = this.#plan.disk;
    }
    for (const machine of this.#cluster.machines.values()) machine.correctClock();
  }

  #fire(kind: FaultKind): void {
    this.#fired[kind] = (this.#fired[kind] ?? 0) + 1;
  }

  #report(): RunReport {
    let messages = 0;
    for (const kind of this.#cluster.traffic.values()) messages += kind.messages;
    return {
      seed: this.#plan.seed,
      mode: this.#plan.mode,
      violation: this.#watcher.violation,
      simulatedMs: this.#cluster.time.monotonicMs(),
      traceHash: this.#trace.hash,
      lines: this.#trace.lines,
      fired: this.#fired,
      checks: this.#watcher.checks,
      operations: this.#clients.counts,
      answered: this.#asking.counts,
      counted: this.#counted,
      writes: this.#watcher.ledger.size,
      messages,
    };
  }
}
