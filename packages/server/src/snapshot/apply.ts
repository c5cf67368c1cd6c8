/** Puts the records of a checked snapshot into a running node. */
import type { RestoreMode, RestoreReport } from "@hearsay/api";
import {
  covers,
  type HlcTime,
  HybridLogicalClock,
  isLive,
  type KeyRecord,
  type Sibling,
  type Value,
  winner,
} from "@hearsay/core";
import { readOrLost, type WriteFault } from "@hearsay/node";
import { ApiProblem } from "../http/problem.ts";
import { clockDrift } from "../http/problems-of-node.ts";
import { isContentType } from "../http/query.ts";
import type { Services } from "../services.ts";
import { isRestoringExactly, noteExactRestore, settleExactRestore } from "./exact-mark.ts";
import { inspectSnapshot, type SnapshotRecord, snapshotRecords } from "./records.ts";

/** What is written before the disk is waited for. */
const CHUNK_RECORDS = 256;
const CHUNK_BYTES = 1024 * 1024;

export interface Restore {
  readonly path: string;
  readonly mode: RestoreMode;
  readonly dryRun: boolean;
  /** With `as-new`: keys that are deleted here get their values back. */
  readonly revive: boolean;
}

/** How far a restore came, also when it fails. */
export interface RestoreProgress {
  records: number;
  applied: number;
  skippedHeld: number;
  skippedDeleted: number;
}

/** @throws StoreError, ApiProblem; what `progress` counts as applied by then may be in effect */
export async function applySnapshot(
  services: Services,
  restore: Restore,
  progress: RestoreProgress,
): Promise<RestoreReport> {
  services.cluster.admitWrite();
  if (restore.mode === "exact") await prepareExact(services, restore);
  const writer = new ChunkedWriter();
  try {
    const inspect = (item: SnapshotRecord): void => refuseStrange(services, item);
    let isNoted = restore.mode !== "exact" || restore.dryRun;
    for await (const { key, record } of snapshotRecords(restore.path, inspect)) {
      progress.records += 1;
      const write = decide(services, restore, key, record, progress);
      if (write === undefined) continue;
      if (restore.mode === "exact") admitExact(services);
      services.cluster.admitWrite();
      if (!isNoted) await noteExactRestore(services.store.meta);
      isNoted = true;
      progress.applied += 1;
      if (!restore.dryRun) await writer.add(write(), bytesOf(record));
    }
    await writer.flush();
    if (!restore.dryRun) await settleExactRestore(services.store.meta);
  } catch (error) {
    await writer.abandon();
    throw error;
  }
  return { mode: restore.mode, dryRun: restore.dryRun, ...progress };
}

/**
 * Old versions that appear on one member of several would make its watermark untrue, and pass for ghosts. A cluster of one
 * has told nobody what it holds, and who joins it takes everything over.
 * @throws ApiProblem `not_alone`
 */
function admitExact({ cluster }: Services): void {
  if (cluster.size > 1) throw new ApiProblem("not_alone", { members: { counted: cluster.size } });
}

/**
 * What no client could have written here: no message carries a value that is larger than the limit, so it would stay on this
 * node alone, and every exchange with the others would fail of it.
 * @throws ApiProblem `body_too_large`, `snapshot_corrupt`
 */
function refuseStrange({ settings }: Services, { key, record }: SnapshotRecord): void {
  const maxBytes = settings["limits.maxValueBytes"];
  for (const sibling of record.siblings) {
    if (sibling.kind !== "value") continue;
    const { bytes, contentType } = sibling;
    if (bytes.length > maxBytes) {
      throw new ApiProblem("body_too_large", {
        detail: `The value of ${JSON.stringify(key)} has ${bytes.length} bytes, at most ${maxBytes} are taken (limits.maxValueBytes). Nothing was restored.`,
        members: { maxBytes },
      });
    }
    if (isContentType(contentType)) continue;
    const detail = `The content type of ${JSON.stringify(key)} is longer than 255 bytes, or not printable.`;
    throw new ApiProblem("snapshot_corrupt", { detail });
  }
}

/**
 * What an exact restore that was cut off has left is in the same snapshot, and merges with it.
 * @throws ApiProblem `store_not_empty`
 */
export function admitIntoEmpty({ store }: Services): void {
  if (store.stats().records > 0 && !isRestoringExactly(store.meta)) throw new ApiProblem("store_not_empty");
}

