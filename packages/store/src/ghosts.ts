/**
 * Versions that the cluster was done with and that a peer offered again: kept out of the records, and kept here for
 * an operator to look at. Bound: {@link GHOSTS_MAX}; beyond it a ghost is reported and not kept.
 */
import { decodeUtf8, encodeUtf8, type Sibling } from "@hearsay/core";
import type { Engine } from "./engine.ts";
import { StoreError } from "./faults.ts";
import { ghostKey, parseGhostKey, SPACE, spaceRange, successor } from "./keyspace.ts";

const GHOSTS_MAX = 1024;

export interface Ghost {
  readonly key: string;
  readonly sibling: Sibling;
}

export class Ghosts {
  readonly #engine: Engine;
  #count: number | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /**
   * Keeps a ghost; the same one twice is one.
   * @returns false when there is no room
   * @throws StoreError as for a put
   */
  async keep(key: string, sibling: Sibling): Promise<boolean> {
    const { pipeline, codec, handle } = this.#engine;
    this.#count ??= (await this.list(GHOSTS_MAX)).length;
    const { time, node } = sibling.version;
    const at = ghostKey(encodeUtf8(key), time, node);
    if (handle.get(at) !== undefined) return true;
    if (this.#count >= GHOSTS_MAX) return false;
    const refusal = pipeline.refusal();
    if (refusal !== undefined) throw new StoreError(refusal);
    this.#count += 1;
    const group = pipeline.open();
    group.put(at, codec.encodeSiblings(at, [sibling]));
    await group.settled;
    return true;
  }

  /** At most `limit`, in no order of meaning. */
  async list(limit: number): Promise<Ghost[]> {
    const { handle, codec } = this.#engine;
    const ghosts: Ghost[] = [];
    let range = spaceRange(SPACE.ghost);
    while (ghosts.length < limit) {
      const { entries, exhausted } = await handle.read(range, limit - ghosts.length);
      for (const [at, value] of entries) {
        const key = decodeUtf8(parseGhostKey(at));
        const [sibling] = codec.decodeSiblings(at, value) ?? [];
        if (key !== undefined && sibling !== undefined) ghosts.push({ key, sibling });
      }
      const last = entries.at(-1);
      if (exhausted || last === undefined) break;
      range = { ...range, gte: successor(last[0]) };
    }
    return ghosts;
  }
}
