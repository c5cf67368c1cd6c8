/** The part of a stored record that repeats: the table of node ids, and the siblings that refer to it by position. */
import {
  type Context,
  type HlcTime,
  hlcFromMs,
  type NodeId,
  type Sibling,
  type Version,
} from "@hearsay/core";
import type { Reader, Writer } from "./cursor.ts";
import type { Summary } from "./summary.ts";

export const TOMBSTONE = 0;
export const VALUE = 1;
export const EXPIRING_VALUE = 2;

/** The node ids of the context, in its order, then those of siblings it does not name. */
export function nodesOf(context: Context, siblings: readonly Sibling[]): NodeId[] {
  const nodes = [...context.keys()];
  for (const { version } of siblings) if (!nodes.includes(version.node)) nodes.push(version.node);
  return nodes;
}

export function nodesSize(nodes: readonly NodeId[]): number {
  // Node ids are ASCII.
  let size = 2;
  for (const node of nodes) size += 1 + node.length;
  return size;
}

export function writeNodes(writer: Writer, nodes: readonly NodeId[]): void {
  writer.u16(nodes.length);
  for (const node of nodes) writer.shortText(node);
}

export function readNodes(reader: Reader): NodeId[] {
  const nodes: NodeId[] = [];
  for (let left = reader.u16(); left > 0; left--) nodes.push(reader.shortText());
  return nodes;
}

export function nodeAt(nodes: readonly NodeId[], index: number): NodeId {
  const node = nodes[index];
  if (node === undefined) throw new RangeError("no such node in the record");
  return node;
}

/** As {@link summarize} would say of the same siblings. */
export function readSummary(reader: Reader, nodes: readonly NodeId[], bytes: number): Summary | undefined {
  const versions: Version[] = [];
  let tombstone = false;
  let latest: HlcTime | undefined = 0;
  for (let left = reader.u16(); left > 0; left--) {
    const kind = reader.u8();
    const node = nodeAt(nodes, reader.u16());
    const time = reader.f64();
    if (versions.length === 0) tombstone = kind === TOMBSTONE;
    versions.push({ time, node });
    if (latest !== undefined) latest = Math.max(latest, time);
    if (kind === TOMBSTONE) continue;
    if (kind !== EXPIRING_VALUE) latest = undefined;
    else {
      const expires = hlcFromMs(reader.f64());
      if (latest !== undefined) latest = Math.max(latest, expires);
    }
    reader.skip(reader.u16());
    reader.skip(reader.u32());
  }
  return versions.length === 0 ? undefined : { versions, tombstone, purgeableFrom: latest, bytes };
}

export function readSiblings(reader: Reader, nodes: readonly NodeId[]): Sibling[] {
  const siblings: Sibling[] = [];
  for (let left = reader.u16(); left > 0; left--) {
    const kind = reader.u8();
    const node = nodeAt(nodes, reader.u16());
    const version = { time: reader.f64(), node };
    if (kind === TOMBSTONE) {
      siblings.push({ kind: "tombstone", version });
      continue;
    }
    const expiresAtMs = kind === EXPIRING_VALUE ? reader.f64() : null;
    const contentType = reader.text();
    siblings.push({ kind: "value", version, bytes: reader.raw(reader.u32()), contentType, expiresAtMs });
  }
  return siblings;
}
