/** The replica as exchanges and rumors see it: merging under the ghost rule, and what follows from its verdicts. */
import {
  type Completeness,
  dropRefused,
  type ExchangeOffer,
  type HlcTime,
  holds,
  type KeyedRecord,
  type KeyRecord,
  type NodeId,
  type RefusedVersions,
  type Sibling,
  type Standing,
} from "@hearsay/core";
import { type Readable, readOrLost } from "../damaged.ts";
import type { ExchangeReplica, MergedBatch } from "../exchange/replica.ts";
import type { Admitted } from "../merging.ts";
import type { Node } from "../node.ts";
import { PeerFault } from "../peer-fault.ts";
import type { Clock, Log, Metrics, RecordStore } from "../ports.ts";
import type { CompletenessKeeper } from "./completeness-keeper.ts";
import type { DigestStore, GhostKeeping, Graveyard } from "./ports.ts";

/** Damaged records that are forgotten after one exchange; the next one goes on. */
const MAX_DAMAGED_DROPPED = 1000;

export interface LocalReplicaPorts {
  readonly node: Node;
  readonly store: RecordStore;
  readonly digests: DigestStore;
  readonly graveyard: Graveyard;
  readonly keeper: CompletenessKeeper;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Settles when everything put so far is committed. */
  flush(): Promise<void>;
  tableHash(): string;
  staying(): boolean;
}

export class LocalReplica implements ExchangeReplica {
  readonly id: NodeId;
  readonly digests: DigestStore;
  readonly #ports: LocalReplicaPorts;
  #alarms = 0;
  #senders: Set<NodeId> | undefined;
  #isOver = false;

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

  wallMs(): number {
    return this.#ports.clock.nowMs();
  }

  /** Versions taken with an alarm since the start: this node or the sender has lost data without noticing. */
  get alarms(): number {
    return this.#alarms;
  }

  latestTime(): HlcTime {
    return this.#ports.node.latestTime;
  }

  async ownTime(): Promise<HlcTime> {
    return await this.#ports.node.ownTime();
  }

  get(key: string): KeyRecord | undefined {
    return this.read(key).record;
  }

