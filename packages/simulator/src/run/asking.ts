/** What is asked of nodes beside reads and writes of one key, and what has to be true of their answers. */
import type { Hashing } from "@hearsay/core";
import { obstaclesToStopping, PeerFault, receiptOf } from "@hearsay/node";
import { readSnapshot, StoreError } from "@hearsay/store";
import type { Machine } from "../cluster/machine.ts";
import type { Run } from "../cluster/run.ts";
import { describeWrite, type Write } from "../invariants/ledger.ts";
import { checkRecord } from "../invariants/record-checks.ts";
import type { Request } from "../plan/actions.ts";
import type { RequestCounts } from "../plan/requests.ts";
import { Sides } from "../watch/differing.ts";
import type { ReplicaWatch } from "../watch/replica-watch.ts";
import type { Watcher } from "../watch/watcher.ts";
import type { Clients } from "./clients.ts";

export interface AskingPorts {
  readonly watcher: Watcher;
  readonly clients: Clients;
  readonly hashing: Hashing;
  broke(error: unknown): void;
}

/** Keys that large batches write, in all: with the others fewer than any look at a store takes in. */
const BATCH_KEYS = 600;
const BATCH_MAX = 80;
const BATCH_VALUE_BYTES = 20;
const RECEIPT_TIMEOUT_MS = 2_000;
const DIFFERENCES = 10;

export class Asking {
  readonly counts: RequestCounts = {};
  readonly #ports: AskingPorts;

  constructor(ports: AskingPorts) {
    this.#ports = ports;
  }

