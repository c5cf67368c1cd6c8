/**
 * How this node becomes a member, joins another cluster while it runs, and leaves.
 *
 * Joining while running is what a new node does at its start: the member so far, which was alone, gives way to one that
 * enters as a newcomer. What the node confirmed about itself alone is forgotten, because it is nothing the other cluster
 * agreed to; and nothing changes before the introducer has been asked and every reason against it looked for.
 */
import { hlcToMs } from "@hearsay/core";
import {
  type Incarnation,
  type Log,
  type Node,
  obstacleTo,
  PeerFault,
  type RecordStore,
} from "@hearsay/node";
import { Deadline } from "../deadline.ts";
import { ApiProblem } from "../http/problem.ts";
import { clockDrift } from "../http/problems-of-node.ts";
import type { Cluster } from "./cluster.ts";
import { peerProblem } from "./naming.ts";
import { OBSTACLES } from "./obstacle.ts";
import type { OpenedMember } from "./open-member.ts";

export interface EnrolmentPorts {
  /** Where peers reach this node. */
  readonly address: string;
  /** Where it joins at its start. */
  readonly seeds: readonly string[];
  readonly cluster: Cluster;
  readonly node: Node;
  readonly store: RecordStore;
  readonly log: Log;
  open(seeds: readonly string[], incarnation: Incarnation): OpenedMember;
}

/** How long an answer waits for the joining to be done; it goes on by itself afterwards. */
const JOIN_WAIT_MS = 5_000;
const JOIN_POLL_MS = 25;
const FORGOTTEN =
  "Its id is retired: the others take nothing from it, so what only it holds is not handed over. Under a new id it keeps its data, and may leave.";

export class Enrolment {
  readonly #ports: EnrolmentPorts;
  /** Settles when the node has left. */
  readonly left: Promise<void>;
  #hasLeft: () => void = () => undefined;
  #opened: OpenedMember | undefined;
  #isChanging = false;
  #isHalted = false;

  constructor(ports: EnrolmentPorts) {
    this.#ports = ports;
    this.left = new Promise((resolve) => {
      this.#hasLeft = resolve;
    });
  }

  async start(incarnation: Incarnation): Promise<void> {
    await this.#enter(this.#ports.seeds, incarnation);
  }

  /** Whether its id is retired, for good. */
  get isRetired(): boolean {
    return this.#opened?.member.notWritable()?.code === "retired";
  }

  /** Where peers reach this node. */
  get address(): string {
    return this.#ports.address;
  }

  /** Hands on what is unsent, for as long as half of the time that is left, and says *stopped* to the others. */
  async stop(deadline: Deadline): Promise<void> {
    const member = this.#opened?.member;
    if (member === undefined) return;
    const { monger } = member.rumors;
    const isHandedOn = await new Deadline(deadline.leftMs / 2).until(() => monger.isQuiet);
    if (!isHandedOn) this.#ports.log.warn("rumors_unsent", { hot: monger.hotEntries });
    await member.stop();
  }

  /** Ends without a word, and for good: also a start or a joining that is under way, or has yet to come. */
  halt(): void {
    this.#isHalted = true;
    this.#opened?.member.halt();
  }

  async close(): Promise<void> {
    await this.#opened?.close();
  }

  /**
   * Joins the cluster that the node at the address belongs to. Settles when this node is a member there, or still joining
   * after a while.
   * @throws ApiProblem with nothing changed, but where the node comes into doubt meanwhile: then it starts again, as it was
   */
  async join(address: string): Promise<void> {
    await this.#exclusively(async () => {
      await this.#checkJoin(address);
      this.#mustGoOn();
      this.#ports.cluster.member.halt();
      await this.#opened?.close();
      this.#mustGoOn();
      await this.#enter([address], "newcomer");
      await this.#untilMember();
      this.#mustGoOn();
    });
  }

  /**
   * @throws ApiProblem `leave_impossible`; then this node stays a member, or has to stay up until its disk takes that it is none.
   * `retired` where it was forgotten, and so has handed nothing over
   */
  async leave(): Promise<void> {
    await this.#exclusively(async () => {
      const { member } = this.#ports.cluster;
      // One that is retired does not count itself.
      if (member.membership.members().every(({ id }) => id === member.id)) {
        throw new ApiProblem("leave_impossible", { detail: "The cluster has no other member." });
      }
      try {
        await member.leave();
      } catch (error) {
        if (!(error instanceof PeerFault)) throw error;
        if (error.reason.code === "retired") throw new ApiProblem("retired", { detail: FORGOTTEN });
        const hasLeft = member.notWritable()?.code === "retired";
        const detail = hasLeft
          ? "It has left, and its disk does not take that yet. Make room before it is stopped: it would come back as a member."
          : `The last attempt: ${error.reason.code}.`;
        throw new ApiProblem("leave_impossible", { detail });
      }
    });
  }

  /** The answer about having left is on its way, so the process may end. */
  finish(): void {
    this.#hasLeft();
  }

  async #enter(seeds: readonly string[], incarnation: Incarnation): Promise<void> {
    const opened = this.#ports.open(seeds, incarnation);
    this.#opened = opened;
    if (this.#isHalted) opened.member.halt();
    this.#ports.cluster.attach(opened.member);
    await opened.member.start();
  }

  /** @throws ApiProblem `not_ready` after {@link halt} */
  #mustGoOn(): void {
    if (this.#isHalted) throw new ApiProblem("not_ready", { detail: "The node is recovering." });
  }

  async #exclusively(change: () => Promise<void>): Promise<void> {
    if (this.#isChanging) {
      throw new ApiProblem("overloaded", { detail: "Another call makes this node join or leave." });
    }
    this.#isChanging = true;
    try {
      await change();
    } finally {
      this.#isChanging = false;
    }
  }

  async #checkJoin(address: string): Promise<void> {
    const { cluster, node } = this.#ports;
    const { member } = cluster;
    if (member.notWritable()?.code === "retired") throw new ApiProblem("retired");
    if (member.size > 1) throw new ApiProblem("already_member", { members: { members: member.size } });
    if (address === this.#ports.address) {
      throw new ApiProblem("invalid_body", { detail: `${address} is this node's own address.` });
    }
    const { time, floor, differing } = await member.greet(address).catch((error: unknown) => {
      throw peerProblem(error, { id: "", address });
    });
    if (differing.length > 0) {
      throw new ApiProblem("limits_differ", { detail: `${differing.join(", ")} differ from ${address}.` });
    }
    const drift = node.observe(time);
    if (drift !== undefined) throw clockDrift(drift, "The other cluster's clock");
    const isKnown = (id: string): boolean => member.membership.stateOf(id) !== undefined;
    const obstacle = await obstacleTo(this.#ports.store, floor, isKnown, false);
    if (obstacle === undefined) return;
    const since = new Date(hlcToMs(floor)).toISOString();
    throw new ApiProblem("records_too_old", { detail: OBSTACLES[obstacle], members: { floor: since } });
  }

  async #untilMember(): Promise<void> {
    const { member } = this.#ports.cluster;
    const endMs = member.timers.monotonicMs() + JOIN_WAIT_MS;
    const goesOn = (): boolean => !this.#isHalted && member.joiningState.kind === "joining";
    while (goesOn() && member.timers.monotonicMs() < endMs) {
      await new Promise<void>((resolve) => {
        member.timers.after(JOIN_POLL_MS, resolve);
      });
    }
  }
}
