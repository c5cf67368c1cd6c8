/** What a node of the model keeps on disk and in memory, and the world the nodes live in. */
import {
  type Context,
  HLC_TICKS_PER_MS,
  type HlcTime,
  HybridLogicalClock,
  type KeyRecord,
  type NodeId,
} from "@hearsay/core";
import type { Message } from "./messages.ts";
import type { RuleName } from "./rules.ts";
import type { Fact, Truth } from "./truth.ts";

export type Table = ReadonlyMap<NodeId, "counted" | "retired">;

/** What a node says of itself. The one with the greatest (settled, through) holds; every older one stays true. */
export interface Unit {
  /** C: the node holds or covers everything any counted member did when its clock read this. */
  readonly through: HlcTime;
  /** S: the node's clock when it had settled the last change of its member table. */
  readonly settled: HlcTime;
  readonly complete: boolean;
}

/** Survives a restart. A backup is a copy of it. */
export interface Disk {
  id: NodeId;
  records: Map<string, KeyRecord>;
  table: Map<NodeId, "counted" | "retired">;
  vector: Map<NodeId, HlcTime>;
  units: Map<NodeId, Unit>;
  settled: HlcTime;
  watermark: HlcTime;
  floor: HlcTime;
  /** May judge what lies at or below the floor. */
  complete: boolean;
  /** F: the greatest C since the node became complete. */
  confirmed: HlcTime;
  clockBound: HlcTime;
  /** Recorded by a majority, so it may take writes and speak for itself. */
  ready: boolean;
}

/** Waits for the next group commit; commits keep the order. */
export type Pending =
  | {
      readonly kind: "record";
      readonly key: string;
      record: KeyRecord | undefined;
      readonly own: Fact | undefined;
      readonly mailTo: readonly string[];
      /** Ghosts go with it: what takes their place joins it, so that both are committed at once. */
      readonly drops?: true;
    }
  | { readonly kind: "then"; readonly run: () => void };

export interface Session {
  readonly id: number;
  readonly peer: NodeId;
  /** What the peer offered at its start; undefined until it has said so. */
  offer: Offer | undefined;
  /** The count of {@link Host.disturbances} when the session began. */
  readonly disturbances: number;
}

export interface Offer {
  readonly time: HlcTime;
  readonly vector: ReadonlyMap<NodeId, HlcTime>;
  readonly floor: HlcTime;
  readonly complete: boolean;
}

/** A machine with one data directory. Incarnations come and go on it; its name is its address. */
export interface Host {
  readonly name: string;
  disk: Disk;
  /** The records as they were when the disk last flushed its own cache: what a power cut leaves. */
  flushed: Map<string, KeyRecord>;
  backup: Disk | undefined;
  up: boolean;
  /** Left or learnt that it is retired: it answers with its table and does nothing else. */
  over: boolean;
  /** May have lost what it acknowledged; noticed at the next start. */
  doubt: boolean;
  /** How far its wall clock is from the true time, in milliseconds. */
  skewMs: number;
  clock: HybridLogicalClock;
  latest: Map<string, KeyRecord>;
  queue: Pending[];
  sessions: Map<number, Session>;
  /** Addresses it was told to join by. */
  seeds: readonly string[];
  /** Who has recorded this incarnation durably. */
  acks: Set<NodeId>;
  /** A majority has recorded it, or it is a founder. */
  wellRecorded: boolean;
  /** The session a leaving node waits for. */
  leaving: number | undefined;
  /** Versions at or below the floor that were taken from peers that could not judge them. */
  disturbances: number;
  /** When each key was last mailed to a peer. */
  mailed: Map<string, number>;
  /** Stopped members, as far as a broken rule lets nodes not count them. */
  ignored: Set<NodeId>;
  /** Values once seen superseded here, per key: they must not be seen again. */
  hidden: Map<string, Set<Fact>>;
}

