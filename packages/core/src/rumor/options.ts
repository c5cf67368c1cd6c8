/** How rumors spread; every knob with its unit, its default and the reason for it. */

export interface RumorOptions {
  /** Who hands rumors to whom: the one who calls, the one who is called, or both. The same on all nodes. */
  readonly mode: "push" | "pull" | "push_pull";
  /** A write waits this long for others to share its message, beside the time a request to the same peer is under way. */
  readonly coalesceMs: number;
  /**
   * Mail that is on its way to as many peers as its writer waits for leaves to the others at most this much later, and shares their
   * messages with what comes up meanwhile.
   */
  readonly lingerMs: number;
  /** From so many records on, mail to a peer may linger: fewer save nothing by it. */
  readonly lingerMin: number;
  /** Time between two rounds of pushing to random peers while anything is hot. */
  readonly roundIntervalMs: number;
  /** Time between two rounds of asking where nothing hot makes for rounds: in mode `pull`, and with `asksIdle`. */
  readonly pullIntervalMs: number;
  /** Whether in mode `push_pull` a node with nothing hot asks too, as in the phone call model (Karp et al., 2000). */
  readonly asksIdle: boolean;
  /** Random peers contacted in a round. */
  readonly fanout: number;
  /**
   * Up to this many live peers, the coordinator of a write mails it to all of them and nobody forwards it. Records above
   * `inlineMaxBytes` are mailed to few peers only.
   */
  readonly directMailMax: number;
  /** When a rumor loses interest (Demers et al., section 1.4): judged by answers, or by chance alone. */
  readonly loss: "feedback_counter" | "blind_coin";
  /** Counter: needless contacts in a row that end a rumor. Coin: a contact ends it with chance 1 / k. */
  readonly k: number;
  /** A rumor ends at the latest after ceil(sendsFactor * log2(n + 1)) sends, n being the cluster size. */
  readonly sendsFactor: number;
  /** Records up to this size may travel with the first offer; larger ones are offered by version and asked for. */
  readonly inlineMaxBytes: number;
  /** Records travel with the offer while at most this share of the cluster can be expected to hold them. */
  readonly inlineShare: number;
  /** No message is estimated larger than this. */
  readonly maxMessageBytes: number;
  readonly maxRumorsPerMessage: number;
  readonly hotMaxEntries: number;
  /** Bound of the hot list in bytes of keys and versions; it holds no values. */
  readonly hotMaxBytes: number;
  /** Peers remembered per rumor as not worth contacting. 0 is the memoryless model of the papers. */
  readonly settledMax: number;
  /** Records asked for and not yet here. */
  readonly wantsMax: number;
  /** A record asked for and not here after this time is asked for elsewhere. */
  readonly wantTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** After a failed request the peer is left alone for this long. */
  readonly failureBackoffMs: number;
}

