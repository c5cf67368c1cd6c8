/** What routes ask of the cluster. Until a member is attached the node is alone, and acknowledges for itself. */
import { formatVersion, hlcToMs, type KeyRecord, type Peer, type Version } from "@hearsay/core";
import { type ClusterMember, type Node, type NotWritable, PeerFault } from "@hearsay/node";
import { ApiProblem } from "../http/problem.ts";
import type { AckWish } from "../http/query.ts";
import { CatchUp } from "./catch-up.ts";
import type { Enrolment } from "./enrolment.ts";
import { OBSTACLES } from "./obstacle.ts";

/** Replicas that hold a write, of those that were asked for. */
export interface Acknowledged {
  readonly holders: number;
}

export class Cluster {
  /** For reads of many keys that are to see certain writes. */
  readonly catchUp: CatchUp;
  readonly #node: Node;
  #member: ClusterMember | undefined;
  #enrolment: Enrolment | undefined;

  constructor(node: Node) {
    this.#node = node;
    this.catchUp = new CatchUp({ node, member: () => this.#member });
  }

  attach(member: ClusterMember): void {
    this.#member = member;
  }

  enrolBy(enrolment: Enrolment): void {
    this.#enrolment = enrolment;
  }

  /** How this node joins and leaves. @throws ApiProblem `not_ready` while the node starts */
  get enrolment(): Enrolment {
    if (this.#enrolment === undefined) throw new ApiProblem("not_ready");
    return this.#enrolment;
  }

  /** @throws ApiProblem `not_ready` while the node starts */
  get member(): ClusterMember {
    if (this.#member === undefined) throw new ApiProblem("not_ready");
    return this.#member;
  }

  /** Undefined while the node starts. */
  get attached(): ClusterMember | undefined {
    return this.#member;
  }

  /** Counted members, this one among them. */
  get size(): number {
    return this.#member?.size ?? 1;
  }

  /** How many replicas are enough by now: of all there may be fewer than when the write began. */
  enoughFor({ needed, isAll }: AckWish): number {
    return isAll ? Math.min(needed, this.size) : needed;
  }

  /** Every write made in that millisecond or before is held here. */
  completeThroughMs(): number {
    const isAlone = this.#member?.size === 1 && this.#member.joiningState.kind === "member";
    if (this.#member === undefined || isAlone) return this.#node.completeThroughMs();
    return hlcToMs(this.#member.confirmedThrough) - 1;
  }

  /** @throws ApiProblem when this node takes no client writes, with the reason */
  admitWrite(): void {
    const fault = this.#member?.notWritable();
    if (fault !== undefined) throw notWritable(fault);
  }

  /** Hands a committed write on to the others. */
  spread(key: string): void {
    this.#member?.spread(key, 0);
  }

  /** Hands a committed write on and settles when so many replicas hold it, or with fewer when the time is over. */
  async acknowledged(
    key: string,
    version: Version,
    wanted: number,
    timeoutMs: number,
  ): Promise<Acknowledged> {
    if (this.#member === undefined) return { holders: 1 };
    try {
      return { holders: await this.#member.acknowledged(key, version, wanted, timeoutMs) };
    } catch (error) {
      if (!(error instanceof PeerFault)) throw error;
      this.#member.spread(key, 0);
      throw new ApiProblem("ack_timeout", {
        detail: "Too many writes wait for replicas.",
        members: { acks: 1 },
      });
    }
  }

  /**
   * Reads a key from `wanted` replicas, this one included: merges what they hold into what is held here, and sends
   * the result to those that had less.
   * @throws ApiProblem `ack_timeout` when too few answer in time
   */
  async readFrom(key: string, wanted: number, timeoutMs: number): Promise<void> {
    const member = this.#member;
    if (member === undefined || wanted <= 1) return;
    const answers = await this.#fetchFromMany(member, key, wanted - 1, timeoutMs);
    if (answers.length + 1 < wanted) {
      throw new ApiProblem("ack_timeout", {
        next: "Read again, or ask fewer replicas; GET /cluster tells which members are there.",
        outcome: "none",
        members: { acks: answers.length + 1 },
      });
    }
    const merged = this.#node.get(key);
    if (merged !== undefined && answers.some((held) => isStale(held, merged)))
      member.repairStale(key, merged);
  }

  /**
   * Gets hold of a version that another node wrote: the key from its coordinator, or else whatever that node has.
   * Settles when both were tried; whether the version is here is for the caller to see.
   */
  async obtain(key: string, version: Version, timeoutMs: number): Promise<void> {
    const member = this.#member;
    const writer = member?.membership.peer(version.node);
    if (member === undefined || writer === undefined) return;
    try {
      await member.fetch(writer, key, timeoutMs);
      if (!member.holds(key, version)) await member.exchange(writer);
    } catch (error) {
      // The version may still come by itself while the caller waits.
      if (!(error instanceof PeerFault)) throw error;
    }
  }

  /** Whether this node holds or covers the version, by the key's record or by what it has confirmed. */
  holds(key: string, version: Version): boolean {
    return this.#member?.holds(key, version) ?? this.#node.holds(key, version);
  }

  /** Asks live members, the readiest first, until enough have answered. */
  async #fetchFromMany(
    member: ClusterMember,
    key: string,
    wanted: number,
    timeoutMs: number,
  ): Promise<(KeyRecord | null)[]> {
    const waiting: Peer[] = [...member.membership.livePeers()];
    const answers: (KeyRecord | null)[] = [];
    const ask = async (): Promise<void> => {
      for (let peer = waiting.shift(); peer !== undefined; peer = waiting.shift()) {
        try {
          answers.push((await member.fetch(peer, key, timeoutMs)).record);
          return;
        } catch (error) {
          if (!(error instanceof PeerFault)) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: wanted }, ask));
    return answers;
  }
}

/** Whether a replica lacked something of the merged record. */
function isStale(held: KeyRecord | null, merged: KeyRecord): boolean {
  if (held === null) return true;
  const versions = new Set(held.siblings.map(({ version }) => formatVersion(version)));
  return merged.siblings.some(({ version }) => !versions.has(formatVersion(version)));
}

function notWritable(fault: NotWritable): ApiProblem {
  switch (fault.code) {
    case "joining":
      return new ApiProblem("joining", { members: { recordedBy: fault.recordedBy, needed: fault.needed } });
    case "limits_differ":
      return new ApiProblem("limits_differ", {
        detail: `${fault.knobs.join(", ")} differ from ${fault.by}.`,
      });
    case "data_too_old":
      return new ApiProblem("data_too_old", {
        detail: `The cluster is that of ${fault.by}. ${OBSTACLES[fault.reason]}`,
      });
    case "name_taken":
      return new ApiProblem("name_taken", {
        detail: `The other one is at ${fault.by}.`,
        members: { by: fault.by },
      });
    case "retired":
      return new ApiProblem("retired");
    case "clock_skew":
    case "leaving":
      return new ApiProblem(fault.code);
  }
}
