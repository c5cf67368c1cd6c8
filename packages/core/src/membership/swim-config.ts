/** The knobs of membership. Defaults are those of memberlist's LAN profile where it has the knob. */

export interface SwimConfig {
  /** One probe per period. Shorter finds failures sooner and costs two messages a member and period. */
  readonly probeIntervalMs: number;
  /** Wait for the direct ack: a high percentile of the round trip. The rest of the period is for helpers. */
  readonly probeTimeoutMs: number;
  /** Helpers asked when a direct probe fails: with 3, a path broken to the target alone does not accuse it. */
  readonly indirectProbes: number;
  /** Round-robin bounds the first detection by 2n - 1 periods; random is the paper's first version, for comparison. */
  readonly probeOrder: "round-robin" | "random";
  /** Shortest suspicion = this * max(1, log10 n) * probeIntervalMs: several periods in which to hear and refute. */
  readonly suspicionMult: number;
  /** Longest suspicion = this * the shortest: how long one unconfirmed accuser is doubted. 1 switches Lifeguard's off. */
  readonly suspicionMaxTimeoutMult: number;
  /** The local health multiplier reaches at most this. 1 switches local health off. */
  readonly localHealthMax: number;
  /** An update goes out this * ceil(log10(n + 1)) times: enough for an epidemic to reach all with high probability. */
  readonly retransmitMult: number;
  /** Updates on one message, about 100 bytes each: 128 nodes that join at once know one another within seconds. */
  readonly piggybackMaxItems: number;
  /** Full state exchange: repairs what gossip missed, at about 120 bytes a member. */
  readonly pushPullIntervalMs: number;
  readonly pushPullTimeoutMs: number;
  /** How often the cluster, on average, tries one dead or stopped member; bounds how long a healed partition stays apart. */
  readonly reconnectIntervalMs: number;
  /** Between attempts to reach a seed until one has recorded this node. */
  readonly joinRetryIntervalMs: number;
  /** Seeds tried in one attempt. */
  readonly joinFanout: number;
  /** Live members told directly that this node stops or leaves, so that one crash does not lose the news. */
  readonly announceFanout: number;
  /** Counted members the table holds: above the few hundred that full views are meant for. */
  readonly membersMax: number;
  /** Retired ids, kept for ever: decades of daily replacements at about 20 bytes each. */
  readonly retiredMax: number;
  /** Updates waiting to be spread: one per id, so twice the members leaves room for retirements. */
  readonly broadcastsMax: number;
  /** Indirect probes carried out for others at one time; one more is answered with a nack. */
  readonly relaysMax: number;
}

export const SWIM_DEFAULTS: SwimConfig = {
  probeIntervalMs: 1_000,
  probeTimeoutMs: 500,
  indirectProbes: 3,
  probeOrder: "round-robin",
  suspicionMult: 4,
  suspicionMaxTimeoutMult: 6,
  localHealthMax: 8,
  retransmitMult: 4,
  piggybackMaxItems: 64,
  pushPullIntervalMs: 30_000,
  pushPullTimeoutMs: 10_000,
  reconnectIntervalMs: 10_000,
  joinRetryIntervalMs: 1_000,
  joinFanout: 3,
  announceFanout: 5,
  membersMax: 1_024,
  retiredMax: 65_536,
  broadcastsMax: 2_048,
  relaysMax: 64,
};

/** A knob that cannot be used as it is, and what it has to satisfy. */
export interface SwimConfigFault {
  readonly code: "swim_config";
  readonly knob: keyof SwimConfig;
  readonly rule: string;
}

const POSITIVE = [
  "probeIntervalMs",
  "probeTimeoutMs",
  "suspicionMult",
  "suspicionMaxTimeoutMult",
  "localHealthMax",
  "retransmitMult",
  "piggybackMaxItems",
  "pushPullIntervalMs",
  "pushPullTimeoutMs",
  "reconnectIntervalMs",
  "joinRetryIntervalMs",
  "joinFanout",
  "announceFanout",
  "membersMax",
  "retiredMax",
  "broadcastsMax",
  "relaysMax",
] as const satisfies readonly (keyof SwimConfig)[];

/** Every rule that is broken; empty when the configuration can be used. */
export function validateSwimConfig(config: SwimConfig): SwimConfigFault[] {
  const faults: SwimConfigFault[] = [];
  const require = (holds: boolean, knob: keyof SwimConfig, rule: string): void => {
    if (!holds) faults.push({ code: "swim_config", knob, rule });
  };
  for (const knob of POSITIVE) {
    require(Number.isSafeInteger(config[knob]) && config[knob] > 0, knob, "a whole number above 0");
  }
  const { indirectProbes } = config;
  require(Number.isSafeInteger(indirectProbes) && indirectProbes >= 0, "indirectProbes", "a whole number");
  require(config.probeOrder === "round-robin" ||
    config.probeOrder === "random", "probeOrder", "round-robin or random");
  require(config.probeTimeoutMs <
    config.probeIntervalMs, "probeTimeoutMs", "less than probeIntervalMs, to leave time for helpers");
  require(config.pushPullIntervalMs >
    config.probeIntervalMs, "pushPullIntervalMs", "more than probeIntervalMs");
  require(config.membersMax >= 2, "membersMax", "at least 2, this node and another");
  require(config.broadcastsMax >=
    config.membersMax, "broadcastsMax", "at least membersMax, one update per member");
  return faults;
}