/** Every version of the snapshot has to lie behind the clock before the first record is stored. */
async function prepareExact(services: Services, restore: Restore): Promise<void> {
  admitExact(services);
  admitIntoEmpty(services);
  const { newest } = await inspectSnapshot(restore.path, services.clock.nowMs());
  const drift = restore.dryRun ? driftOf(services, newest) : services.node.observe(newest);
  if (drift !== undefined) throw clockDrift(drift, "The snapshot's newest version");
}

/** What the node's clock would say, which stays as it is. */
function driftOf({ settings, clock }: Services, time: HlcTime): WriteFault | undefined {
  const fresh = new HybridLogicalClock({ durableBound: 0, maxDriftMs: settings["clock.maxDriftMs"] });
  return fresh.observe(time, clock.nowMs());
}

/** What to write for the key; undefined when nothing is, which is then counted. */
function decide(
  services: Services,
  { mode, revive }: Restore,
  key: string,
  record: KeyRecord,
  progress: RestoreProgress,
): (() => Promise<void>) | undefined {
  if (mode === "exact") return () => merged(services, key, record);
  const nowMs = services.clock.nowMs();
  const value = winner(record);
  if (!isLive(value, nowMs)) {
    progress.skippedDeleted += 1;
    return undefined;
  }
  const held = revive ? "nothing" : whatIsHeld(services, key, record, value);
  if (held === "deletion" || (held === "unknown" && mode !== "missing")) {
    progress.skippedDeleted += 1;
    return undefined;
  }
  if (held !== "nothing" && mode === "missing") {
    progress.skippedHeld += 1;
    return undefined;
  }
  return () => writtenAnew(services, key, value, nowMs);
}

/** `unknown`: what is damaged here is newer than the snapshot's, and may have been a deletion. */
function whatIsHeld(
  services: Services,
  key: string,
  record: KeyRecord,
  value: Sibling,
): "nothing" | "value" | "deletion" | "unknown" {
  const { record: held, lost } = readOrLost(() => services.node.latest(key));
  if (held !== undefined) return isLive(winner(held), services.clock.nowMs()) ? "value" : "deletion";
  if (lost === undefined || lost.length === 0) return isPurged(services, value) ? "deletion" : "nothing";
  return lost.every((version) => covers(record.context, version)) ? "nothing" : "unknown";
}

/**
 * Whether a value that this node does not hold was deleted here, and the deletion purged. A complete node knows that of all
 * that members of its own cluster wrote at or below the floor. What an unknown id wrote comes from another cluster.
 */
function isPurged({ cluster: { attached } }: Services, { version: { time, node } }: Sibling): boolean {
  if (attached === undefined || !attached.standing.complete || time > attached.standing.floor) return false;
  const { membership, id } = attached;
  return node === id || membership.peer(node) !== undefined || membership.isRetired(node);
}

function merged(services: Services, key: string, record: KeyRecord): Promise<void> {
  const outcome = services.node.merge(key, record);
  if ("code" in outcome) throw clockDrift(outcome, "The snapshot's newest version");
  return outcome;
}

function writtenAnew(services: Services, key: string, value: Value, nowMs: number): Promise<void> {
  const { bytes, contentType, expiresAtMs } = value;
  const ttlMs = expiresAtMs === null ? null : expiresAtMs - nowMs;
  const written = services.node.write(key, { kind: "value", bytes, contentType, ttlMs }, undefined);
  if ("code" in written) throw clockDrift(written, "The write");
  return written.committed;
}

function bytesOf(record: KeyRecord): number {
  let bytes = 0;
  for (const sibling of record.siblings) if (sibling.kind === "value") bytes += sibling.bytes.length;
  return bytes;
}

/** Waits for the disk once for each chunk. */
class ChunkedWriter {
  #pending: Promise<void>[] = [];
  #bytes = 0;

  async add(write: Promise<void>, bytes: number): Promise<void> {
    // It may fail while the next record is read, before anybody waits for it.
    write.catch(() => undefined);
    this.#pending.push(write);
    this.#bytes += bytes;
    if (this.#pending.length >= CHUNK_RECORDS || this.#bytes >= CHUNK_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    this.#bytes = 0;
    await Promise.all(pending);
  }

  /** Waits for what is on its way, whatever comes of it: something else has failed already. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#pending);
  }
}
