/** A message arrives: who may be heard, and what is made of it. */
import { nodeName } from "@hearsay/core";
import { absorb, advance, refreshUnit } from "./completeness.ts";
import { onAnswer, onDiffers, onDone, onEqual, onRecords, onStart, sessionOf } from "./exchange.ts";
import { joinedClock } from "./lifecycle.ts";
import { adoptTable, recordedBy } from "./membership.ts";
import type { Message } from "./messages.ts";
import { send } from "./network.ts";
import { takeMail } from "./records.ts";
import { type Host, keeps, tick, type World } from "./state.ts";

export function deliver(world: World, message: Message): void {
  const host = world.hosts.get(nodeName(message.to));
  if (host === undefined || !host.up || world.severed.has(`${nodeName(message.from)} ${host.name}`)) return;
  // Messages go to addresses. A node that only answers to its present id is never found again after doubt.
  if (!keeps(world, "announce-to-addresses") && message.to !== host.disk.id) return;
  if (host.over) {
    if (message.body.kind !== "table") send(world, host, message.from, { kind: "table" });
    return;
  }
  const { body, from } = message;
  if (body.kind === "table") {
    adoptTable(world, host, message.table);
    return;
  }
  if (isRefused(world, host, message)) return;
  host.ignored.delete(from);
  if (!("session" in body) || keeps(world, "tables-before-roots")) {
    adoptTable(world, host, message.table);
    if (host.over || isRefused(world, host, message)) return;
  }
  handle(world, host, message);
}

/** Nothing is taken from a retired id; it is told, unless that is what it is saying. */
function isRefused(world: World, host: Host, message: Message): boolean {
  if (!keeps(world, "retired-are-refused")) return false;
  if (host.disk.table.get(message.from) !== "retired") return false;
  if (message.body.kind !== "table") send(world, host, message.from, { kind: "table" });
  return true;
}

function handle(world: World, host: Host, message: Message): void {
  const { body, from } = message;
  const session = sessionOf(world, host, message);
  switch (body.kind) {
    case "mail":
      takeMail(world, host, body.key, body.record);
      return;
    case "gossip":
      for (const [id, unit] of body.units) absorb(world, host, id, unit);
      refreshUnit(world, host);
      advance(world, host);
      return;
    case "join":
      send(world, host, from, { kind: "joined", clock: tick(world, host) });
      return;
    case "joined":
      if (joinedClock(world, host, body.clock)) recordedBy(world, host, from);
      return;
    case "stopped":
      host.ignored.add(from);
      return;
    case "start":
      onStart(world, host, from, body);
      return;
    case "table":
      return;
    default:
      if (session !== undefined) handleInSession(world, host, session, body);
  }
}

type SessionBody = Extract<
  Message["body"],
  { readonly kind: "equal" | "differs" | "records" | "answer" | "done" }
>;

function handleInSession(
  world: World,
  host: Host,
  session: NonNullable<ReturnType<typeof sessionOf>>,
  body: SessionBody,
): void {
  switch (body.kind) {
    case "equal":
      onEqual(world, host, session, body);
      return;
    case "differs":
      onDiffers(world, host, session, body);
      return;
    case "records":
      onRecords(world, host, session, body);
      return;
    case "answer":
      onAnswer(world, host, session, body);
      return;
    case "done":
      onDone(world, host, session, body);
      return;
  }
}
