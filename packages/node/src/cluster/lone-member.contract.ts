/** One member of a cluster of which the others are made up. */
import {
  ANTI_ENTROPY_DEFAULTS,
  DEFAULT_RUMOR_OPTIONS,
  type LoadedRumorRequest,
  type Member,
  type Peer,
  type PeerReply,
  type PeerRequest,
  SeededRandom,
  SWIM_DEFAULTS,
} from "@hearsay/core";
import { afterEach } from "vitest";
import { digitsOf, MemoryReplica, START_MS } from "../exchange/memory-replica.contract.ts";
import { EXCHANGE_LIMITS } from "../exchange/session.ts";
import { MemoryStore } from "../memory-store.contract.ts";
import { PeerFault } from "../peer-fault.ts";
import { EventLog } from "./event-log.contract.ts";
import { ManualTimers } from "./manual-timers.contract.ts";
import { ClusterMember } from "./member.ts";
import type { MemberConfig } from "./member-config.ts";

export const FRIEND = memberOf("b");
export const STRANGER = memberOf("x");
export const LIMITS = {
  maxValueBytes: 1024,
  maxSiblings: 32,
  maxMessageBytes: 65_536,
  tombstoneRetentionMs: 1000,
  digestKeyId: "0".repeat(16),
};

export function memberOf(name: string, changes: Partial<Member> = {}): Member {
  return {
    id: `${name}~0123456789`,
    address: `${name}:1`,
    generation: START_MS,
    state: "alive",
    zone: "",
    protocol: { min: 1, max: 1 },
    build: "",
    ...changes,
  };
}

export interface Running {
  readonly member: ClusterMember;
  readonly replica: MemoryReplica;
  readonly timers: ManualTimers;
  readonly log: EventLog;
  readonly sent: { readonly to: Peer; readonly message: PeerRequest }[];
  /** What the others answer; they are away while it is not set. */
  answer: ((message: PeerRequest, to: Peer) => PeerReply | Promise<PeerReply>) | undefined;
  retired: boolean;
}

const running: Running[] = [];
afterEach(() => {
  for (const { member } of running.splice(0)) member.halt();
});

export async function start(
  store: MemoryStore = new MemoryStore(),
  seeds: readonly string[] = [],
  changes: Partial<MemberConfig> = {},
  beforeItStarts: (member: ClusterMember) => void = () => undefined,
): Promise<Running> {
  const replica = await MemoryReplica.open({ name: "a", store });
  const timers = new ManualTimers();
  const log = new EventLog();
  const sent: Running["sent"] = [];
  const config: MemberConfig = {
    address: "a:1",
    zone: "",
    build: "test",
    protocol: { min: 1, max: 1 },
    seeds,
    incarnation: "same",
    swim: SWIM_DEFAULTS,
    rumors: DEFAULT_RUMOR_OPTIONS,
    antiEntropy: ANTI_ENTROPY_DEFAULTS,
    exchange: EXCHANGE_LIMITS,
    tombstoneRetentionMs: 1000,
    stateIntervalMs: 1000,
    maxPendingAcks: 2,
    limits: LIMITS,
    hash: (text) => digitsOf(text, 6, 16),
    ...changes,
  };
  const member = new ClusterMember(
    config,
    {
      node: replica.node,
      store,
      digests: replica.digests,
      graveyard: replica.graveyard,
      facts: { flush: async () => undefined, stats: () => ({ records: 0, bytes: 0 }) },
      clock: { nowMs: () => START_MS },
      timers,
      transport: {
        request: async (to, message) => {
          sent.push({ to, message });
          if (it.answer === undefined) throw new PeerFault({ code: "unreachable" });
          return await it.answer(message, to);
        },
      },
      resolveSeed: async (seed) => [seed],
      random: new SeededRandom(7),
      log,
      metrics: log,
    },
    { retired: () => (it.retired = true) },
  );
  const it: Running = { member, replica, timers, log, sent, answer: undefined, retired: false };
  running.push(it);
  beforeItStarts(member);
  await member.start();
  return it;
}

/** Makes a node known to the member, by a push-pull of its own; a joiner is let in first. */
export async function introduce(
  { member }: Running,
  from: Member,
  belongs: boolean = false,
): Promise<PeerReply> {
  await member.keeper.letIn(["seed:1"], null);
  return await member.serve(from.id, {
    kind: "push-pull",
    from,
    to: "",
    members: [from],
    retired: [],
    belongs,
    boundTo: [],
  });
}

export const standing = { floor: 0, complete: true };
export const rumors = (changes: Partial<LoadedRumorRequest> = {}): LoadedRumorRequest => ({
  kind: "rumors",
  standing,
  rumors: [],
  wants: [],
  answers: undefined,
  pull: false,
  updates: [],
  ...changes,
});
