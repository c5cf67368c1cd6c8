/** Reading option values. Each parser throws commander's error, which names the option and exits as a usage error. */
import { parseDurationMs } from "@hearsay/api";
import type { Ack } from "@hearsay/client";
import { InvalidArgumentError } from "commander";

/** A timer takes up to 2,147,483,647 ms, and goes off at once for more; what waits adds some seconds to what is given. */
const WAIT_MAX_MS = 24 * 24 * 60 * 60 * 1000;

/** How long something is waited for. */
export function duration(text: string): number {
  const ms = lifetime(text);
  if (ms > WAIT_MAX_MS) throw new InvalidArgumentError("Give at most 24d.");
  return ms;
}

/** How long something lives. */
export function lifetime(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined)
    throw new InvalidArgumentError("Give a number and ms, s, m, h or d, for instance 30s.");
  return ms;
}

export function ack(text: string): Ack {
  if (text === "quorum" || text === "all") return text;
  return positiveInteger(text, "Give a number of replicas, quorum or all.");
}

export function count(text: string): number {
  return positiveInteger(text, "Give a whole number above zero.");
}

function positiveInteger(text: string, complaint: string): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value === 0) throw new InvalidArgumentError(complaint);
  return value;
}

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

export function oneOf<T extends string>(choices: readonly T[]): (text: string) => T {
  return (text) => {
    const found = choices.find((choice) => choice === text);
    if (found === undefined) throw new InvalidArgumentError(`Give one of ${choices.join(", ")}.`);
    return found;
  };
}
