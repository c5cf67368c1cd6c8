/** Group commit, merging, the ghost rule and purging: what a node of the model does with records. */
import {
  applyWrite,
  contextAfterWrite,
  covers,
  type HlcTime,
  hlcFromMs,
  type KeyRecord,
  latestTime,
  mergeRecords,
  type NodeId,
  type Sibling,
  sameVersion,
  type Version,
} from "@hearsay/core";
import { checkAlarm, checkGhost, checkPurge, checkShown, checkWrite } from "./checks.ts";
import type { KeyedRecord, Refusal, Standing } from "./messages.ts";
import { send } from "./network.ts";
import {
  type Client,
  type Host,
  isComplete,
  keeps,
  log,
  observe,
  shortId,
  shortTime,
  tick,
  type World,
  wallMs,
} from "./state.ts";
import { deadFrom, describe, everythingIn, type Fact } from "./truth.ts";

/** Makes the oldest pending steps durable, in order. */
export function commit(world: World, host: Host, count: number): void {
  for (const step of host.queue.splice(0, count)) {
    if (step.kind === "then") {
      step.run();
      continue;
    }
    if (step.record === undefined) {
      host.disk.records.delete(step.key);
      continue;
    }
    host.disk.records.set(step.key, step.record);
    for (const { version } of step.record.siblings) {
      const fact = world.truth.of({ kind: "tombstone", version });
      world.truth.noteHeld(host.disk.id, fact, host.clock.last);
    }
    checkShown(world, host, step.key);
    if (step.own !== undefined) acknowledge(world, host, step.own, step.record, step.mailTo);
  }
}

function acknowledge(
  world: World,
  host: Host,
  own: Fact,
  record: KeyRecord,
  mailTo: readonly string[],
): void {
  own.committed = true;
  if (world.truth.forgotten.has(host.disk.id)) own.excused = "written by a forgotten node";
  for (const [id, standing] of host.disk.table) {
    if (standing !== "counted" || !mailTo.some((name) => id.startsWith(`${name}~`))) continue;
    host.mailed.set(`${id} ${own.key}`, world.nowMs);
    send(world, host, id, { kind: "mail", key: own.key, record });
  }
}

export interface Writing {
  readonly key: string;
  /** Undefined: a tombstone. Null: a value that does not expire. */
  readonly ttlMs: number | null | undefined;
  readonly client: string | undefined;
  readonly mailTo: readonly string[];
}

/** A client's write. Without a client's name it covers all that the node holds. */
export function write(world: World, host: Host, writing: Writing): void {
  const { key, ttlMs, mailTo } = writing;
  const client = clientOf(world, writing.client, key);
  const current = host.latest.get(key);
  if (client !== undefined && keeps(world, "context-observed")) {
    const newest = Math.max(0, client.dot?.time ?? 0, ...client.vector.values());
    if (!observe(world, host, newest)) return;
  }
  const version: Version = { time: tick(world, host), node: host.disk.id };
  const sibling = newSibling(version, ttlMs, wallMs(world, host));
  const seen = client === undefined ? undefined : { vector: client.vector, dot: client.dot };
  const record = applyWrite(current, sibling, seen);
  const seenFacts = client?.seen ?? everythingIn(world.truth, current?.siblings ?? []);
  // A record cannot cover a client's last write that its node has not received yet: the two stay beside each other.
  const covered = new Set(
    [...seenFacts].filter(
      (fact) => covers(record.context, fact.sibling.version) && !record.siblings.includes(fact.sibling),
    ),
  );
  const removed = (current?.siblings ?? []).filter((held) => !record.siblings.includes(held));
  checkWrite(world, host, sibling, seenFacts, removed);
  const fact = world.truth.record(key, sibling, covered);
  host.latest.set(key, record);
  host.queue.push({ kind: "record", key, record, own: fact, mailTo });
  log(world, host, `writes ${describe(fact)}`);
  if (client === undefined || writing.client === undefined) return;
  const after = contextAfterWrite(record, seen);
  const alone = after.dot === undefined;
  world.clients.set(writing.client, {
    key,
    vector: alone || keeps(world, "clients-dot") ? after.vector : record.context,
    dot: after.dot,
    seen: alone ? everythingIn(world.truth, record.siblings) : new Set([...covered, fact]),
  });
}