  read(key: string): Readable {
    return readOrLost(() => this.#ports.store.peek(key));
  }

  async flush(): Promise<void> {
    await this.#ports.flush();
  }

  takesFrom(peer: NodeId): void {
    this.#senders?.add(peer);
  }

  /** From now on those of whom this node takes records are put in here; undefined ends it. */
  noteSenders(senders: Set<NodeId> | undefined): void {
    this.#senders = senders;
  }

  /** This run is over, and takes nothing any more. */
  stop(): void {
    this.#isOver = true;
  }

  merge(
    records: readonly KeyedRecord[],
    sender: Standing,
    refused: readonly RefusedVersions[] = [],
  ): MergedBatch | undefined {
    const { node, store, graveyard, keeper, log } = this.#ports;
    if (this.#isOver) throw new PeerFault({ code: "busy" });
    const standing = this.standing();
    const kept: Promise<void>[] = [];
    try {
      const dropped = this.#heldOf(refused);
      // Aside first: all that is put in one turn is committed together, or what comes first is committed before.
      for (const { key, ghosts } of dropped) {
        kept.push(...ghosts.map((sibling) => this.#keepAside(key, sibling, "dropped")));
      }
      const admitted = node.admit(records, standing, sender, refused);
      if ("code" in admitted) {
        if (admitted.code !== "floors_differ") throw new PeerFault(admitted);
        for (const commit of kept) commit.catch(() => undefined);
        return undefined;
      }
      kept.push(admitted.committed);
      for (const { key, ghosts } of dropped) log.warn("ghost_dropped", { key, versions: ghosts.length });
      if (admitted.disturbing) kept.push(keeper.disturbed());
      const ownRefused = this.#report(admitted, kept);
      for (const { key, record } of admitted.merged) {
        if (record !== undefined) continue;
        // What is damaged is forgotten after an exchange only, when all that was in it may have gone as well.
        const held = readOrLost(() => store.latest(key)).record;
        if (held !== undefined) kept.push(graveyard.remove(key));
      }
      const committed = Promise.all(kept).then(() => undefined);
      return { merged: admitted.merged, refused: ownRefused, committed };
    } catch (error) {
      for (const commit of kept) commit.catch(() => undefined);
      throw error;
    }
  }

  async takeMail(
    records: readonly KeyedRecord[],
    sender: Standing,
  ): Promise<readonly (KeyRecord | undefined)[]> {
    const { node, keeper } = this.#ports;
    if (this.#isOver) throw new PeerFault({ code: "busy" });
    const { floor } = this.completeness;
    const taken = node.takeMail(records, floor, Math.max(floor, sender.floor));
    if ("code" in taken) throw new PeerFault(taken);
    await Promise.all(taken.disturbing ? [taken.committed, keeper.disturbed()] : [taken.committed]);
    return taken.records;
  }

  async dropPurgedDamage(): Promise<void> {
    const { floor } = this.completeness;
    const { node, graveyard } = this.#ports;
    // What is found damaged in an incarnation ends it: what is left was damaged before, and so written before.
    const keys = await graveyard.dropDamaged(floor, node.identity.since, MAX_DAMAGED_DROPPED);
    const [first] = keys;
    if (first !== undefined) this.#ports.log.warn("damaged_dropped", { keys: keys.length, first, floor });
  }

  acceptOffer({ time, vector }: ExchangeOffer): ExchangeOffer {
    const { node } = this.#ports;
    const drift = node.observe(time);
    if (drift !== undefined) throw new PeerFault(drift);
    return { time, vector: new Map([...vector].filter(([, at]) => node.observe(at) === undefined)) };
  }

  async settleFloor(floor: HlcTime): Promise<void> {
    await this.#ports.keeper.settleFloor(floor);
  }

  /** The siblings held here that are to be dropped, by key. */
  #heldOf(
    refused: readonly RefusedVersions[],
  ): { readonly key: string; readonly ghosts: readonly Sibling[] }[] {
    return refused.flatMap(({ key, versions }) => {
      const { record: held } = readOrLost(() => this.#ports.store.latest(key));
      if (held === undefined) return [];
      const left = dropRefused(held, versions, this.completeness.floor);
      const ghosts = held.siblings.filter(({ version }) => left === undefined || !holds(left, version));
      return ghosts.length === 0 ? [] : [{ key, ghosts }];
    });
  }

  /** Keeps ghosts aside, makes silent loss heard, and says what was refused. */
  #report(admitted: Admitted, kept: Promise<void>[]): RefusedVersions[] {
    const { log, metrics } = this.#ports;
    const refused: RefusedVersions[] = [];
    for (const { key, quarantined, alarming } of admitted.merged) {
      if (alarming.length > 0) {
        this.#alarms += alarming.length;
        metrics.count("hearsay_silent_loss_alarms_total", alarming.length);
        log.error("silent_loss_suspected", { key, versions: alarming.length });
      }
      if (quarantined.length === 0) continue;
      metrics.count("hearsay_ghosts_quarantined_total", quarantined.length);
      log.warn("ghost_quarantined", { key, versions: quarantined.length });
      kept.push(...quarantined.map((sibling) => this.#keepAside(key, sibling, "refused")));
      refused.push({ key, versions: quarantined.map(({ version }) => version) });
    }
    return refused;
  }

  #keepAside(key: string, sibling: Sibling, why: GhostKeeping["why"]): Promise<void> {
    const { graveyard, clock, log, metrics } = this.#ports;
    return graveyard.quarantine(key, sibling, { atMs: clock.nowMs(), why }).then((isKept) => {
      if (isKept) return;
      metrics.count("hearsay_ghosts_not_kept_total", 1);
      log.error("ghost_not_kept", { key, time: sibling.version.time });
    });
  }
}
