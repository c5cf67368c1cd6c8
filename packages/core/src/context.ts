import type { HlcTime } from "./clock.ts";
import type { NodeId } from "./identity.ts";
import { formatVersion, parseVersion, sameVersion, type Version } from "./version.ts";

/** A version vector: for each node, every version up to that time is covered. */
export type Context = ReadonlyMap<NodeId, HlcTime>;

export function covers(context: Context, version: Version): boolean {
  return (context.get(version.node) ?? -1) >= version.time;
}

/** Pointwise maximum. Returns one of the arguments itself where it dominates the other. */
export function joinContexts(a: Context, b: Context): Context {
  if (dominates(a, b)) return a;
  if (dominates(b, a)) return b;
  const joined = new Map(a);
  for (const [node, time] of b) {
    if (time > (joined.get(node) ?? -1)) joined.set(node, time);
  }
  return joined;
}

function dominates(a: Context, b: Context): boolean {
  for (const [node, time] of b) {
    if ((a.get(node) ?? -1) < time) return false;
  }
  return true;
}

/**
 * What a client has seen of a key. The vector comes from a whole record it read. The dot is its own last write:
 * a vector could not name that write without also claiming writes of other clients that went through the same
 * node a moment before and that this client never saw (Almeida et al., "Dotted Version Vectors", 2012, section 5).
 */
export interface ClientContext {
  readonly vector: Context;
  readonly dot: Version | undefined;
}

export const EMPTY_CLIENT_CONTEXT: ClientContext = { vector: new Map(), dot: undefined };

/** Entries the vector of a client's context may have; one is at most 86 characters of text. */
export const CLIENT_CONTEXT_MAX_ENTRIES = 64;

export function clientContextCovers(context: ClientContext, version: Version): boolean {
  return covers(context.vector, version) || (context.dot !== undefined && sameVersion(context.dot, version));
}

/** The latest time the context names, 0 for an empty one. */
export function clientContextTime(context: ClientContext): HlcTime {
  let latest = context.dot?.time ?? 0;
  for (const time of context.vector.values()) if (time > latest) latest = time;
  return latest;
}

/** Opaque to clients: versions joined by commas, the dot last and marked by a full stop. */
export function formatClientContext(context: ClientContext): string {
  const entries: string[] = [];
  for (const [node, time] of context.vector) entries.push(formatVersion({ time, node }));
  if (context.dot !== undefined) entries.push(`.${formatVersion(context.dot)}`);
  return entries.join(",");
}

/** Undefined when the text is none of ours. The empty text is the context that has seen nothing. */
export function parseClientContext(text: string): ClientContext | undefined {
  if (text === "") return EMPTY_CLIENT_CONTEXT;
  // One more than are allowed, the dot included, so that a longer text is noticed and not merely cut.
  const entries = text.split(",", CLIENT_CONTEXT_MAX_ENTRIES + 2);
  const vector = new Map<NodeId, HlcTime>();
  let dot: Version | undefined;
  for (const entry of entries) {
    const isDot = entry.startsWith(".");
    const version = parseVersion(isDot ? entry.slice(1) : entry);
    if (version === undefined) return undefined;
    if (isDot) {
      if (dot !== undefined) return undefined;
      dot = version;
    } else {
      if (vector.has(version.node)) return undefined;
      vector.set(version.node, version.time);
    }
  }
  if (vector.size > CLIENT_CONTEXT_MAX_ENTRIES) return undefined;
  return { vector, dot };
}
