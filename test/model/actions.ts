/** Everything that can happen, as data: a run is a list of these, and can be replayed and shortened. */
import { nodeName } from "@hearsay/core";
import { advance, countedMembers, refreshUnit } from "./completeness.ts";
import { deliver } from "./delivery.ts";
import { startExchange } from "./exchange.ts";
import {
  backUp,
  damage,
  depart,
  forget,
  join,
  loseCache,
  loseSilently,
  reset,
  restore,
  start,
  stop,
  stopCleanly,
} from "./lifecycle.ts";
import { announce } from "./membership.ts";
import type { Body } from "./messages.ts";
import { send } from "./network.ts";
import { commit, purge, read, type Writing, write } from "./records.ts";
import { type Host, keeps, type World } from "./state.ts";

export type Action =
  | { readonly do: "advance"; readonly ms: number }
  | { readonly do: "skew"; readonly at: string; readonly ms: number }
  | ({ readonly do: "write"; readonly at: string } & Writing)
  | { readonly do: "read"; readonly at: string; readonly key: string; readonly client: string }
  | { readonly do: "commit"; readonly at: string; readonly count: number }
  | { readonly do: "flushDisk"; readonly at: string }
  | { readonly do: "exchange"; readonly at: string; readonly to: string }
  | { readonly do: "gossip"; readonly at: string; readonly to: string }
  | { readonly do: "purge"; readonly at: string }
  | { readonly do: "deliver"; readonly index: number }
  | { readonly do: "lose"; readonly index: number }
  /** Holds back what is on its way of this kind, until `release`. */
  | { readonly do: "delay"; readonly kind: Body["kind"] }
  | { readonly do: "release" }
  | { readonly do: "cut"; readonly at: string; readonly to: string }
  | { readonly do: "mend" }
  | { readonly do: "stop" | "stopCleanly" | "loseCache"; readonly at: string }
  | { readonly do: "start"; readonly at: string }
  | { readonly do: "damage" | "loseSilently"; readonly at: string; readonly key: string }
  | { readonly do: "backUp" | "announce"; readonly at: string }
  | { readonly do: "restore"; readonly at: string }
  | { readonly do: "join"; readonly at: string; readonly to: string }
  | { readonly do: "reset"; readonly at: string; readonly to: string }
  | { readonly do: "leave"; readonly at: string; readonly to: string }
  | { readonly do: "forget"; readonly at: string; readonly to: string }
  /** Delivers and commits until nothing is on its way. */
  | { readonly do: "quiesce" }
  /** Everyone exchanges and gossips with everyone, some rounds. */
  | { readonly do: "settle"; readonly rounds: number };

/** Messages `quiesce` delivers at most: more would mean that nodes answer each other for ever. */
const QUIESCE_MAX = 20_000;

/** An action that does not apply changes nothing, so that any part of a list of actions is one too. */
export function perform(world: World, action: Action): void {
  switch (action.do) {
    case "advance":
      world.nowMs += action.ms;
      return;
    case "deliver":
    case "lose": {
      const [message] = world.network.splice(action.index, 1);
      if (message !== undefined && action.do === "deliver") deliver(world, message);
      return;
    }
    case "delay":
      world.delayed.push(...world.network.filter(({ body }) => body.kind === action.kind));
      world.network = world.network.filter(({ body }) => body.kind !== action.kind);
      return;
    case "release":
      world.network.push(...world.delayed.splice(0));
      return;
    case "mend":
      world.severed.clear();
      return;
    case "quiesce":
      quiesce(world);
      return;
    case "settle":
      settleAll(world, action.rounds);
      return;
    case "join": {
      const via = world.hosts.get(action.to);
      if (via !== undefined && isActive(via) && !world.hosts.has(action.at)) join(world, action.at, via);
      return;
    }
    default: {
      const host = world.hosts.get(action.at);
      if (host !== undefined) performAt(world, host, action);
    }
  }
}

type HostAction = Exclude<
  Action,
  {
    readonly do:
      | "advance"
      | "deliver"
      | "lose"
      | "delay"
      | "release"
      | "mend"
      | "quiesce"
      | "settle"
      | "join";
  }
>;

function performAt(world: World, host: Host, action: HostAction): void {
  switch (action.do) {
    case "skew":
      host.skewMs = action.ms;
      return;
    case "start":
      if (!host.up && !host.over) start(world, host);
      return;
    case "restore":
      if (!world.truth.forgotten.has(host.disk.id) && isRemembered(world, host)) restore(world, host);
      return;
    case "reset": {
      const via = world.hosts.get(action.to);
      if (host.over && via !== undefined && isActive(via) && via.disk.ready) reset(world, host, via);
      return;
    }
    case "cut":
      world.severed.add(`${action.at} ${action.to}`).add(`${action.to} ${action.at}`);
      return;
    default:
      if (isActive(host)) performWhileUp(world, host, action);
  }
}

