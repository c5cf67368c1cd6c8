/**
 * Records as nested tuples of plain values, the form in which they are stored and sent: node ids stand once, in
 * the context, and siblings refer to them by position.
 *
 *   record    = [context, siblings]
 *   context   = [node, time, node, time, ...]
 *   tombstone = [position of the node, time]
 *   value     = [position of the node, time, expiry in ms or null, content type, bytes]
 */
import { isHlcTime } from "./clock.ts";
import { covers } from "./context.ts";
import type { NodeId } from "./identity.ts";
import { readNodeId } from "./known-ids.ts";
import type { KeyRecord, Sibling } from "./record.ts";
import { Slabs } from "./slabs.ts";
import { compareVersions } from "./version.ts";

export type SiblingTuple =
  | readonly [node: number, time: number]
  | readonly [node: number, time: number, expiresAtMs: number | null, contentType: string, bytes: Uint8Array];

export type RecordTuple = readonly [context: readonly (string | number)[], siblings: readonly SiblingTuple[]];

export const CONTENT_TYPE_MAX_LENGTH = 255;
/** Nodes a record's context may name: every incarnation that ever wrote the key since its last purge. */
export const CONTEXT_MAX_NODES = 4096;

const values = new Slabs();

export function recordToTuple(record: KeyRecord): RecordTuple {
  const context: (string | number)[] = [];
  const positions = new Map<NodeId, number>();
  for (const [node, time] of record.context) {
    positions.set(node, positions.size);
    context.push(node, time);
  }
  return [context, record.siblings.map((sibling) => siblingToTuple(sibling, positions))];
}

function siblingToTuple(sibling: Sibling, positions: ReadonlyMap<NodeId, number>): SiblingTuple {
  const { time, node } = sibling.version;
  // A record's context covers its siblings, so the node has a position.
  const position = positions.get(node) ?? -1;
  return sibling.kind === "tombstone"
    ? [position, time]
    : [position, time, sibling.expiresAtMs, sibling.contentType, sibling.bytes];
}

/**
 * Undefined unless the tuple is a record as this code would have written it: valid ids and times, siblings newest
 * first and covered by the context. Value bytes are copied, because decoders hand out views into larger buffers.
 */
export function recordFromTuple(tuple: unknown): KeyRecord | undefined {
  if (!Array.isArray(tuple) || tuple.length < 2) return undefined;
  const [contextTuple, siblingTuples]: unknown[] = tuple;
  const nodes: NodeId[] = [];
  const context = contextFromTuple(contextTuple, nodes);
  if (context === undefined || !Array.isArray(siblingTuples)) return undefined;
  const siblings: Sibling[] = [];
  for (const siblingTuple of siblingTuples) {
    const sibling = siblingFromTuple(siblingTuple, nodes);
    const previous = siblings.at(-1);
    if (sibling === undefined || !covers(context, sibling.version)) return undefined;
    if (previous !== undefined && compareVersions(previous.version, sibling.version) <= 0) return undefined;
    siblings.push(sibling);
  }
  const [first, ...rest] = siblings;
  return first === undefined ? undefined : { context, siblings: [first, ...rest] };
}

function contextFromTuple(tuple: unknown, nodes: NodeId[]): Map<NodeId, number> | undefined {
  if (!Array.isArray(tuple) || tuple.length % 2 !== 0 || tuple.length > 2 * CONTEXT_MAX_NODES)
    return undefined;
  const context = new Map<NodeId, number>();
  for (let i = 0; i < tuple.length; i += 2) {
    const text: unknown = tuple[i];
    const time: unknown = tuple[i + 1];
    const node = typeof text === "string" ? readNodeId(text) : undefined;
    if (node === undefined || !isHlcTime(time) || context.has(node)) return undefined;
    context.set(node, time);
    nodes.push(node);
  }
  return context;
}

function siblingFromTuple(tuple: unknown, nodes: readonly NodeId[]): Sibling | undefined {
  if (!Array.isArray(tuple)) return undefined;
  const [position, time, expiresAtMs, contentType, bytes]: unknown[] = tuple;
  const node = typeof position === "number" ? nodes[position] : undefined;
  if (node === undefined || !isHlcTime(time)) return undefined;
  const version = { time, node };
  if (tuple.length === 2) return { kind: "tombstone", version };
  if (expiresAtMs !== null && !(typeof expiresAtMs === "number" && Number.isSafeInteger(expiresAtMs))) {
    return undefined;
  }
  if (typeof contentType !== "string" || contentType.length > CONTENT_TYPE_MAX_LENGTH) return undefined;
  if (!(bytes instanceof Uint8Array)) return undefined;
  return { kind: "value", version, bytes: values.copy(bytes), contentType, expiresAtMs };
}
