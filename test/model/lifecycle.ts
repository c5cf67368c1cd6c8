/** Starts and ends of nodes: stop, crash, doubt, damage, backups brought back, join, leave, forget, reset. */
import { type HlcTime, type NodeId, nodeName } from "@hearsay/core";
import { countedMembers } from "./completeness.ts";
import { adoptTable, announce, settle } from "./membership.ts";
import { send } from "./network.ts";
import { commit } from "./records.ts";
import {
  copyDisk,
  emptyDisk,
  FOUNDERS,
  type Host,
  keeps,
  log,
  mint,
  newClock,
  newHost,
  observe,
  shortId,
  tick,
  type World,
} from "./state.ts";

/** What was not committed is gone; nothing that was acknowledged is. */
export function stop(world: World, host: Host): void {
  halt(host);
  log(world, host, "stops");
}

/** SIGTERM: everything pending is committed first. The node stays a counted member. */
export function stopCleanly(world: World, host: Host): void {
  commit(world, host, host.queue.length);
  for (const id of countedMembers(host)) {
    if (!keeps(world, "stopped-is-counted") && id !== host.disk.id)
      send(world, host, id, { kind: "stopped" });
  }
  halt(host);
  log(world, host, "stops cleanly");
}

/** A power cut where commits had not reached the disk. */
export function loseCache(world: World, host: Host): void {
  halt(host);
  host.disk.records = new Map(host.flushed);
  host.latest = new Map(host.flushed);
  host.hidden.clear();
  host.doubt = true;
  log(world, host, "loses what its disk had not flushed");
  world.truth.excuse(world, "lost with a disk's cache");
  noteMemory(world);
}

function halt(host: Host): void {
  host.up = false;
  host.queue = [];
  host.sessions.clear();
  host.leaving = undefined;
  host.latest = new Map(host.disk.records);
}

export function start(world: World, host: Host): void {
  host.up = true;
  host.clock = newClock(world, host.disk);
  log(world, host, "starts");
  if (host.doubt && keeps(world, "doubt-after-loss")) reincarnate(world, host);
  host.doubt = false;
}

/** Doubt: the data stays, everything that was said about it goes, and so does the name it was said under. */
function reincarnate(world: World, host: Host): void {
  const { disk } = host;
  const old = disk.id;
  if (keeps(world, "doubt-ends-exchanges")) host.sessions.clear();
  commit(world, host, host.queue.length);
  host.leaving = undefined;
  disk.id = mint(world, host.name);
  if (keeps(world, "doubt-empties-vector")) disk.vector.clear();
  disk.complete = false;
  disk.confirmed = 0;
  disk.ready = false;
  host.wellRecorded = false;
  host.acks.clear();
  disk.table.set(disk.id, "counted");
  if (keeps(world, "doubt-retires-old-id")) disk.table.set(old, "retired");
  world.truth.succeeded.add(old);
  noteBirth(world, host);
  settle(world, host, [old]);
  world.counts.doubts += 1;
  log(world, host, `was ${shortId(old)}`);
  noteMemory(world);
  announce(world, host);
}

/** Deletions that were purged live on only in what complete nodes keep out. */
function noteMemory(world: World): void {
  const hosts = [...world.hosts.values()].filter(
    (host) => !host.over && !world.truth.forgotten.has(host.disk.id),
  );
  if (hosts.every((host) => host.doubt || !host.disk.complete)) world.truth.purgesForgotten = true;
}

function noteBirth(world: World, host: Host): void {
  const now: HlcTime = tick(world, host);
  for (const record of host.disk.records.values()) {
    for (const sibling of record.siblings) {
      world.truth.noteHeld(host.disk.id, world.truth.of(sibling), now);
    }
  }
}

/** A record fails its checksum: it is gone, and the node knows that it does not know what it held. */
export function damage(world: World, host: Host, key: string): void {
  forgetRecord(host, key);
  log(world, host, `finds ${key} damaged`);
  world.truth.excuse(world, "damaged");
  if (keeps(world, "doubt-after-damage")) reincarnate(world, host);
}

/** The one fault no node notices by itself. */
export function loseSilently(world: World, host: Host, key: string): void {
  forgetRecord(host, key);
  world.truth.lostSilently.add(key);
  log(world, host, `loses ${key} and does not notice`);
  // A node's next write to the key claims its own earlier ones: that it knows those is what vectors rest on.
  for (const fact of world.truth.facts.values()) {
    if (fact.key === key && fact.sibling.version.node === host.disk.id) fact.excused ??= "lost by its writer";
  }
  world.truth.excuse(world, "lost silently");
}

function forgetRecord(host: Host, key: string): void {
  host.disk.records.delete(key);
  host.flushed.delete(key);
  host.latest.delete(key);
  host.hidden.delete(key);
}

export function backUp(host: Host): void {
  host.backup = copyDisk(host.disk);
}

/** An old copy of the data directory takes the place of the present one, and is started. */
export function restore(world: World, host: Host): void {
  if (host.backup === undefined) return;
  halt(host);
  host.disk = copyDisk(host.backup);
  host.flushed = new Map(host.disk.records);
  host.latest = new Map(host.disk.records);
  host.hidden.clear();
  host.over = false;
  log(world, host, "is an old copy");
  // An incarnation between the backup and now is known to nobody who could retire it, but the operator.
  for (const id of world.truth.succeeded) if (!host.disk.table.has(id)) world.truth.succeeded.delete(id);
  world.truth.excuse(world, "only in what a backup replaced");
  host.up = true;
  host.clock = newClock(world, host.disk);
  host.doubt = false;
  noteMemory(world);
  if (keeps(world, "doubt-after-restore")) reincarnate(world, host);
}

export function join(world: World, name: string, via: Host): void {
  const host = newHost(world, name, emptyDisk(mint(world, name)));
  world.hosts.set(name, host);
  log(world, host, `joins by ${via.name}`);
  // Like any message it may be lost; then `announce` asks again, for the address of the introducer is known.
  host.disk.table.set(via.disk.id, "counted");
  host.seeds = FOUNDERS;
  announce(world, host);
}

/** A directory whose id is retired is emptied and joins as a new one. */
export function reset(world: World, host: Host, via: Host): void {
  world.hosts.delete(host.name);
  world.truth.excuse(world, "in a directory that was reset");
  join(world, host.name, via);
}

/** Retires the own id, once another member that stays has everything. */
export function depart(world: World, host: Host, confirmedBy: NodeId): void {
  host.leaving = undefined;
  if (host.queue.some((step) => step.kind === "record" && step.own !== undefined)) return;
  log(world, host, "leaves");
  host.disk.table.set(host.disk.id, "retired");
  host.over = true;
  for (const id of countedMembers(host)) send(world, host, id, { kind: "table" });
  noteMemory(world);
  const present = world.hosts.get(nodeName(confirmedBy));
  const forgotten = world.truth.forgotten.has(confirmedBy);
  if (present?.disk.id === confirmedBy && !present.doubt && !forgotten) return;
  world.truth.excuse(world, "lost with the one who had confirmed that it has it");
}

/** An operator's word, at `host`, that `id` will not come back. */
export function forget(world: World, host: Host, id: NodeId): void {
  log(world, host, `forgets ${shortId(id)}`);
  world.truth.forgotten.add(id);
  world.truth.excuse(world, "known only to a forgotten node");
  noteMemory(world);
  adoptTable(world, host, new Map([[id, "retired"]]));
}

export function joinedClock(world: World, host: Host, clock: HlcTime): boolean {
  return !keeps(world, "joiner-takes-clocks") || observe(world, host, clock);
}