/** A client of its own for a key that has read nothing yet starts with an empty context. */
function clientOf(world: World, name: string | undefined, key: string): Client | undefined {
  if (name === undefined) return undefined;
  const known = world.clients.get(name);
  if (known !== undefined && known.key === key) return known;
  return { key, vector: new Map<NodeId, number>(), dot: undefined, seen: new Set<Fact>() };
}

function newSibling(version: Version, ttlMs: number | null | undefined, nowMs: number): Sibling {
  if (ttlMs === undefined) return { kind: "tombstone", version };
  const expiresAtMs = ttlMs === null ? null : nowMs + ttlMs;
  return { kind: "value", version, bytes: new Uint8Array(), contentType: "text/plain", expiresAtMs };
}

export function read(world: World, host: Host, key: string, client: string): void {
  const record = host.disk.records.get(key);
  if (record === undefined) return;
  const seen = everythingIn(world.truth, record.siblings);
  world.clients.set(client, { key, vector: record.context, dot: undefined, seen });
}

/** What the receiver answers: the versions it keeps out, or that it cannot judge them and the message is void. */
export type Taken = { readonly refused: readonly Refusal[] } | "void";

interface Offered extends KeyedRecord {
  /** What the sender has refused of the versions held here of the key, and has this record in the place of. */
  readonly gone: readonly Refusal[];
}

/**
 * The ghost rule. A live version at or below the floor that a complete node neither holds nor covers was superseded
 * and purged everywhere. The node keeps it out when the sender cannot know better, takes it with an alarm when
 * the sender is complete too, and leaves it to another exchange when both do not stand at the same floor.
 */
export function take(world: World, host: Host, { key, record, gone }: Offered, sender: Standing): Taken {
  if (!observe(world, host, latestTime(record))) return "void";
  const unknown = unknownBelowFloor(host, leftOf(host.latest.get(key), gone), record);
  let refused: readonly Sibling[] = [];
  if (unknown.length > 0 && isComplete(world, host) && keeps(world, "ghosts-kept-out")) {
    if (sender.floor !== host.disk.floor && keeps(world, "judged-at-one-floor")) return "void";
    if (sender.complete && keeps(world, "complete-peers-word")) raiseAlarm(world, host, unknown);
    else refused = unknown;
  } else if (unknown.length > 0 && !sender.complete) host.disturbances += 1;
  dropRefused(world, host, gone);
  for (const ghost of refused) keepOut(world, host, ghost);
  // A context stands for what is taken with it, and goes with the ghosts where nothing is.
  if (refused.length === 0 || bringsMore(record, refused, host.disk.floor))
    mergeInto(host, key, record, refused);
  return { refused: refused.map(({ version }) => ({ key, version })) };
}

/** Mail brings what was just written. What is unknown at or below the floor is not new, and left to exchanges. */
export function takeMail(world: World, host: Host, key: string, record: KeyRecord): void {
  if (keeps(world, "mail-judges-nothing") && unknownBelowFloor(host, host.latest.get(key), record).length > 0)
    return;
  if (observe(world, host, latestTime(record))) mergeInto(host, key, record, []);
}

function unknownBelowFloor(host: Host, held: KeyRecord | undefined, record: KeyRecord): Sibling[] {
  const context = held?.context ?? new Map<NodeId, number>();
  const { floor } = host.disk;
  return record.siblings.filter(
    (sibling) =>
      sibling.version.time <= floor &&
      (deadFrom(sibling) ?? Number.POSITIVE_INFINITY) > floor &&
      !covers(context, sibling.version),
  );
}

function bringsMore(record: KeyRecord, refused: readonly Sibling[], floor: HlcTime): boolean {
  return record.siblings.some(
    (sibling) => !refused.includes(sibling) && (deadFrom(sibling) ?? Number.POSITIVE_INFINITY) > floor,
  );
}

function mergeInto(host: Host, key: string, record: KeyRecord, refused: readonly Sibling[]): void {
  const current = host.latest.get(key);
  const merged = current === undefined ? record : mergeRecords(current, record);
  const kept = without(
    merged,
    refused.map(({ version }) => version),
  );
  if (kept === undefined || kept === current) return;
  host.latest.set(key, kept);
  const before = host.queue.findLast((step) => step.kind === "record" && step.key === key);
  if (before?.kind === "record" && before.drops) before.record = kept;
  else host.queue.push({ kind: "record", key, record: kept, own: undefined, mailTo: [] });
}

