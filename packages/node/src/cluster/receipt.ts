/**
 * Which counted members hold a version. Those that have confirmed everything up to its time are not asked again, so
 * the answer covers members that are away; the others are asked if they are live.
 */
import { type HlcTime, isAgreed, isLiveMember, type Member, type NodeId, type Version } from "@hearsay/core";
import { PeerFault } from "../peer-fault.ts";
import type { ClusterMember } from "./member.ts";
import { hasConfirmed } from "./status.ts";

export interface Receipt {
  /** They hold the version durably, or something that covers it. */
  readonly holders: readonly Member[];
  readonly lacking: readonly Member[];
  /** They could not be asked, or did not answer in time. */
  readonly unknown: readonly Member[];
  /** Every counted member is among the holders. */
  readonly everywhere: boolean;
  /**
   * The watermark has passed the version, whose writer is a counted member: all hold or cover it. Those that cannot be asked were among
   * the members, and so was the writer, when this node last computed one.
   */
  readonly complete: boolean;
  readonly watermark: HlcTime;
}

export interface ReceiptWait {
  readonly timeoutMs: number;
  /** Nobody waits for the answer any more. */
  readonly isCancelled: () => boolean;
}

/** One member's answer is not worth waiting for longer than this. */
const ASK_TIMEOUT_MS = 2_000;
const FIRST_PAUSE_MS = 20;
const MAX_PAUSE_MS = 1_000;

export async function receiptOf(
  member: ClusterMember,
  key: string,
  version: Version,
  timeoutMs: number = ASK_TIMEOUT_MS,
): Promise<Receipt> {
  return await new ReceiptInquiry(member, key, version).ask(timeoutMs);
}

/** Asks again, ever more rarely, until all counted members hold the version or the time is over. */
export async function receiptOnceEverywhere(
  member: ClusterMember,
  key: string,
  version: Version,
  { timeoutMs, isCancelled }: ReceiptWait,
): Promise<Receipt> {
  const inquiry = new ReceiptInquiry(member, key, version);
  const endMs = member.timers.monotonicMs() + timeoutMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
    const leftMs = endMs - member.timers.monotonicMs();
    const receipt = await inquiry.ask(Math.max(1, Math.min(leftMs, ASK_TIMEOUT_MS)));
    const afterMs = endMs - member.timers.monotonicMs();
    if (receipt.everywhere || afterMs <= 0 || isCancelled()) return receipt;
    await new Promise<void>((resolve) => {
      member.timers.after(Math.min(pauseMs, afterMs), resolve);
    });
  }
}

type Answer = "holds" | "lacks" | "unknown";

class ReceiptInquiry {
  readonly #member: ClusterMember;
  readonly #key: string;
  readonly #version: Version;
  /** Whoever holds or covers a version goes on doing so. */
  readonly #holders: Set<NodeId> = new Set();

  constructor(member: ClusterMember, key: string, version: Version) {
    this.#member = member;
    this.#key = key;
    this.#version = version;
  }

  async ask(timeoutMs: number): Promise<Receipt> {
    const members = this.#member.membership.members();
    const answers = await Promise.all(members.map((entry) => this.#answerOf(entry, timeoutMs)));
    const those = (answer: Answer): Member[] => members.filter((_, i) => answers[i] === answer);
    for (const { id } of those("holds")) this.#holders.add(id);
    const holders = those("holds");
    const lacking = those("lacks");
    const unknown = those("unknown");
    const { watermark, agreement } = this.#member.keeper.completeness;
    const { time, node } = this.#version;
    // The watermark may be older than that a member was one, be it the writer or one that cannot be asked.
    const isTold = unknown.every(({ id }) => isAgreed(agreement, time, id, node));
    return {
      holders,
      lacking,
      unknown,
      everywhere: holders.length === members.length,
      complete: watermark >= time && lacking.length === 0 && isTold && members.some(({ id }) => id === node),
      watermark,
    };
  }

  async #answerOf(entry: Member, timeoutMs: number): Promise<Answer> {
    const { id } = entry;
    const { time, node } = this.#version;
    if (id === this.#member.id) return this.#member.holds(this.#key, this.#version) ? "holds" : "lacks";
    if (this.#holders.has(id) || hasConfirmed(this.#member, id, node, time)) return "holds";
    if (!isLiveMember(entry)) return "unknown";
    try {
      return (await this.#member.peerHolds(entry, this.#key, this.#version, timeoutMs)) ? "holds" : "lacks";
    } catch (error) {
      if (error instanceof PeerFault) return "unknown";
      throw error;
    }
  }
}
