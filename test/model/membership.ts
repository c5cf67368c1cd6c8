/** Member tables, retirement, and how an incarnation comes to be recorded. */
import { INCARNATION_LENGTH, type NodeId, nodeName } from "@hearsay/core";
import { countedMembers } from "./completeness.ts";
import { send } from "./network.ts";
import { commit } from "./records.ts";
import { type Host, keeps, log, shortId, type Table, tick, type World } from "./state.ts";

/** Merges a table; retired is terminal. A change is settled at once: see {@link settle}. */
export function adoptTable(world: World, host: Host, table: Table): void {
  const retired: NodeId[] = [];
  let changed = false;
  for (const [id, standing] of table) {
    const known = host.disk.table.get(id);
    if (known === standing || known === "retired") continue;
    changed = true;
    if (standing === "retired") retired.push(id);
    host.disk.table.set(id, standing);
  }
  if (!changed) return;
  if (retired.includes(host.disk.id)) {
    host.over = true;
    log(world, host, "learns that it is retired");
    return;
  }
  settle(world, host, retired);
}

/**
 * S: the clock once nothing accepted under the old table is on its way any more. Whoever reaches this S has seen
 * the new table, and everything this node ever got from the retired ones.
 */
export function settle(world: World, host: Host, retired: readonly NodeId[]): void {
  for (const [id, session] of host.sessions) {
    if (retired.includes(session.peer)) host.sessions.delete(id);
  }
  for (const id of retired) host.disk.units.delete(id);
  // What the retired one gave this node after the exchange began, nobody else may have: leaving has to begin again.
  if (retired.length > 0 && keeps(world, "retirement-restarts-leaving")) host.leaving = undefined;
  if (keeps(world, "settled-after-commit")) commit(world, host, host.queue.length);
  host.disk.settled = tick(world, host);
}

/** Asks everyone at every address it knows, retired ids' addresses too, until a majority has recorded it. */
export function announce(world: World, host: Host): void {
  if (host.disk.ready) return;
  const asked = new Set<string>();
  for (const [id, standing] of host.disk.table) {
    if (id === host.disk.id || host.acks.has(id)) continue;
    if (standing === "retired" && !keeps(world, "announce-to-addresses")) continue;
    const name = nodeName(id);
    if (name === host.name || asked.has(name)) continue;
    asked.add(name);
    send(world, host, id, { kind: "join" });
  }
  for (const name of host.seeds) {
    if (name !== host.name && !asked.has(name)) send(world, host, anyoneAt(name), { kind: "join" });
  }
  considerReady(world, host);
}

/** Who lives at an address is not known before it answers. */
function anyoneAt(name: string): NodeId {
  return `${name}~${"0".repeat(INCARNATION_LENGTH)}`;
}

export function recordedBy(world: World, host: Host, by: NodeId): void {
  if (host.disk.ready || host.acks.has(by)) return;
  host.acks.add(by);
  announce(world, host);
}

function considerReady(world: World, host: Host): void {
  const others = countedMembers(host).filter((id) => id !== host.disk.id);
  const acks = others.filter((id) => host.acks.has(id)).length;
  const majority = others.length === 0 || acks * 2 > others.length;
  if (!majority && !(acks > 0 && !keeps(world, "joiner-waits"))) return;
  host.disk.ready = true;
  host.wellRecorded = majority;
  host.disk.settled = tick(world, host);
  log(world, host, `is recorded by ${[...host.acks].map(shortId).join()}`);
}
