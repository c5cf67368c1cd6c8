/** Clients with sessions that move between nodes, and what each of their operations does, as the server would have it done. */
import {
  type ClientContext,
  type Context,
  contextAfterRead,
  covers,
  EMPTY_CLIENT_CONTEXT,
  encodeUtf8,
  type HlcTime,
  type KeyRecord,
  type NodeId,
  type Version,
} from "@hearsay/core";
import { type Content, PeerFault, type Written } from "@hearsay/node";
import { StoreError } from "@hearsay/store";
import type { Machine } from "../cluster/machine.ts";
import { CONTENT_TYPE, describeContent, describeVersion, type Write } from "../invariants/ledger.ts";
import { checkRecord } from "../invariants/record-checks.ts";
import type { Operation } from "../plan/actions.ts";
import { readable } from "../watch/readable.ts";
import type { Watcher } from "../watch/watcher.ts";
import type { Trace } from "./trace.ts";

export interface ClientPorts {
  readonly watcher: Watcher;
  readonly trace: Trace;
  broke(error: unknown): void;
}

export interface OperationCounts {
  acknowledged: number;
  refused: number;
  unknown: number;
  reads: number;
}

const ACK_TIMEOUT_MS = 2_000;
const FETCH_TIMEOUT_MS = 1_000;

export class Clients {
  readonly counts: OperationCounts = { acknowledged: 0, refused: 0, unknown: 0, reads: 0 };
  readonly #ports: ClientPorts;
  /** What each client has last read of a key, at whichever node. */
  readonly #sessions: Map<string, ClientContext> = new Map();
  #written = 0;

  constructor(ports: ClientPorts) {
    this.#ports = ports;
  }

  /** Does an operation at a machine. Nothing happens when its process does not listen. */
  perform(operation: Operation, machine: Machine): void {
    const { run } = machine;
    run?.whenOn(() => {
      if (run.opened === undefined || run.isHalted) return;
      try {
        this.#do(operation, machine);
      } catch (error) {
        this.#failed(error);
      }
    });
  }

