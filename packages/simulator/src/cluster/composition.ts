/**
 * How a simulated node is put together, and where the simulator may reach in: each part can be replaced before it is
 * handed on. Invariants watch through here, and planted bugs are put in here; the production code knows of neither.
 */
import {
  ANTI_ENTROPY_DEFAULTS,
  type ConflictPolicy,
  DEFAULT_RUMOR_OPTIONS,
  encodeUtf8,
  type Hashing,
  type RandomSource,
  SWIM_DEFAULTS,
} from "@hearsay/core";
import {
  beginAnew,
  type Clock,
  ClusterMember,
  EXCHANGE_LIMITS,
  type Log,
  type LogFields,
  type MemberConfig,
  type MemberPorts,
  Node,
  type NodeConfig,
  type NodePorts,
  type RecordStore,
  type Transport,
} from "@hearsay/node";
import {
  type DatabaseFactory,
  DEFAULT_STORE_LIMITS,
  Store,
  type StoreEvent,
  type StoreLimits,
  type StoreOptions,
} from "@hearsay/store";
import { CLUSTER, MAX_MESSAGE_BYTES } from "../network/virtual-network.ts";
import type { Machine } from "./machine.ts";
import type { Opened, Run } from "./run.ts";

/** Replacements for parts of a node; each is given what it takes the place of, undefined leaves it. */
export interface Hooks {
  store?(options: StoreOptions, machine: Machine): StoreOptions;
  /** Called with the open store before anything is made of it. */
  storeOpened?(store: Store, machine: Machine): Promise<void>;
  nodePorts?(ports: NodePorts, machine: Machine, store: Store): NodePorts;
  nodeConfig?(config: NodeConfig, machine: Machine): NodeConfig;
  /** Called with the node before a member is made of it. */
  node?(node: Node, machine: Machine): void;
  memberPorts?(ports: MemberPorts, machine: Machine): MemberPorts | undefined;
  memberConfig?(config: MemberConfig, machine: Machine): MemberConfig;
  /** Called with the whole before it starts. */
  opened?(opened: Opened, machine: Machine): void;
}

/** What all nodes of a cluster are made with alike. */
export interface CommonSettings {
  readonly durability: "fsync" | "os";
  readonly store: Partial<StoreLimits>;
  readonly member: Partial<MemberConfig>;
  readonly clockMaxDriftMs: number;
  readonly maxSiblings: number;
  /** Of conflicts, by key prefix. */
  readonly policies: ReadonlyMap<string, ConflictPolicy>;
  /** How many others a node gossips with at a time; undefined: all that are alive. */
  readonly viewSize: number | undefined;
}

export const COMMON_SETTINGS: CommonSettings = {
  durability: "fsync",
  store: { cacheMaxBytes: 1024 * 1024 },
  member: {},
  clockMaxDriftMs: 10_000,
  maxSiblings: 32,
  policies: new Map(),
  viewSize: undefined,
};

export interface Composition {
  readonly machine: Machine;
  readonly run: Run;
  readonly settings: CommonSettings;
  readonly hashing: Hashing;
  readonly random: RandomSource;
  readonly transport: (id: () => string) => Transport;
  readonly seeds: readonly string[];
  /** Each is asked in turn. */
  readonly hooks: readonly Hooks[];
  readonly factory: DatabaseFactory;
  logged(event: string, fields: LogFields): void;
  stored(event: StoreEvent): void;
  counted(name: string, amount: number): void;
  retired(): void;
}

const DIGEST_KEY_SEED = 7;
export const MAX_PENDING_ACKS = 100;
export const MAX_WAITERS = 100;
const DEFAULT_RETENTION_MS = 60_000;

