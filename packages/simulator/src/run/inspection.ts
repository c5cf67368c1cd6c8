/** Looks at all running nodes at once: roots against records, the laws of merging, bounds, who is dead to whom. */
import { DEFAULT_RUMOR_OPTIONS, type KeyRecord, SWIM_DEFAULTS } from "@hearsay/core";
import { EXCHANGE_LIMITS } from "@hearsay/node";
import { DEFAULT_STORE_LIMITS, GHOSTS_MAX, StoreError } from "@hearsay/store";
import { MAX_PENDING_ACKS, MAX_WAITERS } from "../cluster/composition.ts";
import type { Machine } from "../cluster/machine.ts";
import type { VirtualCluster } from "../cluster/virtual-cluster.ts";
import { canonicalText, checkMergeLaws, type FinalState } from "../invariants/final-checks.ts";
import { everything } from "../watch/everything.ts";
import type { Watcher } from "../watch/watcher.ts";
import type { Operator } from "./operator.ts";

export interface InspectionPorts {
  readonly cluster: VirtualCluster;
  readonly operator: Operator;
  readonly watcher: Watcher;
}

export class Inspection {
  readonly #ports: InspectionPorts;
  /** With which other record one was last tried. Records never change, so the same two need not be tried again. */
  readonly #tried: WeakMap<KeyRecord, KeyRecord> = new WeakMap();

  constructor(ports: InspectionPorts) {
    this.#ports = ports;
  }

  async look(): Promise<void> {
    const { cluster, operator } = this.#ports;
    const machines = operator.up.map((name) => cluster.machine(name));
    for (const machine of machines) {
      this.#checkBounds(machine);
      this.#ports.watcher.look(machine);
    }
    await this.#checkRoots(machines);
    this.#checkMerging(machines);
  }

  /** What a running node holds, read from its store. Undefined when it cannot be read. */
  async stateOf(name: string): Promise<FinalState | undefined> {
    const machine = this.#ports.cluster.machine(name);
    const { store, member } = machine;
    if (store === undefined || member === undefined) return undefined;
    const root = await store.root();
    const { records, damaged } = await everything(store);
    // A damaged record is in the root until it is healed, and cannot be read.
    if (damaged > 0) return undefined;
    return {
      replica: name,
      records,
      floor: member.keeper.completeness.floor,
      root,
      nowMs: machine.nowMs(),
    };
  }

  async #checkRoots(machines: readonly Machine[]): Promise<void> {
    const { watcher } = this.#ports;
    const byRoot = new Map<string, string>();
    const byText = new Map<string, string>();
    for (const { name, store } of machines) {
      const state = await this.#read(name);
      if (state === undefined || store === undefined || store.stats().damaged > 0) continue;
      // A commit may have come between the root and the records.
      if ((await store.root()) !== state.root) continue;
      watcher.count("root");
      const text = canonicalText(state.records);
      const isOther =
        (byRoot.get(state.root) ?? text) !== text || (byText.get(text) ?? state.root) !== state.root;
      if (isOther)
        watcher.report({ invariant: "root", detail: `the root of ${name} is not that of its records` });
      byRoot.set(state.root, text);
      byText.set(text, state.root);
    }
  }

  async #read(name: string): Promise<FinalState | undefined> {
    try {
      return await this.stateOf(name);
    } catch (error) {
      if (error instanceof StoreError) return undefined;
      throw error;
    }
  }

  #checkMerging(machines: readonly Machine[]): void {
    const { watcher } = this.#ports;
    const held = new Map<string, KeyRecord>();
    for (const machine of machines) {
      for (const [key, record] of watcher.replica(machine).records) {
        const other = held.get(key);
        held.set(key, record);
        if (other === undefined || other === record) continue;
        if (this.#tried.get(record) === other) continue;
        watcher.count("merge");
        this.#tried.set(record, other);
        watcher.report(checkMergeLaws(key, record, other));
      }
    }
  }

  #checkBounds({ name, node, member, store }: Machine): void {
    if (node === undefined || member === undefined || store === undefined) return;
    const { watcher, cluster } = this.#ports;
    const { cacheBytes, pendingBytes, ghosts } = store.stats();
    const { settings } = cluster;
    const limits = { ...DEFAULT_STORE_LIMITS, ...settings.store };
    const { maxSessions } = settings.member.exchange ?? EXCHANGE_LIMITS;
    const { hotMaxEntries, hotMaxBytes } = settings.member.rumors ?? DEFAULT_RUMOR_OPTIONS;
    const { broadcastsMax } = settings.member.swim ?? SWIM_DEFAULTS;
    const { monger } = member.rumors;
    const bounds: readonly (readonly [string, number, number])[] = [
      ["cache", cacheBytes, limits.cacheMaxBytes],
      ["pending", pendingBytes, limits.pendingMaxBytes + TURN_BYTES],
      ["sessions", member.repair.answering, maxSessions],
      ["rumors", monger.hotEntries, hotMaxEntries],
      ["bytes of rumors", monger.hotBytes, hotMaxBytes],
      ["waiting writers", member.acksPending, MAX_PENDING_ACKS],
      ["waiting peers", node.waiting, MAX_WAITERS],
      ["news of members", member.membership.stats.broadcastsQueued, broadcastsMax],
      ["ghosts", ghosts, GHOSTS_MAX],
    ];
    for (const [what, is, bound] of bounds) {
      watcher.count("bounds");
      if (is > bound)
        watcher.report({ invariant: "bounds", detail: `${name}: ${what} ${is} above ${bound}` });
    }
  }
}

/** A turn that begins below the bound of what waits is admitted whole (docs/store.md): a burst of clients comes in one. */
const TURN_BYTES = 256 * 1024;