  /** Asks the node of a machine. Nothing happens when its process does not listen. */
  perform(request: Request, machine: Machine): void {
    const { run } = machine;
    run?.whenOn(() => {
      if (run.opened === undefined || run.isHalted) return;
      this.#do(request, machine, run).then(
        (isAnswered) => {
          if (isAnswered) this.counts[request.request] = (this.counts[request.request] ?? 0) + 1;
        },
        (error: unknown) => {
          const isExpected = error instanceof StoreError || error instanceof PeerFault || run.hasEnded;
          if (!isExpected) this.#ports.broke(error);
        },
      );
    });
  }

  /** @returns whether there was an answer */
  async #do({ request, key, strength }: Request, machine: Machine, run: Run): Promise<boolean> {
    switch (request) {
      case "batch":
        return this.#batch(machine, strength);
      case "receipt":
        return await this.#receipt(machine, run, key);
      case "stopping":
        return await this.#stopping(machine, run);
      case "verify":
        return await this.#verify(machine);
      case "snapshot":
        return await this.#snapshot(machine);
      case "difference":
        return await this.#difference(machine, run, strength);
    }
  }

  #batch(machine: Machine, strength: number): boolean {
    const from = Math.floor(strength * 7919) % BATCH_KEYS;
    const keys = 1 + Math.floor(strength * BATCH_MAX);
    for (let i = 0; i < keys; i++) {
      this.#ports.clients.write(machine, `bulk-${(from + i) % BATCH_KEYS}`, BATCH_VALUE_BYTES);
    }
    return true;
  }

  /** Whoever is said to hold the newest acknowledged write of the key does, be it by name or as one of all. */
  async #receipt(machine: Machine, run: Run, key: string): Promise<boolean> {
    const { watcher } = this.#ports;
    const write = watcher.ledger.of(key).findLast(({ outcome }) => outcome === "acknowledged");
    if (write === undefined) return false;
    const receipt = await receiptOf(machine.running, key, write.version, RECEIPT_TIMEOUT_MS);
    if (run.hasEnded) return false;
    const { holders, lacking, unknown, everywhere, complete } = receipt;
    const all = everywhere || complete ? [...holders, ...lacking, ...unknown] : holders;
    watcher.saidToHold(machine, write, new Set(all.map(({ id }) => id)));
    return true;
  }

  /**
   * Of a node that may be stopped, some other that it takes for alive has all that it held when it was asked, and of what it has
   * come to hold since, some such one has each. A directory that is lost must not have been what they had it in.
   */
  async #stopping(machine: Machine, run: Run): Promise<boolean> {
    const { watcher } = this.#ports;
    const { running, name } = machine;
    const held = (): Write[] => [...watcher.ledger.countedOn()].filter(({ holders }) => holders.has(name));
    const replicas = [...watcher.replicas.values()];
    const whole = replicas.filter(({ mayLack }) => !mayLack).map((one) => ({ one, since: one.wholeSinceMs }));
    const had = new Set(held());
    const obstacles = await obstaclesToStopping(running);
    if (run.hasEnded || obstacles.length > 0 || watcher.replica(machine).isGivenUp) return false;
    // Who has lost its directory since may have been the one, and nobody can know that yet.
    if (whole.some(({ one, since }) => one.mayLack || one.wholeSinceMs !== since)) return false;
    watcher.count("durability");
    const { membership, id: ownId } = running;
    const isAlive = ({ id }: { id: string }): boolean => id !== ownId && membership.stateOf(id) === "alive";
    const named = [...watcher.replicas.values()].filter(isAlive);
    const others = named.filter(({ mayLack }) => !mayLack);
    const has = (other: ReplicaWatch, { key, version }: Write): boolean => other.hadSeen(key, version);
    const now = held();
    const asked = now.filter((write) => had.has(write));
    if (!others.some((other) => asked.every((write) => has(other, write)))) {
      this.#unsafe(
        machine,
        asked.find((write) => !others.some((other) => has(other, write))),
      );
    }
    // What was on its way from one that was gone by then may have come since.
    if (others.length < named.length) return true;
    const lost = now.find((write) => !others.some((other) => has(other, write)));
    if (lost !== undefined) this.#unsafe(machine, lost);
    return true;
  }

  #unsafe({ name }: Machine, lost: Write | undefined): void {
    const which = lost === undefined ? "all that it has" : describeWrite(lost);
    const detail = `${name} may be stopped, it says, and nobody else alive has ${which}`;
    this.#ports.watcher.report({ invariant: "durability", detail });
  }

  /** A store whose disk has flipped no bits agrees with itself at any time. */
  async #verify({ name, store, disk }: Machine): Promise<boolean> {
    const report = await store?.verify({ deep: true });
    if (report === undefined || disk.flips > 0) return false;
    const { watcher } = this.#ports;
    watcher.count("root");
    if (report.consistent) return true;
    const { recordBucketsDiffering, indexBucketsDiffering, damaged } = report;
    const detail = `${name} does not agree with itself: ${recordBucketsDiffering} buckets of records, ${indexBucketsDiffering} of the index, ${damaged} damaged`;
    watcher.report({ invariant: "root", detail });
    return true;
  }

  async #snapshot(machine: Machine): Promise<boolean> {
    const { watcher, hashing } = this.#ports;
    const { store } = machine;
    if (store === undefined) return false;
    for await (const item of readSnapshot(store.snapshot(), hashing)) {
      if (item.kind !== "record") continue;
      watcher.count("invention");
      const holder = { nowMs: machine.nowMs(), complete: false };
      watcher.report(checkRecord(watcher.ledger, item.key, item.record, holder));
    }
    return true;
  }

  /** What has differed all the while is counted, and what has been the same is not named. */
  async #difference(machine: Machine, run: Run, strength: number): Promise<boolean> {
    const { watcher, broke } = this.#ports;
    const { running } = machine;
    const peers = running.membership.livePeers();
    const peer = peers[Math.floor(strength * peers.length)];
    const there = [...watcher.replicas.values()].find(({ id }) => id === peer?.id);
    if (peer === undefined) return false;
    const sides = there === undefined ? undefined : new Sides(watcher.replica(machine), there);
    const { keys, differences } = await running.repair.compare(peer, DIFFERENCES);
    if (differences.length > Math.min(keys, DIFFERENCES)) {
      broke(new Error(`${differences.length} differences in ${keys} keys`));
    }
    // Who was peer when it was asked may be another by now.
    if (run.hasEnded || there?.id !== peer.id || sides === undefined) return true;
    watcher.count("difference");
    const floor = Math.max(running.standing.floor, there.machine.member?.standing.floor ?? 0);
    const named = new Set(differences.map(({ key }) => key));
    let differing = 0;
    for (const { key, differs } of sides.since(floor)) {
      if (differs) differing += 1;
      else if (named.has(key)) this.#isSaidToDiffer(machine, there, `${key}, which is the same`);
    }
    if (differing > keys) this.#isSaidToDiffer(machine, there, `${keys} keys, of ${differing}`);
    return true;
  }

  #isSaidToDiffer({ name }: Machine, there: ReplicaWatch, what: string): void {
    const detail = `${name} says that it differs from ${there.machine.name} in ${what}`;
    this.#ports.watcher.report({ invariant: "difference", detail });
  }
}
