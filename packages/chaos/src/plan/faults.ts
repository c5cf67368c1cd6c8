/** The kinds of fault there are, and which of them a run is asked for. */

export type FaultGroup = "network" | "process" | "disk" | "clock";

export type FaultName =
  | "partition"
  | "hole"
  | "delay"
  | "loss"
  | "trickle"
  | "cut"
  | "kill"
  | "kill-all"
  | "pause"
  | "stop"
  | "disk-full"
  | "flip-bits"
  | "disk-lost"
  | "old-copy"
  | "clock";

export interface FaultKind {
  readonly name: FaultName;
  readonly group: FaultGroup;
  /** How often it is drawn, against the others of its group. */
  readonly weight: number;
  readonly minNodes: number;
  /** How long it lasts, in milliseconds. */
  readonly forMs: readonly [min: number, max: number];
}

const NETWORK = { group: "network", minNodes: 2, forMs: [1_500, 6_000] } as const;
const DISK = { group: "disk", minNodes: 2, weight: 1, forMs: [300, 2_000] } as const;

export const FAULTS: readonly FaultKind[] = [
  { ...NETWORK, name: "partition", weight: 5 },
  { ...NETWORK, name: "hole", weight: 2 },
  { ...NETWORK, name: "delay", weight: 2 },
  { ...NETWORK, name: "loss", weight: 2 },
  { ...NETWORK, name: "trickle", weight: 1 },
  { ...NETWORK, name: "cut", weight: 2 },
  { name: "kill", group: "process", weight: 12, minNodes: 1, forMs: [0, 3_000] },
  { name: "kill-all", group: "process", weight: 1, minNodes: 1, forMs: [0, 1_000] },
  { name: "pause", group: "process", weight: 4, minNodes: 1, forMs: [3_000, 5_000] },
  { name: "stop", group: "process", weight: 2, minNodes: 1, forMs: [0, 3_000] },
  { ...DISK, name: "disk-full", minNodes: 1, forMs: [1_000, 4_000] },
  { ...DISK, name: "flip-bits" },
  { ...DISK, name: "disk-lost" },
  { ...DISK, name: "old-copy", forMs: [1_000, 5_000] },
  { name: "clock", group: "clock", weight: 1, minNodes: 1, forMs: [1_000, 8_000] },
];

const FAULT_GROUPS: readonly FaultGroup[] = ["network", "process", "disk", "clock"];

/** A name that is none of a fault or a group. */
export class FaultNameError extends Error {
  readonly fault: { readonly code: "unknown_fault"; readonly name: string };
  readonly next: string;

  constructor(name: string) {
    super(`there is no fault ${JSON.stringify(name)}`);
    this.name = "FaultNameError";
    this.fault = { code: "unknown_fault", name };
    this.next = `There are ${FAULTS.map((kind) => kind.name).join(", ")}; the groups ${FAULT_GROUPS.join(", ")}; all, none; and -NAME to leave one out.`;
  }
}

/**
 * Names, groups, `all` and `none`, from left to right; `-name` takes away. A list that begins by taking away begins with all.
 * @throws FaultNameError
 */
export function chooseFaults(wishes: readonly string[]): FaultName[] {
  const chosen = new Set<FaultName>();
  if (wishes[0]?.startsWith("-") ?? true) for (const { name } of FAULTS) chosen.add(name);
  for (const wish of wishes) {
    const takesAway = wish.startsWith("-");
    const meant = namesOf(takesAway ? wish.slice(1) : wish);
    if (wish === "none") chosen.clear();
    for (const name of meant) {
      if (takesAway) chosen.delete(name);
      else chosen.add(name);
    }
  }
  return FAULTS.map(({ name }) => name).filter((name) => chosen.has(name));
}

/** Those of them that are asked for one by one, and not with a group or with all. */
export function namedFaults(wishes: readonly string[]): FaultName[] {
  return chooseFaults(wishes).filter((name) => wishes.includes(name));
}

function namesOf(wish: string): FaultName[] {
  if (wish === "none") return [];
  const meant = FAULTS.filter(({ name, group }) => wish === "all" || wish === name || wish === group);
  if (meant.length === 0) throw new FaultNameError(wish);
  return meant.map(({ name }) => name);
}