/** @throws StoreError, IdentityError as the server's start does */
export async function compose(recipe: Composition): Promise<Opened> {
  const { machine, run, hooks } = recipe;
  const clock: Clock = { nowMs: () => machine.nowMs() };
  const log = logOf(recipe);
  const metrics = { count: (name: string, amount: number) => recipe.counted(name, amount) };
  const options = through(hooks, storeOptions(recipe), (hook, value) => hook.store?.(value, machine));
  const { store, report } = await Store.open(options);
  if (machine.isResetAlone) await beginAnew(store.meta);
  machine.isResetAlone = false;
  for (const hook of hooks) await hook.storeOpened?.(store, machine);
  const doubt = report.doubt.length > 0;
  const records: RecordStore = store;
  const random = recipe.random.fork();
  const nodePorts = through<NodePorts>(
    hooks,
    { clock, random, store: records, log, metrics, settleDoubt: () => store.settleDoubt() },
    (hook, value) => hook.nodePorts?.(value, machine, store),
  );
  const node = await Node.open(
    nodePorts,
    through(hooks, nodeConfig(recipe, doubt), (hook, value) => hook.nodeConfig?.(value, machine)),
  );
  for (const hook of hooks) hook.node?.(node, machine);
  const ports: MemberPorts = {
    node,
    store: nodePorts.store,
    digests: store,
    graveyard: store,
    facts: store,
    clock: nodePorts.clock,
    timers: run,
    transport: recipe.transport(() => node.id),
    resolveSeed: (seed) => Promise.resolve([seed]),
    random,
    log,
    metrics,
  };
  const member = new ClusterMember(
    through(hooks, memberConfig(recipe, doubt), (hook, value) => hook.memberConfig?.(value, machine)),
    through(hooks, ports, (hook, value) => hook.memberPorts?.(value, machine)),
    { retired: () => recipe.retired() },
  );
  const opened: Opened = { store, node, member };
  for (const hook of hooks) hook.opened?.(opened, machine);
  return opened;
}

function through<Part>(
  hooks: readonly Hooks[],
  part: Part,
  replace: (hook: Hooks, part: Part) => Part | undefined,
): Part {
  return hooks.reduce((value, hook) => replace(hook, value) ?? value, part);
}

function storeOptions({ machine, settings, hashing, factory, stored }: Composition): StoreOptions {
  return {
    openDatabase: factory,
    hashing,
    digestKey: new Uint8Array(32).fill(DIGEST_KEY_SEED),
    durability: settings.durability,
    sequenceFile: machine.disk.sequenceFile,
    environment: machine.disk.environment,
    yieldToEventLoop: () => Promise.resolve(),
    hasRoom: () => Promise.resolve(!machine.disk.isFull),
    onEvent: stored,
    limits: { ...DEFAULT_STORE_LIMITS, ...settings.store },
  };
}

function nodeConfig({ machine, settings }: Composition, doubt: boolean): NodeConfig {
  return {
    name: machine.nodeName,
    fallbackName: machine.name,
    cluster: CLUSTER,
    clockMaxDriftMs: settings.clockMaxDriftMs,
    conflicts: { maxSiblings: settings.maxSiblings, policies: settings.policies },
    doubt,
    maxWaiters: MAX_WAITERS,
  };
}

function memberConfig({ machine, settings, hashing, seeds }: Composition, doubt: boolean): MemberConfig {
  const tombstoneRetentionMs = settings.member.tombstoneRetentionMs ?? DEFAULT_RETENTION_MS;
  return {
    address: machine.address,
    zone: "",
    build: "simulated",
    protocol: { min: 1, max: 1 },
    seeds,
    incarnation: doubt ? "fresh" : "same",
    swim: SWIM_DEFAULTS,
    rumors: DEFAULT_RUMOR_OPTIONS,
    antiEntropy: ANTI_ENTROPY_DEFAULTS,
    exchange: EXCHANGE_LIMITS,
    tombstoneRetentionMs,
    stateIntervalMs: 1000,
    maxPendingAcks: MAX_PENDING_ACKS,
    limits: {
      maxValueBytes: 1024 * 1024,
      maxSiblings: settings.maxSiblings,
      maxMessageBytes: MAX_MESSAGE_BYTES,
      tombstoneRetentionMs,
      digestKeyId: "0".repeat(16),
    },
    hash: (text) => hashing.sha256Hex(encodeUtf8(text)).slice(0, 16),
    ...settings.member,
    ...machine.overrides,
  };
}

function logOf({ logged }: Composition): Log {
  return { info: logged, warn: logged, error: logged };
}
