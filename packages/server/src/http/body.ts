/**
 * Reads request bodies whole, within two bounds: of one body, and of all bodies that are in flight, from their
 * first byte until their request is answered. Bodies are read here and nowhere else; nothing parses them on the way.
 */
import type { IncomingMessage } from "node:http";
import { ApiProblem } from "./problem.ts";

/** The bytes that all requests together may hold in memory. */
export class ByteBudget {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** False, and nothing taken, when it would exceed the limit. */
  take(bytes: number): boolean {
    if (this.#used + bytes > this.#limit) return false;
    this.#used += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#used -= bytes;
  }
}

export interface BodyLimit {
  readonly maxBytes: number;
  /** The knob that sets it, for the answer to name. */
  readonly knob: string;
}

/**
 * @param done gets the bytes, which may be a view of a larger buffer, and how many to release from the budget once
 * the request is answered; or the problem, with nothing left to release
 */
export function readBody(
  request: IncomingMessage,
  limit: BodyLimit,
  budget: ByteBudget,
  done: (problem: ApiProblem | undefined, bytes: Uint8Array, taken: number) => void,
): void {
  const declared = request.headers["content-length"];
  let taken = declared === undefined ? 0 : Number(declared);
  if (taken > limit.maxBytes) {
    done(tooLarge(limit), NOTHING, 0);
    return;
  }
  if (!budget.take(taken)) {
    done(new ApiProblem("overloaded", { detail: IN_FLIGHT }), NOTHING, 0);
    return;
  }
  let first: Buffer | undefined;
  let gathered: Gathered | undefined;
  let received = 0;
  let finished = false;
  const finish = (problem: ApiProblem | undefined): void => {
    // Taking the listeners off costs more than their looking at this.
    if (finished) return;
    finished = true;
    if (problem === undefined) {
      done(undefined, gathered?.bytes ?? first ?? NOTHING, taken);
    } else {
      budget.release(taken);
      done(problem, NOTHING, 0);
    }
  };
  const admit = (): ApiProblem | undefined => {
    if (received <= taken) return undefined;
    if (received > limit.maxBytes) return tooLarge(limit);
    if (!budget.take(received - taken)) return new ApiProblem("overloaded", { detail: IN_FLIGHT });
    taken = received;
    return undefined;
  };
  request.on("data", (chunk: Buffer): void => {
    if (finished) return;
    received += chunk.length;
    const problem = admit();
    if (problem !== undefined) finish(problem);
    else if (first === undefined) first = chunk;
    else {
      gathered ??= new Gathered(first, taken);
      gathered.add(chunk);
    }
  });
  request.on("end", () => finish(undefined));
  request.on("close", () => {
    if (!finished) finish(new ApiProblem("bad_request", { detail: "The body was cut short." }));
  });
}

const NOTHING = new Uint8Array(0);
const IN_FLIGHT = "Bodies in flight have reached limits.maxInFlightBytes.";

/**
 * What comes in pieces, in one stretch of memory that grows with it. A piece kept as it came takes some two hundred bytes beside its
 * own, and a sender may make pieces of one byte.
 */
export class Gathered {
  #memory: Uint8Array;
  #length: number;

  /** @param expected how many bytes there may be in all */
  constructor(first: Uint8Array, expected: number) {
    this.#memory = new Uint8Array(Math.max(expected, first.length));
    this.#memory.set(first);
    this.#length = first.length;
  }

  add(piece: Uint8Array): void {
    const length = this.#length + piece.length;
    if (length > this.#memory.length) {
      const grown = new Uint8Array(Math.max(length, 2 * this.#memory.length));
      grown.set(this.bytes);
      this.#memory = grown;
    }
    this.#memory.set(piece, this.#length);
    this.#length = length;
  }

  /** All of it so far, as a view. */
  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.#length);
  }
}

function tooLarge(limit: BodyLimit): ApiProblem {
  return new ApiProblem("body_too_large", {
    detail: `At most ${limit.maxBytes} bytes are taken (${limit.knob}).`,
    members: { maxBytes: limit.maxBytes },
    headers: ["Connection", "close"],
  });
}