/** Of those that go, the context covers no more than it has to: what stands beside them covers none of them. */
function without(record: KeyRecord, versions: readonly Version[]): KeyRecord | undefined {
  const isLeft = ({ version }: Sibling): boolean => !versions.some((other) => sameVersion(version, other));
  const [first, ...rest] = record.siblings.filter(isLeft);
  if (first === undefined) return undefined;
  const context = new Map(record.context);
  for (const sibling of record.siblings) {
    const { node, time } = sibling.version;
    if (!isLeft(sibling) && context.get(node) === time) context.set(node, time - 1);
  }
  return { context, siblings: [first, ...rest] };
}

function keepOut(world: World, host: Host, ghost: Sibling): void {
  const fact = world.truth.of(ghost);
  world.counts.ghosts += 1;
  log(world, host, `keeps out ${describe(fact)}, floor ${shortTime(host.disk.floor)}`);
  checkGhost(host, fact);
}

function raiseAlarm(world: World, host: Host, siblings: readonly Sibling[]): void {
  for (const sibling of siblings) {
    world.counts.alarms += 1;
    const fact = world.truth.of(sibling);
    log(world, host, `takes ${describe(fact)} with an alarm, floor ${shortTime(host.disk.floor)}`);
    checkAlarm(world, host, fact);
  }
}

/** A peer that could judge has refused what this node sent when it could not. */
export function dropRefused(world: World, host: Host, refused: readonly Refusal[]): void {
  for (const refusal of refused) {
    const { key, version } = refusal;
    const fact = world.truth.of({ kind: "tombstone", version });
    const held = host.latest.get(key);
    const left = leftOf(held, [refusal]);
    if (held !== undefined && left?.siblings.length !== held.siblings.length) {
      if (left === undefined) host.latest.delete(key);
      else host.latest.set(key, left);
      host.queue.push({ kind: "record", key, record: left, own: undefined, mailTo: [], drops: true });
    }
    world.counts.drops += 1;
    log(world, host, `drops ${describe(fact)}`);
    checkGhost(host, fact);
  }
}

function leftOf(held: KeyRecord | undefined, refused: readonly Refusal[]): KeyRecord | undefined {
  return held === undefined
    ? undefined
    : without(
        held,
        refused.map(({ version }) => version),
      );
}

/** Removes every record whose siblings are all dead at the floor; each goes as a whole, context and all. */
export function purge(world: World, host: Host): void {
  const { records, floor } = host.disk;
  const byAge = hlcFromMs(wallMs(world, host) - world.settings.retentionMs);
  const limit = keeps(world, "purge-at-the-floor") ? floor : Math.max(floor, byAge);
  const pending = new Set(host.queue.map((step) => (step.kind === "record" ? step.key : "")));
  for (const [key, record] of [...records]) {
    if (pending.has(key)) continue;
    const left = record.siblings.filter((sibling) => (deadFrom(sibling) ?? Number.POSITIVE_INFINITY) > limit);
    const [first, ...rest] = left;
    if (first === undefined) {
      checkPurge(world, host, record, []);
      records.delete(key);
      host.latest.delete(key);
      world.counts.purges += 1;
      log(world, host, `purges ${key} at floor ${shortTime(floor)}`);
    } else if (left.length < record.siblings.length && !keeps(world, "purge-whole-records")) {
      checkPurge(world, host, record, left);
      replace(host, key, { context: record.context, siblings: [first, ...rest] });
    } else if (!keeps(world, "contexts-stay-whole")) replace(host, key, stripped(record, limit));
  }
}

function replace(host: Host, key: string, record: KeyRecord): void {
  host.disk.records.set(key, record);
  host.latest.set(key, record);
}

function stripped(record: KeyRecord, limit: number): KeyRecord {
  const nodes = new Set(record.siblings.map(({ version }) => version.node));
  const context = [...record.context].filter(([node, time]) => time > limit || nodes.has(node));
  return { context: new Map(context), siblings: record.siblings };
}

export function idsText(ids: readonly NodeId[]): string {
  return ids.map(shortId).join();
}
