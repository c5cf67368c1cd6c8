/** The protocols of one member, each given what it needs of the others. */
import {
  ANYONE,
  FullView,
  type HlcTime,
  hlcFromMs,
  type NodeId,
  type Peer,
  preferHealthy,
  type RumorHeldEvent,
} from "@hearsay/core";
import { PeerFault } from "../peer-fault.ts";
import { REPEAT_LOG_INTERVAL_MS, RepeatLog } from "../repeat-log.ts";
import { askingMembers } from "./asking-members.ts";
import { CompletenessKeeper } from "./completeness-keeper.ts";
import { HELLO_TIMEOUT_MS, Joining } from "./joining.ts";
import { LocalReplica } from "./local-replica.ts";
import type { MemberConfig, MemberPorts } from "./member-config.ts";
import { Membership, type MembershipOptions } from "./membership.ts";
import { obstacleTo } from "./obstacle.ts";
import type { Transport } from "./ports.ts";
import { Repair } from "./repair.ts";
import { Rumors } from "./rumors.ts";
import { type PublishedState, States } from "./states.ts";
import type { Company } from "./stored-completeness.ts";

export interface MemberParts {
  readonly membership: Membership;
  readonly keeper: CompletenessKeeper;
  readonly replica: LocalReplica;
  readonly sampler: FullView;
  /** For what is asked of members. */
  readonly transport: Transport;
  readonly rumors: Rumors;
  readonly repair: Repair;
  readonly states: States;
  /** Undefined for a node that was recorded before, or begins a cluster. */
  joining: Joining | undefined;
  /** Joining that looks for members at these addresses and where the configuration says. */
  newJoining(addresses: readonly string[]): Joining;
  /** Where what fails over and over is told. */
  readonly troubles: RepeatLog;
}

/** What the parts tell the whole; nothing of it before all of them are made. */
export interface PartEvents {
  peersChanged(): void;
  retirementAdopted(id: NodeId): void;
  selfRetired(): void;
  nameTaken(holder: Peer): void;
  exchangeEnded(peer: NodeId, fault: PeerFault | undefined): void;
  /** See {@link RepairPorts.claimed}. */
  claimed(peer: Peer | undefined): void;
  /** See {@link RepairPorts.confirmed}. */
  confirmed(peer: NodeId, through: HlcTime): void;
  learnt(id: NodeId, state: PublishedState): void;
  held(event: RumorHeldEvent): void;
  isStaying(): boolean;
  isLeaving(): boolean;
}

interface Recipe {
  readonly config: MemberConfig;
  readonly ports: MemberPorts;
  readonly events: PartEvents;
  readonly troubles: RepeatLog;
}

export function makeParts(config: MemberConfig, ports: MemberPorts, events: PartEvents): MemberParts {
  const troubles = new RepeatLog(ports.log, REPEAT_LOG_INTERVAL_MS, () => ports.timers.monotonicMs());
  const recipe: Recipe = { config, ports, events, troubles };
  const sampler: FullView = new FullView(
    ports.node.id,
    ports.random.fork(),
    preferHealthy((peer) => membership.phi(peer.id) ?? 0),
  );
  // Until it is let in with what it holds, one that was alone is of a cluster of its own, and takes nobody's table.
  const membership = makeMembership(recipe, {
    belongs: () => keeper.hasBelonged || keeper.isOutside,
    boundTo: () => keeper.boundTo,
  });
  const keeper: CompletenessKeeper = makeKeeper(recipe, membership);
  const replica = makeReplica(recipe, membership, keeper);
  const transport = askingMembers(ports.transport, (id) => membership.isRetired(id));
  const rumors = makeRumors(recipe, { membership, replica, sampler, transport });
  const repair = makeRepair(recipe, { membership, replica, transport });
  const states = makeStates(recipe, { membership, repair, sampler });
  const isToJoin = !keeper.completeness.recorded && !membership.wasRetired;
  const newJoining = (addresses: readonly string[]): Joining =>
    makeJoining(recipe, membership, keeper, addresses);
  return {
    membership,
    keeper,
    replica,
    sampler,
    transport,
    rumors,
    repair,
    states,
    joining: isToJoin ? newJoining(membership.knownAddresses) : undefined,
    newJoining,
    troubles,
  };
}

function makeMembership(
  { config, ports, events, troubles }: Recipe,
  { belongs, boundTo }: Pick<MembershipOptions, "belongs" | "boundTo">,
): Membership {
  const { node, store, clock, log, timers, transport, random } = ports;
  const { address, zone, protocol, build, swim, hash } = config;
  return new Membership(
    {
      self: { id: node.id, address, zone, protocol, build },
      retired: node.identity.retired,
      config: swim,
      hash,
      generation: clock.nowMs(),
      belongs,
      boundTo,
    },
    { meta: store.meta, transport, timers, random: random.fork(), log, troubles },
    {
      peersChanged: () => events.peersChanged(),
      retirementAdopted: (id) => events.retirementAdopted(id),
      selfRetired: () => events.selfRetired(),
      nameTaken: (holder) => events.nameTaken(holder),
    },
  );
}

