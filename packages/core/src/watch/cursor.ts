/**
 * What a watcher has seen, in a form that every node of the cluster understands. docs/watch.md has the argument.
 *
 * Claims: for each origin a time; the watcher knows the outcome of every write that the origin made up to then. They
 * are those of the node that served it, at a moment when all it had committed was delivered. Origins without an entry
 * stand at `base`, but only under the very member table the claims were made under: a node that has joined since may
 * have brought older writes.
 *
 * Invariant: claiming less is always safe, it only delivers more.
 */
import { HLC_TIME_MAX, type HlcTime } from "../clock.ts";
import { isNodeId, type NodeId } from "../identity.ts";
import type { Version } from "../version.ts";

export interface Claims {
  /** Hash of the member table: 16 hexadecimal digits. Empty: nothing is claimed. */
  readonly table: string;
  readonly base: HlcTime;
  readonly entries: ReadonlyMap<NodeId, HlcTime>;
}

export const NO_CLAIMS: Claims = { table: "", base: 0, entries: new Map() };

export interface WatchCursor {
  /** Tells clusters apart; 12 hexadecimal digits. */
  readonly cluster: string;
  /** Whose commits `sequence` counts. */
  readonly issuer: NodeId;
  readonly sequence: number;
  /** Values that expired up to this wall-clock time, in milliseconds, were reported as gone. */
  readonly expiredThroughMs: number;
  readonly claims: Claims;
}

/** An entry takes at most 86 characters, so a cursor has at most 3 KiB: it fits into a URL beside a prefix. */
export const CLAIMS_MAX_ENTRIES = 32;

/** Up to which time the origin's writes are claimed, as a node with this member table understands it. */
export function claimedThrough({ table, base, entries }: Claims, origin: NodeId, ownTable: string): HlcTime {
  return entries.get(origin) ?? (table === ownTable ? base : 0);
}

export function isClaimed(claims: Claims, { node, time }: Version, ownTable: string): boolean {
  return time <= claimedThrough(claims, node, ownTable);
}

/**
 * Keeps the entries below `base`, which say that less is known, and of the others the latest; leaving one of those out
 * claims less. Nothing is claimed when that does not suffice.
 */
export function boundClaims({ table, base, entries }: Claims): Claims {
  const kept = [...entries].filter(([, time]) => time !== base);
  if (kept.length <= CLAIMS_MAX_ENTRIES) return { table, base, entries: new Map(kept) };
  const below = kept.filter(([, time]) => time < base);
  if (below.length > CLAIMS_MAX_ENTRIES) return NO_CLAIMS;
  const above = kept.filter(([, time]) => time > base).sort(([, a], [, b]) => b - a);
  return {
    table,
    base,
    entries: new Map([...below, ...above.slice(0, CLAIMS_MAX_ENTRIES - below.length)]),
  };
}

const FORMAT = "1";
const NUMBER = /^[0-9a-z]{1,11}$/;
const DIGITS = /^[0-9a-f]*$/;
const CLUSTER_DIGITS = 12;
const TABLE_DIGITS = 16;

/** Opaque to clients; of letters, digits and `,.~_-`, so that it needs no escaping in a query. */
export function formatCursor({ cluster, issuer, sequence, expiredThroughMs, claims }: WatchCursor): string {
  const head = [FORMAT, cluster, issuer, sequence.toString(36), expiredThroughMs.toString(36)];
  let text = `${head.join(",")},${claims.table},${claims.base.toString(36)}`;
  for (const [node, time] of claims.entries) text += `,${time.toString(36)}-${node}`;
  return text;
}

/** Undefined when the text is none of ours. */
export function parseCursor(text: string): WatchCursor | undefined {
  const fields = text.split(",", 8 + CLAIMS_MAX_ENTRIES);
  const [format, cluster = "", issuer = "", sequenceText, expiredText, table = "", baseText, ...rest] =
    fields;
  const sequence = parseNumber(sequenceText);
  const expiredThroughMs = parseNumber(expiredText);
  const base = parseNumber(baseText);
  if (format !== FORMAT || sequence === undefined || expiredThroughMs === undefined || base === undefined) {
    return undefined;
  }
  if (!isNodeId(issuer) || cluster.length !== CLUSTER_DIGITS || !DIGITS.test(cluster)) return undefined;
  if ((table !== "" && table.length !== TABLE_DIGITS) || !DIGITS.test(table)) return undefined;
  if (rest.length > CLAIMS_MAX_ENTRIES) return undefined;
  const entries = new Map<NodeId, HlcTime>();
  for (const entry of rest) {
    const dash = entry.indexOf("-");
    const time = parseNumber(entry.slice(0, Math.max(0, dash)));
    const node = entry.slice(dash + 1);
    if (time === undefined || !isNodeId(node) || entries.has(node)) return undefined;
    entries.set(node, time);
  }
  return { cluster, issuer, sequence, expiredThroughMs, claims: { table, base, entries } };
}

/** The latest time a cursor names: none that a node has given out is ahead of the cluster's clocks. */
export function cursorTime({ claims }: WatchCursor): HlcTime {
  return Math.max(claims.base, ...claims.entries.values());
}

function parseNumber(text: string | undefined): number | undefined {
  if (text === undefined || !NUMBER.test(text)) return undefined;
  const value = Number.parseInt(text, 36);
  return value <= HLC_TIME_MAX ? value : undefined;
}
