/** What a cluster of small replicas may never come to. */
import type { HlcTime } from "../clock.ts";
import { covers } from "../context.ts";
import { holds, type KeyRecord } from "../record.ts";
import { formatVersion, sameVersion, type Version } from "../version.ts";
import type { Cluster } from "./small-cluster.contract.ts";
import type { Replica, Write } from "./small-replica.contract.ts";

export class Violation extends Error {}

export function isCovered({ writes, live }: Cluster, write: Write): boolean {
  return writes.some(
    (later) => later.covered.has(write) && (later.acknowledged || live.some((at) => isIn(at.latest, later))),
  );
}

/** @throws Violation where a counted member lacks what the watermark says all hold */
export function checkWatermark(cluster: Cluster, by: Replica, watermark: HlcTime): void {
  const members = by.counted
    .map((id) => cluster.replica(id))
    .filter(({ gone, forgotten }) => !gone && !forgotten);
  for (const write of cluster.writes) {
    const { version } = write.sibling;
    if (!write.acknowledged || version.time > watermark || isCovered(cluster, write)) continue;
    const lacking = members.filter((member) => !holdsOrPurged(member, write));
    // A write given up counts from when a member holds it all the same.
    const isAnywhere = members.some((member) => isIn(member.durable, write));
    if (lacking[0] === undefined || (write.givenUp && !isAnywhere)) continue;
    throw new Violation(
      `${by.id} has watermark ${watermark}, but ${lacking[0].id} lacks ${formatVersion(version)}`,
    );
  }
}

/** A replica never shows a value again that it has seen superseded; one that is incomplete may, until it is told. */
export function checkShown({ writes }: Cluster, at: Replica): void {
  if (at.gone) return;
  for (const [key, record] of at.durable) {
    for (const { kind, version } of record.siblings) {
      if (kind === "value" && at.completeness.complete && at.hidden.has(formatVersion(version))) {
        throw new Violation(`${at.id} shows ${key} ${formatVersion(version)} again`);
      }
      const write = writes.find(({ sibling }) => sameVersion(sibling.version, version));
      for (const earlier of write?.covered ?? []) at.hidden.add(formatVersion(earlier.sibling.version));
    }
  }
}

export function knows(record: KeyRecord | undefined, version: Version): boolean {
  return record !== undefined && covers(record.context, version);
}

function isIn(records: ReadonlyMap<string, KeyRecord>, { key, sibling }: Write): boolean {
  const record = records.get(key);
  return record !== undefined && holds(record, sibling.version);
}

function holdsOrPurged(at: Replica, write: Write): boolean {
  const { kind, version } = write.sibling;
  return isIn(at.durable, write) || (kind === "tombstone" && version.time <= at.completeness.floor);
}
