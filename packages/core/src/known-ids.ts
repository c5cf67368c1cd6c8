import { isNodeId, type NodeId } from "./identity.ts";

/** Ids remembered; when there are more it begins anew. */
export const KNOWN_IDS_MAX = 4096;

/**
 * Ids repeat from message to message and from record to record. The same id is the same text in memory each time it is read, so
 * telling two apart or finding one in a map compares no characters, and a known one need not be checked again.
 */
export class KnownIds {
  #ids: Map<string, NodeId> = new Map();

  get size(): number {
    return this.#ids.size;
  }

  /** @returns undefined when the text is no id */
  read(text: string): NodeId | undefined {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    if (!isNodeId(text)) return undefined;
    if (this.#ids.size >= KNOWN_IDS_MAX) this.#ids = new Map();
    this.#ids.set(text, text);
    return text;
  }
}

const known = new KnownIds();

/** An id that came from a peer or a disk. @returns undefined when the text is none */
export function readNodeId(text: string): NodeId | undefined {
  return known.read(text);
}
