import { describe, expect, test } from "vitest";
import { randomBelow } from "../random.ts";
import { holds, type KeyRecord } from "../record.ts";
import { formatVersion } from "../version.ts";
import { heldBackBy } from "./held-back.ts";
import { Violation } from "./small-checks.contract.ts";
import { Cluster, type Rule } from "./small-cluster.contract.ts";
import { KEYS, type Replica } from "./small-replica.contract.ts";

const STEPS = 400;

interface Life {
  readonly reads: { readonly key: string; readonly record: KeyRecord }[];
  joins: number;
  forgets: number;
  restores: number;
}

/** One random thing happens at one random replica. */
function step(cluster: Cluster, life: Life): void {
  const { random } = cluster;
  const pick = <T>(items: readonly T[]): T | undefined => items[randomBelow(random, items.length)];
  const at = pick(cluster.live);
  if (at === undefined) return;
  const peer = pick(at.peers);
  const dice = random.next() * 100;
  if (dice < 45) for (let i = 0; i < 2; i++) cluster.deliver(0.05);
  else if (dice < 53) {
    const read = cluster.chance(0.25) ? pick(life.reads) : undefined;
    const key = read?.key ?? pick(KEYS) ?? "x";
    if (cluster.takesWrites(at)) cluster.write(at, key, cluster.chance(0.5), read?.record);
  } else if (dice < 56) {
    const key = pick(KEYS) ?? "x";
    const record = at.durable.get(key);
    if (record !== undefined) life.reads.push({ key, record });
    if (life.reads.length > 4) life.reads.shift();
  } else if (dice < 66) {
    if (peer !== undefined) cluster.exchange(at, peer);
  } else if (dice < 78) {
    if (peer !== undefined) cluster.gossip(at, peer);
  } else if (dice < 88) {
    at.commit(1 + randomBelow(random, at.queue.length + 1));
    if (cluster.chance(0.3)) at.saved = at.completeness.state;
    if (at.backup === undefined && cluster.chance(0.1)) cluster.backUp(at);
  } else if (dice < 90) cluster.cut.add(at.id + peer);
  else if (dice < 92) cluster.cut.clear();
  else if (dice < 94) cluster.stop(at);
  else if (dice < 98) {
    const stopped = pick([...cluster.replicas.values()].filter((replica) => !replica.up && !replica.gone));
    if (stopped !== undefined) cluster.restart(stopped);
  } else if (dice < 99) liveOrDie(cluster, life, at);
  else if (life.restores < 1 && at.backup !== undefined) {
    life.restores += 1;
    cluster.restore(at, `${at.id}'`);
  }
}

function liveOrDie(cluster: Cluster, life: Life, at: Replica): void {
  if (life.joins < 1 && cluster.chance(0.5)) {
    life.joins += 1;
    cluster.join("d~4", at);
  } else if (life.forgets < 1) {
    const dead = at.peers.find((id) => cluster.replicas.get(id)?.up === false || cluster.chance(0.1));
    if (dead === undefined) return;
    life.forgets += 1;
    cluster.forget(at, dead);
  }
}

/** Everything works again; what then has to be true is checked. */
function heal(cluster: Cluster): void {
  cluster.cut.clear();
  for (const replica of cluster.replicas.values()) if (!replica.up && !replica.gone) cluster.restart(replica);
  for (let round = 0; round < 12; round++) meetAll(cluster);
  checkHealed(cluster);
}

/** Everyone exchanges and gossips with everyone. */
function meetAll(cluster: Cluster): void {
  cluster.nowMs += 25;
  for (const at of cluster.live) cluster.takesWrites(at);
  for (const at of cluster.live) {
    for (const to of at.peers) {
      cluster.exchange(at, to);
      drain(cluster);
    }
  }
  for (const at of cluster.live) for (const to of at.peers) cluster.gossip(at, to);
  drain(cluster);
  for (const at of cluster.live) cluster.judge(at);
}

function drain(cluster: Cluster): void {
  while (cluster.deliver(0)) for (const at of cluster.live) if (cluster.chance(0.3)) commitAll(cluster, at);
  for (const at of cluster.live) commitAll(cluster, at);
}

/** A value is deleted, the deletion purged, and an old copy that still has the value comes back. */
function bringGhost(cluster: Cluster): void {
  const [a, b] = [cluster.replica("a~1"), cluster.replica("b~2")];
  cluster.write(a, "x", false, undefined);
  meetAll(cluster);
  cluster.backUp(b);
  cluster.write(a, "x", true, undefined);
  for (let round = 0; round < 4; round++) meetAll(cluster);
  cluster.restore(b, "b~2'");
}

function commitAll(cluster: Cluster, at: Replica): void {
  at.commit();
  cluster.checkShown(at);
}

function checkHealed(cluster: Cluster): void {
  const { live } = cluster;
  const [first] = live;
  if (first === undefined) return;
  for (const at of live) {
    if (at.root !== first.root) throw new Violation(`${at.id} and ${first.id} differ`);
    for (const write of cluster.writes) {
      const { version } = write.sibling;
      const record = at.durable.get(write.key);
      const isHeld = record !== undefined && holds(record, version);
      const isCovered = cluster.isCovered(write);
      const isSuperseded = cluster.writes.some(
        (later) => later.covered.has(write) && later.acknowledged && !later.givenUp,
      );
      if (isSuperseded && isHeld) throw new Violation(`${at.id} revived ${formatVersion(version)}`);
      const isDue = write.acknowledged && !write.givenUp && write.sibling.kind === "value";
      if (isDue && !isCovered && !isHeld) throw new Violation(`${at.id} lost ${formatVersion(version)}`);
      if (write.acknowledged && first.counted.every((id) => cluster.replicas.get(id)?.up === true)) {
        if (at.completeness.watermark < version.time) throw new Violation(`the watermark stands at ${at.id}`);
      }
    }
  }
}

