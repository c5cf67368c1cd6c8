/** Random actions from a seed: a profile says how often each kind happens. */
import type { Action } from "./actions.ts";
import { isActive } from "./actions.ts";
import type { Host, World } from "./state.ts";

/** Mulberry32. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed, 2654435761) >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  below(bound: number): number {
    return Math.floor(this.next() * bound);
  }

  chance(share: number): boolean {
    return this.next() < share;
  }

  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)];
  }
}

export type Weights = ReadonlyMap<Kind, number>;
type Kind = Action["do"];
type Weight = readonly [Kind, number];

export interface Profile {
  readonly name: string;
  readonly retentionMs: number;
  readonly weights: Weights;
}

const TALK: readonly Weight[] = [
  ["deliver", 70],
  ["lose", 2],
  ["commit", 18],
  ["write", 10],
  ["read", 3],
  ["exchange", 14],
  ["gossip", 14],
  ["purge", 2],
  ["advance", 25],
  ["flushDisk", 2],
  ["cut", 1],
  ["mend", 1],
  ["skew", 0.5],
  ["delay", 0.5],
  ["release", 1],
  ["announce", 2],
];

const STOPS: readonly Weight[] = [
  ["stop", 1.5],
  ["stopCleanly", 1],
  ["start", 6],
];

export const PROFILES: readonly Profile[] = [
  { name: "talk and stops", retentionMs: 14, weights: new Map<Kind, number>([...TALK, ...STOPS]) },
  {
    name: "members come and go",
    retentionMs: 14,
    weights: new Map<Kind, number>([
      ...TALK,
      ...STOPS,
      ["join", 1],
      ["leave", 1],
      ["forget", 0.7],
      ["reset", 0.7],
    ]),
  },
  {
    name: "doubts",
    retentionMs: 14,
    weights: new Map<Kind, number>([
      ...TALK,
      ...STOPS,
      ["loseCache", 1],
      ["damage", 1],
      ["flushDisk", 3],
      ["join", 0.3],
    ]),
  },
  {
    name: "old copies come back",
    retentionMs: 12,
    weights: new Map<Kind, number>([
      ...TALK,
      ...STOPS,
      ["write", 3],
      ["advance", 40],
      ["backUp", 1.5],
      ["restore", 1],
      ["join", 0.5],
      ["settle", 4],
    ]),
  },
  {
    name: "silent losses",
    retentionMs: 12,
    weights: new Map<Kind, number>([...TALK, ["loseSilently", 1], ["settle", 1]]),
  },
  {
    name: "clocks that differ",
    retentionMs: 30,
    weights: new Map<Kind, number>([...TALK, ...STOPS, ["skew", 4], ["read", 8], ["join", 0.5]]),
  },
  {
    name: "late messages",
    retentionMs: 12,
    weights: new Map<Kind, number>([
      ...TALK,
      ["delay", 5],
      ["release", 1],
      ["settle", 1],
      ["advance", 40],
      ["restore", 0.3],
      ["backUp", 1],
    ]),
  },
  {
    name: "everything",
    retentionMs: 12,
    weights: new Map<Kind, number>([
      ...TALK,
      ...STOPS,
      ["join", 0.6],
      ["leave", 0.6],
      ["forget", 0.4],
      ["reset", 0.4],
      ["loseCache", 0.6],
      ["damage", 0.6],
      ["backUp", 1.5],
      ["restore", 0.6],
      ["settle", 1],
    ]),
  },
];

const KEYS = ["x", "y", "z"] as const;
const NAMES = ["a", "b", "c", "d", "e"] as const;
const DELAYED = ["mail", "records", "answer", "done", "gossip", "start", "differs"] as const;

/** The next action of a random run; undefined when the dice fell on something that does not apply. */
export function nextAction(world: World, dice: Dice, weights: Weights): Action | undefined {
  const kind = pickKind(dice, weights);
  const up = [...world.hosts.values()].filter(isActive);
  const host = dice.pick(up);
  if (host === undefined && kind !== "start") return { do: "advance", ms: 1 };
  switch (kind) {
    case "advance":
      return { do: "advance", ms: dice.chance(0.05) ? 5 : 1 };
    case "deliver":
    case "lose": {
      const { length } = world.network;
      return length === 0 ? undefined : { do: kind, index: dice.chance(0.7) ? 0 : dice.below(length) };
    }
    case "delay":
      return { do: "delay", kind: dice.pick(DELAYED) ?? "mail" };
    case "release":
    case "mend":
      return { do: kind };
    case "settle":
      return { do: "settle", rounds: 1 + dice.below(2) };
    case "start": {
      const down = dice.pick([...world.hosts.values()].filter((other) => !other.up && !other.over));
      return down === undefined ? undefined : { do: "start", at: down.name };
    }
    default:
      return host === undefined ? undefined : hostAction(world, dice, host, kind);
  }
}

function pickKind(dice: Dice, weights: Weights): Action["do"] {
  let sum = 0;
  for (const weight of weights.values()) sum += weight;
  let left = dice.next() * sum;
  for (const [kind, weight] of weights) {
    left -= weight;
    if (left < 0) return kind;
  }
  return "deliver";
}

function hostAction(world: World, dice: Dice, host: Host, kind: Action["do"]): Action | undefined {
  const at = host.name;
  const key = dice.pick(KEYS) ?? "x";
  const to = dice.pick([...world.hosts.keys()].filter((name) => name !== at)) ?? at;
  switch (kind) {
    case "write":
      return {
        do: "write",
        at,
        key,
        ttlMs: dice.chance(0.5) ? undefined : dice.chance(0.3) ? 1 + dice.below(12) : null,
        client: dice.chance(0.35) ? `client ${dice.below(3)}` : undefined,
        mailTo: NAMES.filter(() => dice.chance(0.6)),
      };
    case "read":
      return { do: "read", at, key, client: `client ${dice.below(3)}` };
    case "commit":
      return { do: "commit", at, count: 1 + dice.below(4) };
    case "skew":
      return { do: "skew", at, ms: skew(world, dice) };
    case "damage":
    case "loseSilently":
      return { do: kind, at, key };
    case "join": {
      const name = NAMES.find((free) => !world.hosts.has(free));
      return name === undefined ? undefined : { do: "join", at: name, to: at };
    }
    case "reset": {
      const over = dice.pick([...world.hosts.values()].filter((other) => other.over));
      return over === undefined ? undefined : { do: "reset", at: over.name, to: at };
    }
    case "exchange":
    case "gossip":
    case "cut":
    case "leave":
    case "forget":
      return { do: kind, at, to };
    case "flushDisk":
    case "purge":
    case "stop":
    case "stopCleanly":
    case "loseCache":
    case "backUp":
    case "restore":
    case "announce":
      return { do: kind, at };
    default:
      return undefined;
  }
}

/** Mostly within what nodes bear from each other; sometimes far ahead. */
function skew(world: World, dice: Dice): number {
  const { maxDriftMs } = world.settings;
  if (dice.chance(0.15)) return 2 * maxDriftMs;
  return dice.below(maxDriftMs) - Math.floor(maxDriftMs / 2);
}
