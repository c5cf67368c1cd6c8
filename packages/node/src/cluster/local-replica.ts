/** The replica as exchanges and rumors see it: merging under the ghost rule, and what follows from its verdicts. */
import {
  type Completeness,
  type HlcTime,
  type KeyedRecord,
  type KeyRecord,
  type NodeId,
  type RefusedVersions,
  type Sibling,
  type Standing,
  sameVersion,
} from "@hearsay/core";
import type { ExchangeReplica, MergedBatch } from "../exchange/replica.ts";
import type { Admitted, Node } from "../node.ts";
import { PeerFault } from "../peer-fault.ts";
import type { Log, Metrics, RecordStore } from "../ports.ts";
import type { CompletenessKeeper } from "./completeness-keeper.ts";
import type { DigestStore, Graveyard } from "./ports.ts";

export interface LocalReplicaPorts {
  readonly node: Node;
  readonly store: RecordStore;
  readonly digests: DigestStore;
  readonly graveyard: Graveyard;
  readonly keeper: CompletenessKeeper;
  readonly log: Log;
  readonly metrics: Metrics;
  tableHash(): string;
  staying(): boolean;
}

export class LocalReplica implements ExchangeReplica {
  readonly id: NodeId;
  readonly digests: DigestStore;
  readonly #ports: LocalReplicaPorts;

  constructor(ports: LocalReplicaPorts) {
    this.id = ports.node.id;
    this.digests = ports.digests;
    this.#ports = ports;
  }

  get completeness(): Completeness {
    return this.#ports.keeper.completeness;
  }

  tableHash(): string {
    return this.#ports.tableHash();
  }

  staying(): boolean {
    return this.#ports.staying();
  }

  standing(): Standing {
    const { floor, complete } = this.completeness;
    return { floor, complete };
  }

  async ownTime(): Promise<HlcTime> {
    return await this.#ports.node.ownTime();
  }

  get(key: string): KeyRecord | undefined {
    return this.#ports.store.get(key);
  }

  merge(records: readonly KeyedRecord[], sender: Standing): MergedBatch {
    const admitted = this.#ports.node.admit(records, this.standing(), sender);
    if ("code" in admitted) throw new PeerFault(admitted);
    const kept: Promise<void>[] = [admitted.committed];
    const refused = this.#report(admitted, kept);
    return { merged: admitted.merged, refused, committed: Promise.all(kept).then(() => undefined) };
  }

  async drop(refused: readonly RefusedVersions[], peer: Standing): Promise<void> {
    // A complete replica knows better than a peer's word, and an incomplete peer knows nothing.
    if (refused.length === 0 || this.completeness.complete || !peer.complete) return;
    await Promise.all(refused.map((ghost) => this.#dropGhost(ghost)));
  }

  async settleFloor(floor: HlcTime): Promise<void> {
    await this.#ports.keeper.settleFloor(floor);
  }

  async #dropGhost({ key, versions }: RefusedVersions): Promise<void> {
    const { store, graveyard, log } = this.#ports;
    const held = store.latest(key);
    if (held === undefined) return;
    const isGhost = (sibling: Sibling): boolean =>
      versions.some((version) => sameVersion(version, sibling.version));
    const [first, ...rest] = held.siblings.filter((sibling) => !isGhost(sibling));
    if (rest.length + 1 === held.siblings.length) return;
    log.warn("ghost_dropped", { key, versions: versions.length });
    await Promise.all(held.siblings.filter(isGhost).map((sibling) => this.#keepAside(key, sibling)));
    if (first === undefined) await graveyard.remove(key);
    else await store.put(key, { context: held.context, siblings: [first, ...rest] });
  }

  /** Keeps ghosts aside, makes silent loss heard, and says what was refused. */
  #report(admitted: Admitted, kept: Promise<void>[]): RefusedVersions[] {
    const { log, metrics } = this.#ports;
    const refused: RefusedVersions[] = [];
    for (const { key, quarantined, alarming } of admitted.merged) {
      if (alarming.length > 0) {
        metrics.count("hearsay_silent_loss_alarms_total", alarming.length);
        log.error("silent_loss_suspected", { key, versions: alarming.length });
      }
      if (quarantined.length === 0) continue;
      metrics.count("hearsay_ghosts_quarantined_total", quarantined.length);
      log.warn("ghost_quarantined", { key, versions: quarantined.length });
      kept.push(...quarantined.map((sibling) => this.#keepAside(key, sibling)));
      refused.push({ key, versions: quarantined.map(({ version }) => version) });
    }
    return refused;
  }

  async #keepAside(key: string, sibling: Sibling): Promise<void> {
    const { graveyard, log, metrics } = this.#ports;
    if (await graveyard.quarantine(key, sibling)) return;
    metrics.count("hearsay_ghosts_not_kept_total", 1);
    log.error("ghost_not_kept", { key, time: sibling.version.time });
  }
}
