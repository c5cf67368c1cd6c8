/**
 * A few replicas with real records, clocks, completeness and ghost rule, joined by a network that delays, reorders,
 * loses and cuts, on virtual time and one seed. What they may never do is checked after every step. Each rule the
 * cluster relies on can be taken away, to see that the checks notice.
 */
import { type HlcTime, hlcFromMs } from "../clock.ts";
import type { ClientContext } from "../context.ts";
import { randomBelow, SeededRandom } from "../random.ts";
import { applyWrite, type KeyRecord, latestTime, purgeableFrom, type Sibling } from "../record.ts";
import { sameVersion, type Version } from "../version.ts";
import { admitMail } from "./admission.ts";
import { Completeness } from "./completeness.ts";
import { checkShown, checkWatermark, isCovered, knows } from "./small-checks.contract.ts";
import { Exchanges } from "./small-exchange.contract.ts";
import { RETENTION, Replica, type Table, type Write } from "./small-replica.contract.ts";

export type Rule =
  /** An exchange counts once all it brought is committed. */
  | "claims follow commits"
  /** A node offers a time below every own write that is not committed. */
  | "own time stays below pending writes"
  | "ghost rule"
  /** Tombstones go by the floor, not by their age. */
  | "purging follows the floor"
  | "stopped members count"
  | "joiners wait with their writes"
  /** A retirement is settled after everything accepted from that node is committed, and units say when. */
  | "retirements are settled";

