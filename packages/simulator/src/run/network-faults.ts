/** Faults of the network, in Jepsen's vocabulary: each strikes, and is taken back after its time. */
import type { VirtualCluster } from "../cluster/virtual-cluster.ts";
import type { LinkEvent } from "../network/links.ts";
import type { Fault } from "../plan/actions.ts";
import type { FaultKind } from "../plan/faults.ts";

/** What strikes, and what takes it back. */
export interface Strike {
  readonly end: () => void;
  /** The event by which it shows that it has had an effect. */
  readonly shows: LinkEvent;
}

type Pair = readonly [from: string, to: string];

export class NetworkFaults {
  readonly #cluster: VirtualCluster;

  constructor(cluster: VirtualCluster) {
    this.#cluster = cluster;
  }

  /** Undefined for a fault that is none of the network's. @param names in their order */
  strike(fault: Fault, names: readonly string[]): Strike | undefined {
    const { links } = this.#cluster;
    const { strength } = fault;
    const at = chosen(names, fault.node);
    const other = chosen(names, fault.other);
    switch (fault.fault) {
      case "loss":
        links.lossRate = 0.02 + 0.4 * strength;
        return ending("lost", () => {
          links.lossRate = 0;
        });
      case "duplication":
        links.duplicateRate = 0.05 + 0.5 * strength;
        links.duplicateDelayMs = strength > 0.5 ? 20_000 : 50;
        return ending("duplicated", () => {
          links.duplicateRate = 0;
        });
      case "reordering":
        links.jitterMs = 5 + 300 * strength;
        return ending("overtaken", () => {
          links.jitterMs = 0;
        });
      case "delay":
        return this.#delay([at, other], 20 + 2_000 * strength);
      case "slow_reader":
        links.slow(`${at}:1`, 200 + 8_000 * strength);
        return ending("slow", () => links.slow(`${at}:1`, 0));
      default: {
        const pairs = cutsOf(fault.fault, names, { at, other, strength });
        if (pairs === undefined) return undefined;
        links.isSilent = fault.other < 0.5;
        return fault.fault === "swizzle_clog" ? this.#swizzle(pairs, fault) : this.#cut(pairs);
      }
    }
  }

  #delay([from, to]: Pair, ms: number): Strike {
    const { links } = this.#cluster;
    links.delay(`${from}:1`, `${to}:1`, ms);
    return { end: () => links.delay(`${from}:1`, `${to}:1`, 0), shows: "delayed" };
  }

  #cut(pairs: readonly Pair[]): Strike {
    for (const [from, to] of pairs) this.#cluster.cut(from, to);
    return { end: () => this.#mend(pairs), shows: "cut" };
  }

  /** FoundationDB's swizzle-clogging: clog one after the other, unclog in another order. */
  #swizzle(pairs: readonly Pair[], { durationMs }: Fault): Strike {
    const { time } = this.#cluster;
    let isOver = false;
    for (const [i, pair] of pairs.entries()) {
      time.after((i * durationMs) / (2 * pairs.length), () => {
        if (!isOver) this.#cluster.cut(...pair);
      });
      // A stride that shares no divisor with most numbers of links: every link once, in another order.
      const turn = (i * 7 + 3) % pairs.length;
      time.after(durationMs / 2 + (turn * durationMs) / (2 * pairs.length), () => this.#mend([pair]));
    }
    return {
      end: () => {
        isOver = true;
        this.#mend(pairs);
      },
      shows: "cut",
    };
  }

  #mend(pairs: readonly Pair[]): void {
    for (const [from, to] of pairs) this.#cluster.links.mend(`${from}:1`, `${to}:1`);
  }
}

function ending(shows: LinkEvent, end: () => void): Strike {
  return { shows, end };
}

/** The links that a kind of partition cuts; undefined for what is no partition. */
export function cutsOf(
  kind: FaultKind,
  names: readonly string[],
  { at, other, strength }: { readonly at: string; readonly other: string; readonly strength: number },
): Pair[] | undefined {
  const shift = Math.floor(strength * names.length);
  const turned = [...names.slice(shift), ...names.slice(0, shift)];
  const half = turned.slice(0, Math.ceil(turned.length / 2));
  switch (kind) {
    case "asymmetric":
      return [[at, other]];
    case "halves":
      return between(half, turned.slice(half.length));
    case "isolate":
      return between(
        [at],
        names.filter((name) => name !== at),
      );
    case "bridge":
      return between(half.slice(1), turned.slice(half.length));
    case "majority_ring":
      return ring(turned);
    case "swizzle_clog":
      return between(
        [at],
        names.filter((name) => name !== at),
      );
    default:
      return undefined;
  }
}

function between(left: readonly string[], right: readonly string[]): Pair[] {
  return left.flatMap((a) =>
    right.flatMap((b): Pair[] => [
      [a, b],
      [b, a],
    ]),
  );
}

/** Each node sees its neighbours on a ring, as far as makes a majority with itself. */
function ring(names: readonly string[]): Pair[] {
  const reach = Math.ceil((Math.floor(names.length / 2) + 1 - 1) / 2);
  const pairs: Pair[] = [];
  for (const [i, from] of names.entries()) {
    for (const [j, to] of names.entries()) {
      const apart = Math.min(Math.abs(i - j), names.length - Math.abs(i - j));
      if (apart > reach) pairs.push([from, to]);
    }
  }
  return pairs;
}

/** The name that a part of 1 stands for. */
export function chosen(names: readonly string[], part: number): string {
  return names[Math.floor(part * names.length)] ?? "";
}