  #do(operation: Operation, machine: Machine): void {
    const { key, does, context } = operation;
    if (does === "fetch") this.#fetch(operation, machine);
    const record =
      does === "read" || does === "fetch" || context === "fresh" ? this.#read(key, machine) : undefined;
    if (does === "read" || does === "fetch") {
      if (record !== undefined) this.#remember(operation, contextAfterRead(record));
      return;
    }
    if (machine.running.notWritable() !== undefined) {
      this.counts.refused += 1;
      return;
    }
    if (does === "resolve" && (record?.siblings.length ?? 2) < 2) return;
    this.#write(operation, machine, this.#contextOf(operation, record));
  }

  #contextOf(operation: Operation, record: KeyRecord | undefined): ClientContext | undefined {
    switch (operation.context) {
      case "none":
        return undefined;
      case "empty":
        return EMPTY_CLIENT_CONTEXT;
      case "fresh":
        return record === undefined ? EMPTY_CLIENT_CONTEXT : contextAfterRead(record);
      case "stale":
        return this.#sessions.get(`${operation.client} ${operation.key}`) ?? EMPTY_CLIENT_CONTEXT;
    }
  }

  /** Also for bursts: writes without a context. */
  write(machine: Machine, key: string, bytes: number): void {
    if (machine.run?.isHalted === true || machine.member?.notWritable() !== undefined) return;
    const operation: Operation = {
      kind: "operation",
      atMs: 0,
      client: 0,
      does: "put",
      key,
      context: "none",
      node: 0,
      ttlMs: 0,
      bytes,
      acks: 1,
    };
    try {
      this.#write(operation, machine, undefined);
    } catch (error) {
      this.#failed(error);
    }
  }

  #write(operation: Operation, machine: Machine, seen: ClientContext | undefined): void {
    const { key, does, bytes, ttlMs } = operation;
    const { node } = machine;
    if (node === undefined) return;
    this.#written += 1;
    const text = does === "delete" ? undefined : `${this.#written}:`.padEnd(bytes, "x");
    const nowMs = machine.nowMs();
    const lost = lostVersions(key, machine);
    const expires = does === "expire" ? ttlMs : null;
    const content: Content =
      text === undefined
        ? { kind: "tombstone" }
        : { kind: "value", bytes: encodeUtf8(text), contentType: CONTENT_TYPE, ttlMs: expires };
    const written = node.write(key, content, seen);
    if ("code" in written) {
      this.counts.refused += 1;
      return;
    }
    this.#ports.watcher.losses.wrote(key, written.version, written.previous?.context);
    const write = this.#ports.watcher.issued({
      key,
      version: written.version,
      text,
      expiresAtMs: expires === null ? null : nowMs + expires,
      covered:
        seen === undefined
          ? { vector: written.previous?.context ?? overDamage(lost, written.version), dot: undefined }
          : taken(seen, written),
      isOverDamage: seen === undefined && lost !== undefined,
    });
    if (write !== undefined) void this.#conclude(operation, machine, written, write);
  }

  async #conclude(operation: Operation, machine: Machine, written: Written, write: Write): Promise<void> {
    const { run } = machine;
    const member = run?.opened?.member;
    try {
      await written.committed;
    } catch (error) {
      const isNone =
        error instanceof StoreError && "outcome" in error.fault && error.fault.outcome === "none";
      write.outcome = isNone ? "failed" : "unknown";
      this.counts[isNone ? "refused" : "unknown"] += 1;
      if (run?.hasEnded !== true) this.#failed(error);
      return;
    }
    // What a process has not said when it ends, nobody was told.
    if (run === undefined || run.hasEnded || member === undefined) return;
    write.outcome = "acknowledged";
    this.counts.acknowledged += 1;
    this.#remember(operation, written.context);
    const what = `${machine.name} acknowledges ${operation.key}`;
    this.#ports.trace.note(
      `${what} ${write.text ?? "deleted"}`,
      () => `${what} ${describeContent(write)} at ${describeVersion(write.version)}`,
    );
    this.#ports.watcher.acknowledged(machine, write);
    if (operation.acks <= 1) member.spread(operation.key, 0);
    else await this.#acknowledged(operation, machine, write);
  }

  async #acknowledged({ key, acks }: Operation, machine: Machine, write: Write): Promise<void> {
    try {
      const holders = await machine.running.acknowledged(key, write.version, acks, ACK_TIMEOUT_MS);
      this.#ports.watcher.count("acknowledgement");
      const replicas = [...this.#ports.watcher.replicas.values()];
      // Who was given up by one node's operator may still answer another.
      if (replicas.some(({ isGivenUp }) => isGivenUp)) return;
      // What has lost to a later write by the bound or the policy, whoever has only that one does not cover.
      if (write.isExcused || write.isForgotten || write.isDropped) return;
      // The disk of one may have been damaged since it said so.
      const held = replicas.filter((replica) => replica.hadSeen(key, write.version)).length;
      if (held >= Math.min(holders, acks) || write.holders.size === 0) return;
      this.#ports.watcher.report({
        invariant: "acknowledgement",
        detail: `${holders} replicas were said to hold ${key}, and ${held} have`,
      });
    } catch (error) {
      if (machine.run?.hasEnded === false) this.#failed(error);
    }
  }

  #read(key: string, machine: Machine): KeyRecord | undefined {
    const { watcher } = this.#ports;
    const record = machine.node?.get(key);
    this.counts.reads += 1;
    watcher.vectors.asked(machine, key);
    watcher.count("invention");
    watcher.count("checksum");
    watcher.shown(machine, key, record);
    if (record === undefined) return undefined;
    const holder = { nowMs: machine.nowMs(), complete: machine.running.standing.complete };
    watcher.report(checkRecord(watcher.ledger, key, record, holder));
    return record;
  }

  /** A read from more than one replica. */
  #fetch({ key, node }: Operation, machine: Machine): void {
    const peers = machine.running.membership.livePeers();
    const peer = peers[Math.floor(node * 997) % peers.length];
    if (peer === undefined) return;
    const { run } = machine;
    machine.running.fetch(peer, key, FETCH_TIMEOUT_MS).then(
      ({ record }) => {
        if (run?.hasEnded === true) return;
        const held = readable(key, machine);
        if (held !== undefined && lacks(record, held)) machine.running.repairStale(key, held);
      },
      (error: unknown) => this.#failed(error),
    );
  }

  #remember({ client, key }: Operation, context: ClientContext): void {
    this.#sessions.set(`${client} ${key}`, context);
  }

  /** What disks and peers cause is answered to the client; anything else is a mistake of ours. */
  #failed(error: unknown): void {
    if (error instanceof StoreError || error instanceof PeerFault) this.counts.refused += 1;
    else this.#ports.broke(error);
  }
}

/** Whether a replica that answered has less than what is held. */
function lacks(answered: KeyRecord | null, held: KeyRecord): boolean {
  return held.siblings.some(({ version }) => answered === null || !covers(answered.context, version));
}

/** Of a record that its node cannot read, the versions the store still knows of; undefined when it can be read. */
function lostVersions(key: string, { store }: Machine): readonly Version[] | undefined {
  try {
    store?.latest(key);
    return undefined;
  } catch (error) {
    if (!(error instanceof StoreError) || error.fault.code !== "record_damaged") throw error;
    return error.fault.versions;
  }
}

/**
 * What a write without a context covers where the record cannot be read: the versions the store still knows of, and what its
 * node wrote before it. The rest of the context is lost with the record (docs/store.md, Damage).
 */
function overDamage(lost: readonly Version[] | undefined, { node, time }: Version): Context {
  const vector = new Map<NodeId, HlcTime>();
  if (lost === undefined) return vector;
  for (const version of lost) vector.set(version.node, Math.max(version.time, vector.get(version.node) ?? 0));
  return vector.set(node, time - 1);
}

/**
 * Of what a client says it has seen, what the node has taken into the record: it leaves out ids that it does not know, and
 * a client's own last write that it has not received (docs/decisions/0001).
 */
function taken(seen: ClientContext, { context, previous }: Written): ClientContext {
  const known = (id: NodeId, time: HlcTime): boolean =>
    (context.vector.get(id) ?? -1) >= time || (previous?.context.get(id) ?? -1) >= time;
  const { dot } = seen;
  return {
    vector: new Map([...seen.vector].filter(([id, time]) => known(id, time))),
    dot: dot !== undefined && previous !== undefined && covers(previous.context, dot) ? dot : undefined,
  };
}