export const DEFAULT_RUMOR_OPTIONS: RumorOptions = {
  mode: "push_pull",
  // What comes up while a request is under way shares the next one. Waiting beyond that buys no batching under load, and
  // without load only delay.
  coalesceMs: 0,
  // Two round trips under load: a second peer is sent half or a third as many messages, each of them longer. At a rate
  // at which fewer than eight writes come up in a round trip nothing lingers.
  lingerMs: 10,
  lingerMin: 8,
  // Three rounds reach 32 nodes in half of 100 ms; shorter ones cost messages in proportion and save little.
  roundIntervalMs: 20,
  pullIntervalMs: 100,
  // An idle cluster would send messages for nothing; who has news pushes it, and anti-entropy asks the rest.
  asksIdle: false,
  // Two reach everyone in about log2 n rounds; the third shortens the tail and costs offers, which carry no value.
  fanout: 3,
  // A rumor costs each node about 10 offers made and 10 taken. Mail costs one message a peer, all at the coordinator: less
  // for the cluster at any size, and about the same for a node that coordinates all writes at this one.
  directMailMax: 32,
  loss: "feedback_counter",
  // The least that leaves out fewer than 1 in 10,000 at 32 nodes for lone writes too, where no other rumor helps.
  k: 8,
  // 16 sends at 32 nodes, where the counter ends most rumors after 10.
  sendsFactor: 3,
  inlineMaxBytes: 4096,
  // At 32 nodes the coordinator and the first it reaches: about 1.2 to 1.7 copies of a value per node.
  inlineShare: 0.2,
  // Room for the largest value (1 MiB) with siblings and context.
  maxMessageBytes: 2 * 1024 * 1024,
  maxRumorsPerMessage: 1000,
  // Two seconds of 5,000 writes a second.
  hotMaxEntries: 10_000,
  hotMaxBytes: 4 * 1024 * 1024,
  settledMax: 64,
  wantsMax: 1000,
  // Several round trips under load, and still far inside the second after which anti-entropy would repair it.
  wantTimeoutMs: 250,
  requestTimeoutMs: 1000,
  failureBackoffMs: 200,
};

export type RumorOptionsFault =
  | { readonly code: "option_out_of_range"; readonly option: keyof RumorOptions; readonly min: number }
  | { readonly code: "option_not_whole"; readonly option: keyof RumorOptions }
  | {
      readonly code: "option_exceeds";
      readonly option: keyof RumorOptions;
      readonly other: keyof RumorOptions;
    };

type NumericOption = {
  [K in keyof RumorOptions]: RumorOptions[K] extends number ? K : never;
}[keyof RumorOptions];

const MINIMA: readonly (readonly [NumericOption, number])[] = [
  ["coalesceMs", 0],
  ["lingerMs", 0],
  ["lingerMin", 1],
  ["roundIntervalMs", 0],
  ["pullIntervalMs", 1],
  ["fanout", 1],
  ["directMailMax", 0],
  ["k", 1],
  ["sendsFactor", 1],
  ["inlineMaxBytes", 0],
  ["inlineShare", 0],
  ["maxMessageBytes", 8192],
  ["maxRumorsPerMessage", 1],
  ["hotMaxEntries", 1],
  ["hotMaxBytes", 4096],
  ["settledMax", 0],
  ["wantsMax", 1],
  ["wantTimeoutMs", 1],
  ["requestTimeoutMs", 1],
  ["failureBackoffMs", 0],
];

const COUNTS: readonly NumericOption[] = ["fanout", "directMailMax", "settledMax", "maxRumorsPerMessage"];

/** All that is wrong with the options; empty when they can be used. */
export function validateRumorOptions(options: RumorOptions): readonly RumorOptionsFault[] {
  const faults: RumorOptionsFault[] = [];
  for (const [option, min] of MINIMA) {
    if (!(options[option] >= min)) faults.push({ code: "option_out_of_range", option, min });
  }
  for (const option of COUNTS) {
    if (!Number.isInteger(options[option])) faults.push({ code: "option_not_whole", option });
  }
  if (options.inlineMaxBytes > options.maxMessageBytes) {
    faults.push({ code: "option_exceeds", option: "inlineMaxBytes", other: "maxMessageBytes" });
  }
  for (const option of ["coalesceMs", "lingerMs"] as const) {
    if (options[option] > options.requestTimeoutMs) {
      faults.push({ code: "option_exceeds", option, other: "requestTimeoutMs" });
    }
  }
  return faults;
}

/** Whether a node does rounds of asking with nothing hot. */
export function asksAlways({ mode, asksIdle }: RumorOptions): boolean {
  return mode === "pull" || (mode === "push_pull" && asksIdle);
}

/** ceil(sendsFactor * log2(n + 1)); the size counts this node. */
export function sendsLimit(options: RumorOptions, clusterSize: number): number {
  return Math.ceil(options.sendsFactor * Math.log2(clusterSize + 1));
}