function performWhileUp(
  world: World,
  host: Host,
  action: Exclude<HostAction, { readonly do: "skew" | "start" | "restore" | "reset" | "cut" }>,
): void {
  switch (action.do) {
    case "write":
      if (host.disk.ready && host.leaving === undefined) write(world, host, action);
      return;
    case "read":
      read(world, host, action.key, action.client);
      return;
    case "commit":
      commit(world, host, action.count);
      return;
    case "flushDisk":
      commit(world, host, host.queue.length);
      host.flushed = new Map(host.disk.records);
      return;
    case "purge":
      purge(world, host);
      return;
    case "stop":
      stop(world, host);
      return;
    case "stopCleanly":
      stopCleanly(world, host);
      return;
    case "loseCache":
      loseCache(world, host);
      return;
    case "damage":
    case "loseSilently": {
      const pending = host.queue.some((step) => step.kind === "record" && step.key === action.key);
      if (pending || !host.disk.records.has(action.key)) return;
      if (action.do === "damage") damage(world, host, action.key);
      else loseSilently(world, host, action.key);
      return;
    }
    case "backUp":
      backUp(host);
      return;
    case "announce":
      announce(world, host);
      return;
    default: {
      const peer = world.hosts.get(action.to);
      if (peer !== undefined && peer !== host) performWith(world, host, peer, action.do);
    }
  }
}

function performWith(
  world: World,
  host: Host,
  peer: Host,
  what: "exchange" | "gossip" | "leave" | "forget",
): void {
  const members = countedMembers(host);
  const known = members.find((id) => id === peer.disk.id) ?? members.find((id) => nodeName(id) === peer.name);
  if (known === undefined) return;
  switch (what) {
    case "exchange":
      startExchange(world, host, known);
      return;
    case "gossip":
      gossip(world, host, known);
      return;
    case "leave":
      if (!host.disk.ready || host.leaving !== undefined) return;
      commit(world, host, host.queue.length);
      if (keeps(world, "leave-after-exchange")) host.leaving = startExchange(world, host, known);
      else depart(world, host, known);
      return;
    case "forget":
      // Its own successor retires an id; an operator is for those that have none.
      if (mayForget(world, host, peer) && known === peer.disk.id) forget(world, host, known);
  }
}

function gossip(world: World, host: Host, to: string): void {
  refreshUnit(world, host);
  advance(world, host);
  send(world, host, to, { kind: "gossip", units: new Map(host.disk.units) });
}

/** Operators do not forget each other's nodes, nor the last who remembers a member. */
function mayForget(world: World, host: Host, peer: Host): boolean {
  if (!host.disk.ready || peer.over || world.truth.forgotten.has(host.disk.id)) return false;
  return isRemembered(world, peer);
}

/** What the watermark rests on: of those who recorded a member before it wrote, one is still counted everywhere. */
function isRemembered(world: World, leavingOut: Host): boolean {
  const hosts = [...world.hosts.values()].filter((host) => host !== leavingOut && !host.over);
  const members = hosts.filter((host) => host.wellRecorded);
  return members.every((member) => hosts.every((host) => host.disk.table.has(member.disk.id)));
}

export function isActive(host: Host): boolean {
  return host.up && !host.over;
}

function quiesce(world: World): void {
  for (let n = 0; n < QUIESCE_MAX; n++) {
    const message = world.network.shift();
    if (message !== undefined) deliver(world, message);
    let idle = world.network.length === 0;
    for (const host of world.hosts.values()) {
      if (!isActive(host) || host.queue.length === 0) continue;
      commit(world, host, host.queue.length);
      idle = false;
    }
    if (idle) return;
  }
  throw new Error("the nodes answer each other without end");
}

function settleAll(world: World, rounds: number): void {
  for (let round = 0; round < rounds; round++) {
    world.nowMs += 1;
    for (const host of world.hosts.values()) if (isActive(host)) announce(world, host);
    quiesce(world);
    for (const what of ["exchange", "gossip"] as const) {
      for (const host of [...world.hosts.values()]) talkToAll(world, host, what);
    }
    for (const host of world.hosts.values()) {
      if (!isActive(host)) continue;
      refreshUnit(world, host);
      advance(world, host);
    }
  }
}

function talkToAll(world: World, host: Host, what: "exchange" | "gossip"): void {
  for (const peer of [...world.hosts.values()]) {
    if (peer === host || !isActive(host)) continue;
    performWith(world, host, peer, what);
    quiesce(world);
  }
}
