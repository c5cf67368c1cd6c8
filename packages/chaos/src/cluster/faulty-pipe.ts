import { Transform, type TransformCallback } from "node:stream";
import type { RandomSource } from "@hearsay/core";
import type { LinkState } from "./link-state.ts";

export interface PipePorts {
  state(): LinkState;
  readonly random: RandomSource;
  /** A part has gone nowhere. */
  vanished(): void;
  /** The connection ends here. */
  broken(): void;
}

/** What passes at one time while a link trickles. */
const DROP_BYTES = 256;
/** Of the share of connections that break when they open, so many break with each part. */
const LOSS_BY_PART = 0.1;

/** One direction of a connection. */
export class FaultyPipe extends Transform {
  readonly #ports: PipePorts;

  constructor(ports: PipePorts) {
    super();
    this.#ports = ports;
  }

  override _transform(part: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const { random } = this.#ports;
    const state = this.#ports.state();
    switch (state.kind) {
      case "open":
        done(null, part);
        return;
      case "hole":
        // Never done: nothing behind this part passes either.
        this.#ports.vanished();
        return;
      case "delay":
        setTimeout(() => done(null, part), state.ms * random.next());
        return;
      case "trickle":
        this.#trickle(part, state.bytesPerSecond, done);
        return;
      case "loss":
        if (random.next() < state.share * LOSS_BY_PART) this.#ports.broken();
        else done(null, part);
        return;
      case "midway":
        if (random.next() >= state.share) {
          done(null, part);
          return;
        }
        this.push(part.subarray(0, Math.floor(part.length * random.next())));
        setImmediate(() => this.#ports.broken());
        return;
      case "closed":
        this.#ports.broken();
    }
  }

  #trickle(part: Buffer, bytesPerSecond: number, done: TransformCallback): void {
    if (this.destroyed) return;
    const isTrickling = this.#ports.state().kind === "trickle";
    const drop = isTrickling ? part.subarray(0, DROP_BYTES) : part;
    this.push(drop);
    const rest = part.subarray(drop.length);
    if (rest.length === 0 && !isTrickling) done();
    else if (rest.length === 0) setTimeout(done, (drop.length / bytesPerSecond) * 1_000);
    else setTimeout(() => this.#trickle(rest, bytesPerSecond, done), (drop.length / bytesPerSecond) * 1_000);
  }
}