function run(seed: number, without: readonly Rule[] = []): Cluster {
  const cluster = new Cluster(seed, without);
  const life: Life = { reads: [], joins: 0, forgets: 0, restores: seed % 4 === 0 ? 1 : 0 };
  if (seed % 4 === 0) bringGhost(cluster);
  for (let i = 0; i < STEPS; i++) {
    if (cluster.chance(0.4)) cluster.nowMs += 1;
    step(cluster, life);
    for (const at of cluster.live) cluster.checkShown(at);
  }
  heal(cluster);
  return cluster;
}

/** For longer searches; a violation names its seed. */
const SEEDS = Number(process.env["CLUSTER_SEEDS"] ?? 40);

test(
  "the watermark is true, nothing is lost, nothing comes back and no alarm is false, whatever happens",
  () => {
    const total = { watermarks: 0, purged: 0, quarantined: 0, alarms: 0, exchanges: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        const { counts } = run(seed);
        total.watermarks += counts.watermarks;
        total.purged += counts.purged;
        total.quarantined += counts.quarantined;
        total.alarms += counts.alarms;
        total.exchanges += counts.exchanges;
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
    }
    // The runs reach what they are about.
    expect(total.watermarks).toBeGreaterThan(20 * SEEDS);
    expect(total.exchanges).toBeGreaterThan(50 * SEEDS);
    expect(total.purged).toBeGreaterThan(SEEDS);
    expect(total.quarantined).toBeGreaterThan(0);
    expect(total.alarms).toBe(0);
  },
  60_000 + 100 * SEEDS,
);

describe("a rule taken away is noticed:", () => {
  // Some of the first histories suffice; where noticing is rare, the search starts near a history that does.
  test.each<[Rule, number, RegExp]>([
    ["claims follow commits", 1, /has watermark .* lacks/],
    ["own time stays below pending writes", 1, /has watermark .* lacks/],
    ["ghost rule", 1, /again|revived/],
    ["purging follows the floor", 4, /again|revived/],
    ["stopped members count", 1, /has watermark .* lacks/],
    ["retirements are settled", 308, /has watermark .* lacks/],
  ])("%s", (rule, firstSeed, violation) => {
    const noticed: string[] = [];
    for (let seed = firstSeed; seed < firstSeed + 150 && noticed.length === 0; seed++) {
      try {
        run(seed, [rule]);
      } catch (error) {
        if (!(error instanceof Violation)) throw error;
        noticed.push(error.message);
      }
    }
    expect(noticed[0]).toMatch(violation);
  });
});

describe("a joiner whose introducer is forgotten before anyone else has heard of it", () => {
  /** Its first write falls under units that do not know it. Returns that write's time, if it was made. */
  function scenario(without: readonly Rule[]): {
    cluster: Cluster;
    joiner: Replica;
    written: number | undefined;
  } {
    const cluster = new Cluster(1, without);
    const [a, b, c] = [cluster.replica("a~1"), cluster.replica("b~2"), cluster.replica("c~3")];
    const settle = () => {
      while (cluster.deliver(0)) for (const at of cluster.live) at.commit();
      for (const at of cluster.live) at.commit();
    };
    const meet = (at: Replica, other: Replica) => {
      cluster.nowMs += 1;
      cluster.exchange(at, other.id);
      settle();
    };
    for (const link of ["a~1b~2", "a~1c~3", "d~4b~2", "d~4c~3"]) cluster.cut.add(link);
    const joiner = cluster.join("d~4", a);
    settle();
    cluster.stop(a);
    for (const at of [joiner, b]) cluster.forget(at, a.id);
    settle();
    for (let i = 0; i < 2; i++) meet(b, c);
    const mayWrite = cluster.takesWrites(joiner);
    if (mayWrite) cluster.write(joiner, "x", false, undefined);
    settle();
    const written = cluster.writes[0]?.sibling.version.time;
    meet(b, c);
    meet(c, b);
    cluster.gossip(b, c.id);
    settle();
    cluster.cut.delete("d~4c~3");
    for (let i = 0; i < 2; i++) meet(joiner, c);
    cluster.gossip(joiner, c.id);
    settle();
    return { cluster, joiner, written };
  }

  test("takes no write before a majority has recorded it", () => {
    expect(scenario([]).written).toBeUndefined();
  });

  test("makes the watermark untrue when it does not wait", () => {
    expect(() => scenario(["joiners wait with their writes"])).toThrow(/has watermark .* but b~2 lacks/);
  });

  test("is counted by the others once one of them has met it, and holds their watermark until they say so", () => {
    const { cluster, joiner } = scenario([]);
    const c = cluster.replica("c~3");
    expect(c.counted).toEqual(["b~2", "c~3", "d~4"]);
    expect(joiner.counted).toEqual(["b~2", "c~3", "d~4"]);
    const held = heldBackBy(c.completeness, cluster.members(c));
    expect(held.map(({ node, reason }) => [node, reason])).toContainEqual(["b~2", "other_table"]);
  });
});
