/**
 * Versions that the cluster was done with and that a peer offered again: kept out of the records, and kept here for
 * an operator to look at. Bound: {@link GHOSTS_MAX}; beyond it a ghost is reported and not kept.
 */
import { decodeUtf8, encodeUtf8, type Sibling, type Version } from "@hearsay/core";
import type { Sink } from "./change.ts";
import type { Engine } from "./engine.ts";
import { StoreError } from "./faults.ts";
import { ghostKey, ghostRange, parseGhostKey, SPACE, spaceRange } from "./keyspace.ts";

export const GHOSTS_MAX = 1024;

/** `refused`: a peer offered it, and it was not taken. `dropped`: it was held here, and a peer refused it. */
export type GhostReason = "refused" | "dropped";

export interface Keeping {
  /** Milliseconds since the epoch, of the node's clock. */
  readonly atMs: number;
  readonly why: GhostReason;
}

export interface Ghost {
  readonly key: string;
  readonly sibling: Sibling;
  /** When it was first kept, and why; undefined of what an earlier build has kept. */
  readonly kept: Keeping | undefined;
}

export class Ghosts {
  readonly #engine: Engine;
  /** Of those that are being kept: they have their room. */
  #coming: number = 0;
  /** By database key: what is being kept or discarded, and when that is durable. */
  readonly #underWay: Map<string, Promise<void>> = new Map();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Keeps a ghost; the same one twice is one.
   * @returns false when there is no room
   * @throws StoreError as a rejection as for a put; at once where it cannot be read whether it is kept
   */
  keep(key: string, sibling: Sibling, kept: Keeping): Promise<boolean> {
    const at = keyOf(key, sibling.version);
    const coming = this.#underWay.get(textOf(at));
    if (coming !== undefined) return coming.then(() => true);
    if (this.#engine.handle.get(at) !== undefined) return Promise.resolve(true);
    if (this.#engine.ghosts + this.#coming >= GHOSTS_MAX) return Promise.resolve(false);
    return this.#keep(at, sibling, kept);
  }

  async #keep(at: Uint8Array, sibling: Sibling, kept: Keeping): Promise<boolean> {
    const { codec } = this.#engine;
    this.#coming += 1;
    try {
      await this.#change(at, 1, (group) => group.put(at, codec.encodeGhost(at, sibling, kept)));
    } finally {
      this.#coming -= 1;
    }
    return true;
  }

  /**
   * Forgets a ghost for good.
   * @returns false when there is none
   * @throws StoreError as for a put
   */
  discard(key: string, version: Version): Promise<boolean> {
    return this.#discard(keyOf(key, version));
  }

  /**
   * Forgets all for good, those that {@link Ghosts.all} cannot give too, as they are damaged.
   * @throws StoreError as for a put
   */
  async discardAll(): Promise<void> {
    const range = { ...spaceRange(SPACE.ghost), values: false };
    for await (const [at] of this.#engine.handle.entries(range)) await this.#discard(at);
  }

  async #discard(at: Uint8Array): Promise<boolean> {
    await this.#underWay.get(textOf(at));
    if (this.#underWay.has(textOf(at)) || this.#engine.handle.get(at) === undefined) return false;
    await this.#change(at, -1, (group) => group.del(at));
    return true;
  }

  /** All, or those of one key; in no order of meaning. Few are in memory at one time. */
  async *all(key?: string): AsyncGenerator<Ghost> {
    const { handle, codec } = this.#engine;
    const range = key === undefined ? spaceRange(SPACE.ghost) : ghostRange(encodeUtf8(key));
    for await (const [at, value] of handle.entries(range)) {
      const text = decodeUtf8(parseGhostKey(at));
      const ghost = codec.decodeGhost(at, value);
      if (text !== undefined && ghost !== undefined) yield { key: text, ...ghost };
    }
  }

  async #change(at: Uint8Array, by: 1 | -1, stage: (sink: Sink) => void): Promise<void> {
    const { pipeline } = this.#engine;
    const refusal = pipeline.refusal();
    if (refusal !== undefined) throw new StoreError(refusal);
    const group = pipeline.open();
    stage(group);
    group.ghosts += by;
    this.#underWay.set(textOf(at), group.settled);
    try {
      await group.settled;
    } finally {
      this.#underWay.delete(textOf(at));
    }
  }
}

function keyOf(key: string, { time, node }: Version): Uint8Array {
  return ghostKey(encodeUtf8(key), time, node);
}

/** The same for the same bytes, and for no others. */
function textOf(at: Uint8Array): string {
  return String.fromCharCode(...at);
}