function makeKeeper({ config, ports, troubles }: Recipe, membership: Membership): CompletenessKeeper {
  const { node, store, graveyard, facts, log } = ports;
  const retention = hlcFromMs(config.tombstoneRetentionMs);
  const { incarnation } = config;
  const knowsOthers = membership.knownAddresses.length > 0;
  const beginning = { incarnation, company: companyOf(config, membership), knowsOthers };
  return new CompletenessKeeper(node.id, retention, beginning, {
    meta: store.meta,
    graveyard,
    log,
    troubles,
    counted: () => membership.counted(),
    flush: async () => {
      await facts.flush();
      // What says that a retirement is settled must not outlast the retirement itself.
      if (!(await membership.saved())) throw new PeerFault({ code: "busy" });
    },
    tick: () => node.tick(),
    ownTime: () => node.ownTime(),
    observe: (time) => node.observe(time),
  });
}

function companyOf({ seeds }: MemberConfig, membership: Membership): Company {
  if (seeds.length === 0 && membership.knownAddresses.length === 0) return "nobody";
  return membership.wasMember ? "members" : "strangers";
}

function makeReplica(
  { ports, events }: Recipe,
  membership: Membership,
  keeper: CompletenessKeeper,
): LocalReplica {
  const { node, store, digests, graveyard, facts, clock, log, metrics } = ports;
  return new LocalReplica({
    node,
    store,
    digests,
    graveyard,
    keeper,
    clock,
    log,
    metrics,
    flush: () => facts.flush(),
    tableHash: () => membership.counted().tableHash,
    staying: () => events.isStaying(),
  });
}

function makeRumors(
  { config, ports, events, troubles }: Recipe,
  {
    membership,
    replica,
    sampler,
    transport,
  }: Pick<MemberParts, "membership" | "replica" | "sampler" | "transport">,
): Rumors {
  const { timers, random } = ports;
  return new Rumors(replica, config.rumors, {
    timers,
    transport,
    random,
    sampler,
    troubles,
    held: (event) => events.held(event),
    isLeaving: () => events.isLeaving(),
    updatesToSend: () => membership.updatesToSend(),
    updatesCame: (updates, from) => membership.updatesCame(updates, from),
  });
}

function makeRepair(
  { config, ports, events, troubles }: Recipe,
  { membership, replica, transport }: Pick<MemberParts, "membership" | "replica" | "transport">,
): Repair {
  const { clock, timers, random, log, metrics } = ports;
  return new Repair(replica, config.antiEntropy, config.exchange, {
    clock,
    timers,
    transport,
    random,
    log,
    troubles,
    metrics,
    livePeers: () => membership.livePeers(),
    exchangeTables: (peer) => membership.exchangeTables(peer),
    ended: (peer, fault) => events.exchangeEnded(peer, fault),
    claimed: (peer) => events.claimed(peer),
    confirmed: (peer, through) => events.confirmed(peer, through),
  });
}

function makeStates(
  { config, ports, events }: Recipe,
  { membership, repair, sampler }: Pick<MemberParts, "membership" | "repair" | "sampler">,
): States {
  const { node, clock, timers, transport, random } = ports;
  return new States(node.id, clock.nowMs(), config.stateIntervalMs, {
    timers,
    transport,
    random,
    sampler,
    stretch: () => repair.stretch,
    isMember: (id) => membership.peer(id) !== undefined,
    learnt: (id, state) => events.learnt(id, state),
  });
}

function makeJoining(
  { config, ports, troubles, events }: Recipe,
  membership: Membership,
  keeper: CompletenessKeeper,
  addresses: readonly string[],
): Joining {
  const { node, transport, timers, log, clock } = ports;
  // A node that comes back as another one announces itself to the addresses it knows: whoever is there may be another, too. One that was
  // to begin a cluster does not with others before it has asked those it found first: they may have begun one that counts it.
  const seeds = [...new Set([...config.seeds, ...addresses, ...keeper.letInAt])];
  return new Joining(seeds, config.swim.joinRetryIntervalMs, HELLO_TIMEOUT_MS, {
    transport,
    timers,
    log,
    troubles,
    limits: config.limits,
    hello: () => {
      const { limits } = config;
      const belongs = keeper.hasBelonged || membership.entry.entered;
      return { kind: "hello", limits, knows: membership.someIds(), belongs, boundTo: keeper.boundTo };
    },
    resolveSeed: (seed) => ports.resolveSeed(seed),
    now: () => hlcFromMs(clock.nowMs()),
    others: () => membership.members().filter(({ id }) => id !== node.id),
    isTold: () => membership.entry.isTold,
    obstacle: async (floor) => {
      // Where it has heard who else is there they have heard of it, and hold back for it; where not, their floor may have passed it.
      const wasLetIn = keeper.letInAt.length > 0 && membership.members().length === 1;
      if (!keeper.isOutside && !wasLetIn) return undefined;
      const isKnown = (id: NodeId): boolean => membership.stateOf(id) !== undefined;
      return await obstacleTo(ports.store, floor, isKnown, wasLetIn);
    },
    enter: (address) => void membership.exchangeTables({ id: ANYONE, address }),
    found: (addresses) => membership.join(addresses),
    follow: (time) => node.observe(time) === undefined,
    self: node.id,
    letIn: (at, by, founders) => keeper.letIn(at, by, founders),
    isLetIn: () => keeper.letInBy !== null,
    take: async (floor, watermark) => {
      keeper.adoptWatermark(watermark);
      await keeper.settleFloor(floor);
    },
    recorded: async () => {
      // The clocks that were taken are on the disk before anything says that it may write without asking for them again.
      await node.tick();
      await keeper.recordedByMajority();
    },
    retired: () => events.selfRetired(),
  });
}