export interface Settings {
  readonly retentionMs: number;
  readonly maxDriftMs: number;
}

export interface Client {
  readonly key: string;
  readonly vector: Context;
  readonly dot: { readonly time: HlcTime; readonly node: NodeId } | undefined;
  readonly seen: ReadonlySet<Fact>;
}

export const COUNTS = [
  "exchanges",
  "watermarks",
  "purges",
  "ghosts",
  "drops",
  "alarms",
  "doubts",
  "cuts",
] as const;
export type Count = (typeof COUNTS)[number];

export interface World {
  readonly settings: Settings;
  /** The rule taken out of this run. */
  readonly removed: RuleName | undefined;
  readonly truth: Truth;
  readonly hosts: Map<string, Host>;
  readonly clients: Map<string, Client>;
  nowMs: number;
  serial: number;
  network: Message[];
  /** Messages held back until released. */
  delayed: Message[];
  readonly severed: Set<string>;
  readonly trace: string[];
  readonly counts: Record<Count, number>;
}

export function keeps(world: World, rule: RuleName): boolean {
  return world.removed !== rule;
}

/** May judge what lies at or below its floor. */
export function isComplete(world: World, host: Host): boolean {
  if (!keeps(world, "completeness")) return true;
  return keeps(world, "complete-by-exchange") ? host.disk.complete : host.disk.confirmed >= host.disk.floor;
}

export function wallMs(world: World, host: Host): number {
  return Math.max(0, world.nowMs + host.skewMs);
}

export function tick(world: World, host: Host): HlcTime {
  const time = host.clock.tick(wallMs(world, host));
  host.disk.clockBound = host.clock.bound;
  return time;
}

/** @returns false when the time lies too far ahead */
export function observe(world: World, host: Host, time: HlcTime): boolean {
  const drift = host.clock.observe(time, wallMs(world, host));
  host.disk.clockBound = host.clock.bound;
  return drift === undefined;
}

export function newClock(world: World, disk: Disk): HybridLogicalClock {
  return new HybridLogicalClock({
    durableBound: disk.clockBound,
    maxDriftMs: world.settings.maxDriftMs,
  });
}

export function mint(world: World, name: string): NodeId {
  world.serial += 1;
  return `${name}~${String(world.serial).padStart(10, "0")}`;
}

export function emptyDisk(id: NodeId): Disk {
  return {
    id,
    records: new Map(),
    table: new Map([[id, "counted"]]),
    vector: new Map(),
    units: new Map(),
    settled: 0,
    watermark: 0,
    floor: 0,
    complete: false,
    confirmed: 0,
    clockBound: 0,
    ready: false,
  };
}

export function copyDisk(disk: Disk): Disk {
  return {
    ...disk,
    records: new Map(disk.records),
    table: new Map(disk.table),
    vector: new Map(disk.vector),
    units: new Map(disk.units),
  };
}

export function newHost(world: World, name: string, disk: Disk): Host {
  return {
    name,
    disk,
    flushed: new Map(),
    backup: undefined,
    up: true,
    over: false,
    doubt: false,
    skewMs: 0,
    clock: newClock(world, disk),
    latest: new Map(disk.records),
    queue: [],
    sessions: new Map(),
    seeds: [],
    acks: new Set(),
    wellRecorded: false,
    leaving: undefined,
    disturbances: 0,
    mailed: new Map(),
    ignored: new Set(),
    hidden: new Map(),
  };
}

export const FOUNDERS: readonly string[] = ["a", "b", "c"];

export function shortTime(time: HlcTime): string {
  return `${Math.floor(time / HLC_TICKS_PER_MS)}.${time % HLC_TICKS_PER_MS}`;
}

export function shortId(id: NodeId): string {
  return id.replace(/~0+/, "~");
}

export function log(world: World, host: Host, text: string): void {
  world.trace.push(`${world.nowMs} ${shortId(host.disk.id)} ${text}`);
}
