/**
 * A snapshot of a store in use: a pass over the records, then whatever changed behind the cursor once more, until
 * so little is left that it can be read between two batches. The stream equals the store at that moment.
 */
import { encodeUtf8, type Hashing } from "@hearsay/core";
import type { Change, KeyState } from "./change.ts";
import type { Engine } from "./engine.ts";
import { StoreError } from "./faults.ts";
import { OnlineScan } from "./online-scan.ts";
import {
  concatenate,
  FRAME_ENTRIES,
  FRAME_TARGET_BYTES,
  FRAME_TRAILER,
  FrameChain,
  SNAPSHOT_MAGIC,
  sealFrame,
} from "./snapshot-format.ts";

/** So many keys at most are read without giving way to the next batch. */
const LAST_KEYS = 256;
/** And keys of so many bytes: what the largest batch brings, so that it does not bring more than is read. */
const LAST_BYTES = 8 * 1024 * 1024;
/** Entries that may be streamed again, as a multiple of the keys that may have changed. */
const AGAIN_FACTOR = 2;

/**
 * @param maxChanged keys that may change behind the cursor
 * @throws StoreError `snapshot_overrun`, `store_unavailable` while it is consumed
 */
export async function* writeSnapshot(
  engine: Engine,
  hashing: Hashing,
  maxChanged: number,
): AsyncGenerator<Uint8Array> {
  const chain = new FrameChain(hashing);
  const frames = new Frames(engine, hashing, chain);
  const changed = new Set<string>();
  const scan = new OnlineScan(engine, "record", {
    stored: (key, [at, value]) => {
      if (key === undefined) return;
      const state = engine.table.scanned(key, at.subarray(1), value);
      if (state.kind === "record") frames.add(key, state);
    },
    changed: ({ key, after }) => {
      if (after.kind === "record") frames.add(key, after);
    },
    passed: ({ key }: Change) => {
      if (changed.size <= maxChanged) changed.add(key);
    },
  });
  try {
    yield SNAPSHOT_MAGIC;
    while (await scan.step()) yield* frames.take();
    let again = 0;
    for (;;) {
      yield* frames.take();
      if (changed.size > maxChanged || again > AGAIN_FACTOR * maxChanged) {
        throw new StoreError({ code: "snapshot_overrun", changed: changed.size });
      }
      const end = again + LAST_KEYS;
      const finished = await engine.pipeline.betweenBatches(() => {
        let bytes = 0;
        for (const key of changed) {
          if (again === end || bytes >= LAST_BYTES) return false;
          changed.delete(key);
          again += 1;
          bytes += frames.add(key, engine.table.committed(key));
        }
        return true;
      });
      if (finished) break;
    }
    frames.close();
    yield* frames.take();
    yield sealFrame(hashing, FRAME_TRAILER, chain.trailer(engine.damaged));
  } finally {
    scan.close();
  }
}

/** Collects entries into frames. */
class Frames {
  readonly #engine: Engine;
  readonly #hashing: Hashing;
  readonly #chain: FrameChain;
  #ready: Uint8Array[] = [];
  #parts: Uint8Array[] = [];
  #bytes: number = 0;

  constructor(engine: Engine, hashing: Hashing, chain: FrameChain) {
    this.#engine = engine;
    this.#hashing = hashing;
    this.#chain = chain;
  }

  /**
   * An absent record is noted as gone, a damaged one is left out.
   * @returns the bytes that this has added
   */
  add(key: string, state: KeyState): number {
    if (state.kind === "damaged") return 0;
    const keyBytes = encodeUtf8(key);
    const value =
      state.kind === "absent"
        ? new Uint8Array(0)
        : this.#engine.codec.encodeRecord(keyBytes, state.record, 0);
    const head = new Uint8Array(2 + keyBytes.length + 4);
    const view = new DataView(head.buffer);
    view.setUint16(0, keyBytes.length);
    head.set(keyBytes, 2);
    view.setUint32(2 + keyBytes.length, value.length);
    this.#parts.push(head, value);
    const added = head.length + value.length;
    this.#bytes += added;
    if (this.#bytes >= FRAME_TARGET_BYTES) this.close();
    return added;
  }

  close(): void {
    if (this.#parts.length === 0) return;
    const frame = sealFrame(this.#hashing, FRAME_ENTRIES, concatenate(this.#parts, this.#bytes));
    this.#chain.add(frame, this.#parts.length / 2);
    this.#ready.push(frame);
    this.#parts = [];
    this.#bytes = 0;
  }

  take(): Uint8Array[] {
    const frames = this.#ready;
    this.#ready = [];
    return frames;
  }
}
