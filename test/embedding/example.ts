/**
 * Two replicas inside one program: no HTTP, no processes, no disk. `docs/embedding.md` explains it; run it with
 * `node test/dist/embedding/main.js` after a build.
 */
import { createHash, hash, randomInt } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import { crc32 } from "node:zlib";
import {
  ANTI_ENTROPY_DEFAULTS,
  ANYONE,
  DEFAULT_RUMOR_OPTIONS,
  type Hashing,
  type NodeId,
  type Peer,
  type PeerReply,
  type PeerRequest,
  SeededRandom,
  SWIM_DEFAULTS,
  winner,
} from "@hearsay/core";
import {
  ClusterMember,
  EXCHANGE_LIMITS,
  type MemberConfig,
  Node,
  PeerFault,
  type Timers,
} from "@hearsay/node";
import { DEFAULT_STORE_LIMITS, Store } from "@hearsay/store";
import { MemoryLevel } from "memory-level";

const hashing: Hashing = {
  sha256: (bytes) => createHash("sha256").update(bytes).digest(),
  sha256Hex: (bytes) => hash("sha256", bytes, "hex"),
  sha256Text: (bytes) => hash("sha256", bytes, "binary"),
  crc32: (bytes, seed) => crc32(bytes, seed ?? 0),
};

const clock = { nowMs: () => Date.now() };
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const metrics = { count: () => undefined };
const timers: Timers = {
  monotonicMs: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

export interface Replica {
  readonly node: Node;
  readonly member: ClusterMember;
  /** Aborted when its store has come into doubt: it serves nothing any more, and is to be closed and opened anew. */
  readonly ending: AbortSignal;
  close(): Promise<void>;
}

/** What outlasts a store that is open on it. */
export type Disk = MemoryLevel<Uint8Array, Uint8Array>;

export function newDisk(): Disk {
  return new MemoryLevel({ keyEncoding: "view", valueEncoding: "view", storeEncoding: "view" });
}

/** Where each replica is reached: the whole network of this program. */
const network: Map<string, ClusterMember> = new Map();

function openStore(disk: Disk, onDoubt: () => void): ReturnType<typeof Store.open> {
  return Store.open({
    openDatabase: () => disk,
    hashing,
    digestKey: hashing.sha256(new TextEncoder().encode("the same on all replicas")),
    durability: "os",
    sequenceFile: { read: () => 0, write: () => undefined },
    environment: { bootId: "", directoryStamp: "" },
    yieldToEventLoop: () => setImmediate(),
    hasRoom: () => Promise.resolve(true),
    onEvent: ({ code }) => {
      if (code === "doubt") onDoubt();
    },
    limits: DEFAULT_STORE_LIMITS,
  });
}

function settings(address: string, seeds: readonly string[], incarnation: "same" | "fresh"): MemberConfig {
  const retentionMs = 3_600_000;
  return {
    address,
    zone: "",
    build: "example",
    protocol: { min: 1, max: 1 },
    seeds,
    incarnation,
    swim: SWIM_DEFAULTS,
    rumors: DEFAULT_RUMOR_OPTIONS,
    antiEntropy: ANTI_ENTROPY_DEFAULTS,
    exchange: EXCHANGE_LIMITS,
    tombstoneRetentionMs: retentionMs,
    stateIntervalMs: 1000,
    maxPendingAcks: 100,
    limits: {
      maxValueBytes: 1024 * 1024,
      maxSiblings: 32,
      maxMessageBytes: 1024 * 1024,
      tombstoneRetentionMs: retentionMs,
      digestKeyId: "0".repeat(16),
    },
    hash: (text) => hash("sha256", text, "hex").slice(0, 16),
  };
}

async function carry(from: NodeId, to: Peer, message: PeerRequest): Promise<PeerReply> {
  const receiver = network.get(to.address);
  if (receiver === undefined) throw new PeerFault({ code: "unreachable" });
  // Another incarnation in the same place: what it says is not of the one that is asked.
  if (to.id !== ANYONE && to.id !== receiver.id) throw new PeerFault({ code: "refused", reason: "not_me" });
  try {
    return await receiver.serve(from, message);
  } catch (error) {
    throw error instanceof PeerFault ? new PeerFault({ code: "refused", reason: error.reason.code }) : error;
  }
}

/** Opens a replica at an address and lets it join through another, if there is one. */
export async function openReplica(name: string, disk: Disk, seeds: readonly string[]): Promise<Replica> {
  const ending = new AbortController();
  let isOpen = false;
  const { store, report } = await openStore(disk, () => {
    // What opening finds becomes a new incarnation at once.
    if (isOpen) ending.abort();
  });
  isOpen = true;
  const random = new SeededRandom(randomInt(2 ** 32));
  const doubt = report.doubt.length > 0;
  const node = await Node.open(
    { clock, random, store, log: silent, metrics, settleDoubt: () => store.settleDoubt() },
    {
      name,
      fallbackName: name,
      cluster: "embedded",
      clockMaxDriftMs: 10_000,
      conflicts: { maxSiblings: 32, policies: new Map() },
      doubt,
      maxWaiters: 100,
    },
  );
  const member = new ClusterMember(
    settings(name, seeds, doubt ? "fresh" : "same"),
    {
      node,
      store,
      digests: store,
      graveyard: store,
      facts: store,
      clock,
      timers,
      transport: { request: (to, message) => carry(node.id, to, message) },
      resolveSeed: (seed) => Promise.resolve([seed]),
      random,
      log: silent,
      metrics,
    },
    // It takes no writes any more, and says so; there is nothing else to do here.
    { retired: () => undefined },
  );
  const { signal } = ending;
  signal.addEventListener("abort", () => member.halt());
  if (signal.aborted) member.halt();
  network.set(name, member);
  await member.start();
  const close = async (): Promise<void> => {
    await member.stop();
    network.delete(name);
    await store.close();
  };
  return { node, member, ending: signal, close };
}

/** Writes a text; settles when it is durable here and on one other replica. */
export async function put(replica: Replica, key: string, text: string): Promise<void> {
  const content = {
    kind: "value",
    bytes: new TextEncoder().encode(text),
    contentType: "text/plain",
    ttlMs: null,
  } as const;
  const refused = replica.ending.aborted ? "in_doubt" : replica.member.notWritable()?.code;
  if (refused !== undefined) throw new Error(refused);
  const written = replica.node.write(key, content, undefined);
  if ("code" in written) throw new Error(written.code);
  await written.committed;
  const holders = await replica.member.acknowledged(key, written.version, 2, 5000);
  if (holders < 2) throw new Error("only this replica holds it");
}

export function read(replica: Replica, key: string): string | undefined {
  if (replica.ending.aborted) throw new Error("in_doubt");
  const record = replica.node.get(key);
  const sibling = record === undefined ? undefined : winner(record);
  return sibling?.kind === "value" ? new TextDecoder().decode(sibling.bytes) : undefined;
}

/** Settles when the replica takes writes: once those it joins have it on disk. */
export async function takesWrites(replica: Replica): Promise<void> {
  while (replica.member.notWritable() !== undefined) {
    await new Promise<void>((resolve) => {
      timers.after(50, resolve);
    });
  }
}
