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
  let rest: Buffer[] | undefined;
  let received = 0;
  let finished = false;
  const finish = (problem: ApiProblem | undefined): void => {
    // Taking the listeners off costs more than their looking at this.
    if (finished) return;
    finished = true;
    if (problem === undefined) {
      done(undefined, rest === undefined ? (first ?? NOTHING) : joined(rest, received), taken);
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
    else if (rest === undefined) rest = [first, chunk];
    else rest.push(chunk);
  });
  request.on("end", () => finish(undefined));
  request.on("close", () => {
    if (!finished) finish(new ApiProblem("bad_request", { detail: "The body was cut short." }));
  });
}

const NOTHING = new Uint8Array(0);
const IN_FLIGHT = "Bodies in flight have reached limits.maxInFlightBytes.";

function joined(chunks: readonly Buffer[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function tooLarge(limit: BodyLimit): ApiProblem {
  return new ApiProblem("body_too_large", {
    detail: `At most ${limit.maxBytes} bytes are taken (${limit.knob}).`,
    members: { maxBytes: limit.maxBytes },
    headers: ["Connection", "close"],
  });
}