export class Cluster {
  readonly replicas: Map<string, Replica> = new Map();
  readonly writes: Write[] = [];
  readonly random: SeededRandom;
  readonly #without: readonly Rule[];
  readonly #exchanges: Exchanges = new Exchanges(this);
  readonly #net: {
    readonly from: Replica;
    readonly to: string;
    readonly dueMs: number;
    run(to: Replica): void;
  }[] = [];
  readonly cut: Set<string> = new Set();
  readonly counts = { watermarks: 0, purged: 0, quarantined: 0, alarms: 0, exchanges: 0 };
  nowMs = 1000;

  constructor(seed: number, without: readonly Rule[]) {
    this.random = new SeededRandom(seed);
    this.#without = without;
    const ids = new Set(["a~1", "b~2", "c~3"]);
    for (const id of ids) this.replicas.set(id, new Replica(id, { ids, retired: new Set() }, "founder"));
  }

  has(rule: Rule): boolean {
    return !this.#without.includes(rule);
  }

  chance(share: number): boolean {
    return this.random.next() < share;
  }

  replica(id: string): Replica {
    const replica = this.replicas.get(id);
    if (replica === undefined) throw new Error(`no replica ${id}`);
    return replica;
  }

  get live(): Replica[] {
    return [...this.replicas.values()].filter((replica) => replica.up && !replica.gone);
  }

  // Time, members, units

  ownTime(at: Replica): HlcTime {
    const pending = this.has("own time stays below pending writes")
      ? at.queue.find((commit) => commit.own !== undefined)?.own
      : undefined;
    return pending === undefined ? at.clock.tick(this.nowMs) : pending - 1;
  }

  members(at: Replica): { ids: string[]; tableHash: string } {
    const ids = at.counted.filter(
      (id) => this.has("stopped members count") || this.replicas.get(id)?.up === true,
    );
    return { ids, tableHash: `${at.counted} ${[...at.settled].sort()}` };
  }

  /** Makes a unit and takes what watermark follows; every rise is checked. */
  judge(at: Replica): void {
    const members = this.members(at);
    at.completeness.unit(members, this.ownTime(at), at.clock.tick(this.nowMs));
    for (const event of at.completeness.advance(members)) {
      if (event.kind !== "watermark") continue;
      this.counts.watermarks += 1;
      checkWatermark(this, at, event.watermark);
    }
    this.purge(at);
  }

  gossip(from: Replica, to: string): void {
    this.judge(from);
    const units = from.counted.map((id) => [id, from.completeness.unitOf(id)] as const);
    this.send(from, to, (at) => {
      for (const [id, unit] of units) if (unit !== undefined) at.completeness.absorb(id, unit);
      this.judge(at);
    });
  }

  #adoptTable(at: Replica, table: Table): void {
    for (const id of table.ids) at.ids.add(id);
    for (const id of table.retired) this.retire(at, id);
  }

  retire(at: Replica, id: string): void {
    if (at.retired.has(id)) return;
    at.retired.add(id);
    if (id === at.id) {
      at.gone = true;
      return;
    }
    const settle = () => {
      at.settled.add(id);
      at.completeness.retirementSettled(this.has("retirements are settled") ? at.clock.tick(this.nowMs) : 0);
    };
    // A commit later than everything accepted from that node: other things happen in between.
    const settleNext = () => at.queue.push({ own: undefined, run: settle });
    if (this.has("retirements are settled")) at.queue.push({ own: undefined, run: settleNext });
    else settle();
  }

  // Records

  write(at: Replica, key: string, tombstone: boolean, read: KeyRecord | undefined): void {
    const seen: ClientContext | undefined = read && { vector: read.context, dot: undefined };
    if (read !== undefined) at.clock.observe(latestTime(read), this.nowMs);
    const version: Version = { time: at.clock.tick(this.nowMs), node: at.id };
    const sibling: Sibling = tombstone
      ? { kind: "tombstone", version }
      : { kind: "value", version, bytes: new Uint8Array(), contentType: "", expiresAtMs: null };
    const held = at.latest.get(key);
    const write: Write = { key, sibling, covered: new Set(), acknowledged: false, givenUp: false };
    for (const known of (read ?? held)?.siblings ?? []) {
      const earlier = this.writes.find(({ sibling: its }) => sameVersion(its.version, known.version));
      if (earlier !== undefined) for (const each of [earlier, ...earlier.covered]) write.covered.add(each);
    }
    this.writes.push(write);
    const record = applyWrite(held, sibling, seen);
    at.set(key, record, version.time, () => {
      write.acknowledged = true;
      write.givenUp = at.forgotten;
      for (const to of at.peers) {
        if (!this.chance(0.6)) continue;
        const slow = this.chance(0.2) ? randomBelow(this.random, 150) : 0;
        this.send(at, to, (peer) => this.#takeMail(peer, key, record), slow);
      }
    });
  }

  #takeMail(at: Replica, key: string, record: KeyRecord): void {
    at.clock.observe(latestTime(record), this.nowMs);
    const held = at.latest.get(key);
    const floor = this.has("ghost rule") ? at.completeness.floor : 0;
    // Mail says nothing of its sender's floor here.
    const merged = admitMail(held, record, floor, floor);
    if (merged !== held) at.set(key, merged);
  }

  purge(at: Replica): void {
    // The floor is durable before anything is purged to it, and everything with it.
    if (at.completeness.floor > at.saved.floor) at.saved = at.completeness.state;
    const byAge = hlcFromMs(this.nowMs) - RETENTION;
    const limit = this.has("purging follows the floor") ? at.completeness.floor : byAge;
    for (const [key, record] of at.durable) {
      const from = purgeableFrom(record);
      if (from === undefined || from > limit || at.latest.get(key) !== record) continue;
      at.durable.delete(key);
      at.latest.delete(key);
      this.counts.purged += 1;
    }
  }

  // Network and life

  send(from: Replica, to: string, run: (to: Replica) => void, slowMs = 0): void {
    const table: Table = { ids: new Set(from.ids), retired: new Set(from.retired) };
    this.#net.push({
      from,
      to,
      dueMs: this.nowMs + slowMs,
      run: (at) => this.#receive(from, at, table, run),
    });
  }

  #receive(from: Replica, at: Replica, table: Table, run: (to: Replica) => void): void {
    if (!at.up || at.gone) return;
    if (at.retired.has(from.id)) {
      if (!from.gone && from.up) this.#adoptTable(from, at);
      return;
    }
    this.#adoptTable(at, table);
    if (!at.gone && !at.retired.has(from.id)) run(at);
  }

  /** One message that is due arrives, mostly the oldest, or is lost. */
  deliver(lossShare: number): boolean {
    const due = this.#net.filter((message) => message.dueMs <= this.nowMs);
    const message = due[this.chance(0.7) ? 0 : randomBelow(this.random, due.length)];
    if (message === undefined) return false;
    this.#net.splice(this.#net.indexOf(message), 1);
    const to = this.replicas.get(message.to);
    const isCut = this.cut.has(message.from.id + message.to) || this.cut.has(message.to + message.from.id);
    if (to !== undefined && !isCut && !this.chance(lossShare)) message.run(to);
    return true;
  }

  stop(at: Replica): void {
    at.up = false;
    at.queue = [];
    at.latest = new Map(at.durable);
  }

  /** Vector and completeness may come back older than they were. */
  restart(at: Replica): void {
    at.up = true;
    at.starts += 1;
    const { watermark, settledAt } = at.completeness.state;
    at.completeness = new Completeness(at.id, RETENTION, { ...at.saved, watermark, settledAt });
    for (const id of at.retired) at.settled.add(id);
    if (at.retired.size > 0) at.completeness.retirementSettled(at.clock.tick(this.nowMs));
  }

  join(id: string, via: Replica): Replica {
    const joiner = new Replica(id, via, "joiner");
    joiner.clock.observe(via.clock.tick(this.nowMs), this.nowMs);
    joiner.completeness.adoptFloor(via.completeness.floor);
    this.replicas.set(id, joiner);
    for (const to of joiner.peers) this.exchange(joiner, to);
    return joiner;
  }

  /** A joiner takes writes once most of the members it counts have recorded it. */
  takesWrites(at: Replica): boolean {
    const recorded = at.counted.filter((id) => this.replicas.get(id)?.ids.has(at.id) === true);
    const isRecorded = !this.has("joiners wait with their writes") || recorded.length * 2 > at.counted.length;
    if (isRecorded) at.completeness.recordedByMajority();
    return isRecorded;
  }

  backUp(at: Replica): void {
    const table: Table = { ids: new Set(at.ids), retired: new Set(at.retired) };
    at.backup = { records: new Map(at.durable), state: at.completeness.state, table };
  }

  /** The old copy takes the place of the directory, and its node comes back as another one. */
  restore(at: Replica, id: string): Replica {
    const { records, state, table } = at.backup ?? { records: at.durable, state: at.saved, table: at };
    const fresh = new Replica(id, table, state);
    for (const [key, record] of records) fresh.durable.set(key, record);
    fresh.latest = new Map(records);
    fresh.clock.observe(state.watermark, this.nowMs);
    for (const record of records.values()) fresh.clock.observe(latestTime(record), this.nowMs);
    this.replicas.set(id, fresh);
    at.up = false;
    at.gone = true;
    this.#giveUp();
    this.retire(fresh, at.id);
    for (const to of fresh.peers) this.exchange(fresh, to);
    return fresh;
  }

  forget(by: Replica, id: string): void {
    const lost = this.replicas.get(id);
    if (lost !== undefined) lost.forgotten = true;
    this.#giveUp();
    this.retire(by, id);
  }

  /** What nobody who is left knows is lost. */
  #giveUp(): void {
    const others = [...this.replicas.values()].filter((replica) => !replica.gone && !replica.forgotten);
    for (const write of this.writes) {
      const isKnown = others.some((replica) => knows(replica.durable.get(write.key), write.sibling.version));
      if (write.acknowledged && !isKnown) write.givenUp = true;
    }
  }

  exchange(asker: Replica, peer: string): void {
    this.#exchanges.begin(asker, peer);
  }

  isCovered(write: Write): boolean {
    return isCovered(this, write);
  }

  checkShown(at: Replica): void {
    checkShown(this, at);
  }
}
