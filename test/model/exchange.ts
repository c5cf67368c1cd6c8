/**
 * One anti-entropy exchange, message by message:
 * start -> equal | differs -> records -> answer -> done.
 * Each side's claims rest on what the other offered with its root, and are made when everything is committed and
 * the side knows what the other refused of it.
 */
import type { NodeId } from "@hearsay/core";
import { digestOf, rootOf } from "./checks.ts";
import { adoptFloor, claim, offer } from "./completeness.ts";
import { depart } from "./lifecycle.ts";
import type { Body, KeyedRecord, Message, Refusal, Standing } from "./messages.ts";
import { send } from "./network.ts";
import { dropRefused, take } from "./records.ts";
import { type Host, isComplete, keeps, type Offer, type Session, type World } from "./state.ts";

type Of<K extends Body["kind"]> = Extract<Body, { readonly kind: K }>;

/** How long a broken rule takes mail for delivered. */
const IN_FLIGHT_MS = 4;

export function startExchange(world: World, host: Host, peer: NodeId): number {
  world.serial += 1;
  const session = world.serial;
  open(host, session, peer, undefined);
  send(world, host, peer, { kind: "start", session, offer: offer(world, host), root: rootOf(host) });
  return session;
}

function open(host: Host, id: number, peer: NodeId, offered: Offer | undefined): Session {
  const session = { id, peer, offer: offered, disturbances: host.disturbances };
  host.sessions.set(id, session);
  return session;
}

export function onStart(world: World, host: Host, from: NodeId, body: Of<"start">): void {
  adoptFloor(world, host, body.offer.floor);
  const session = open(host, body.session, from, body.offer);
  const own = offer(world, host);
  if (rootOf(host) === body.root) {
    finish(world, host, session);
    const staying = isStaying(world, host);
    send(world, host, from, { kind: "equal", session: body.session, offer: own, staying });
    return;
  }
  const digests = new Map([...host.disk.records].map(([key, record]) => [key, digestOf(record)]));
  send(world, host, from, { kind: "differs", session: body.session, offer: own, digests });
}

export function onEqual(world: World, host: Host, session: Session, body: Of<"equal">): void {
  adoptFloor(world, host, body.offer.floor);
  session.offer = body.offer;
  finish(world, host, session);
  if (host.leaving === session.id && body.staying) depart(world, host, session.peer);
}

export function onDiffers(world: World, host: Host, session: Session, body: Of<"differs">): void {
  adoptFloor(world, host, body.offer.floor);
  session.offer = body.offer;
  const all = new Set([...host.disk.records.keys(), ...body.digests.keys()]);
  const keys = [...all].filter(
    (key) => digestOf(host.disk.records.get(key)) !== (body.digests.get(key) ?? ""),
  );
  const records = recordsOf(world, host, session.peer, keys);
  send(world, host, session.peer, {
    kind: "records",
    session: session.id,
    keys,
    records,
    standing: standing(world, host),
  });
  if (!keeps(world, "claims-after-exchange")) claim(world, host, session, body.offer);
}

export function onRecords(world: World, host: Host, session: Session, body: Of<"records">): void {
  const refused = takeAll(world, host, session, { ...body, refused: [] });
  if (refused === undefined) return;
  const id = host.disk.id;
  host.queue.push({
    kind: "then",
    run: () => {
      if (host.disk.id !== id || !host.sessions.has(session.id)) return;
      const records = recordsOf(world, host, session.peer, body.keys);
      send(world, host, session.peer, {
        kind: "answer",
        session: session.id,
        records,
        refused,
        standing: standing(world, host),
        staying: isStaying(world, host),
      });
    },
  });
}

export function onAnswer(world: World, host: Host, session: Session, body: Of<"answer">): void {
  const refused = takeAll(world, host, session, body);
  if (refused === undefined) return;
  finish(world, host, session);
  host.queue.push({
    kind: "then",
    run: () => {
      const keys = keeps(world, "ghosts-are-replaced") ? new Set(refused.map(({ key }) => key)) : [];
      const records = recordsOf(world, host, session.peer, [...keys]);
      send(world, host, session.peer, {
        kind: "done",
        session: session.id,
        records,
        refused,
        standing: standing(world, host),
      });
    },
  });
  if (host.leaving === session.id && body.staying) depart(world, host, session.peer);
}

export function onDone(world: World, host: Host, session: Session, body: Of<"done">): void {
  if (takeAll(world, host, session, body) !== undefined) finish(world, host, session);
}

/** Claims wait for the commit of everything accepted before. A session that is gone by then claims nothing. */
function finish(world: World, host: Host, session: Session): void {
  const run = () => {
    if (session.offer === undefined || host.sessions.get(session.id) !== session) return;
    host.sessions.delete(session.id);
    claim(world, host, session, session.offer);
  };
  if (keeps(world, "claims-after-commit")) host.queue.push({ kind: "then", run });
  else run();
}

interface Brought {
  readonly records: readonly KeyedRecord[];
  /** What the sender has refused of this node's versions. */
  readonly refused: readonly Refusal[];
  readonly standing: Standing;
}

/** All or nothing of what a message brings counts: undefined ends the exchange. */
function takeAll(
  world: World,
  host: Host,
  session: Session,
  { records, refused: ghosts, standing: sender }: Brought,
): Refusal[] | undefined {
  const refused: Refusal[] = [];
  const together = keeps(world, "ghosts-are-replaced");
  let left = ghosts;
  let whole = true;
  for (const { key, record } of records) {
    const gone = together ? left.filter((ghost) => ghost.key === key) : [];
    const taken = take(world, host, { key, record, gone }, sender);
    left = left.filter((ghost) => !gone.includes(ghost));
    if (taken === "void") whole = false;
    else refused.push(...taken.refused);
  }
  if (whole || !keeps(world, "all-or-no-claim")) {
    dropRefused(world, host, left);
    return refused;
  }
  world.counts.cuts += 1;
  host.sessions.delete(session.id);
  return undefined;
}

function recordsOf(world: World, host: Host, peer: NodeId, keys: readonly string[]): KeyedRecord[] {
  const records: KeyedRecord[] = [];
  for (const key of keys) {
    const record = host.disk.records.get(key);
    if (record === undefined || isTakenForDelivered(world, host, peer, key)) continue;
    records.push({ key, record });
  }
  return records;
}

function isTakenForDelivered(world: World, host: Host, peer: NodeId, key: string): boolean {
  if (keeps(world, "nothing-left-out")) return false;
  const at = host.mailed.get(`${peer} ${key}`);
  return at !== undefined && world.nowMs - at < IN_FLIGHT_MS;
}

function standing(world: World, host: Host): Standing {
  return { floor: host.disk.floor, complete: isComplete(world, host) };
}

function isStaying(world: World, host: Host): boolean {
  return (host.leaving === undefined && host.disk.ready) || !keeps(world, "confirmed-by-one-who-stays");
}

/**
 * The exchange a message belongs to; others are late or not for this incarnation. An exchange is between two
 * incarnations: what a successor answers at the same address says nothing about the id that was asked.
 */
export function sessionOf(world: World, host: Host, message: Message): Session | undefined {
  const { body, from } = message;
  const session = "session" in body ? host.sessions.get(body.session) : undefined;
  return session?.peer === from || !keeps(world, "exchange-of-two-ids") ? session : undefined;
}
