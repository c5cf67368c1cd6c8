/**
 * Losses after which an operator begins a cluster anew: with the one directory that is left (docs/cluster.md, *When the others are
 * gone for good*), or with a snapshot (decision 0012).
 */
import { covers, type Hashing, type KeyRecord, latestTime } from "@hearsay/core";
import { readSnapshot, StoreError } from "@hearsay/store";
import type { Machine } from "../cluster/machine.ts";
import type { VirtualCluster } from "../cluster/virtual-cluster.ts";
import { describeWrite, type Write } from "../invariants/ledger.ts";
import type { Fault } from "../plan/actions.ts";
import type { FaultKind } from "../plan/faults.ts";
import type { Watcher } from "../watch/watcher.ts";
import { chosen } from "./network-faults.ts";
import type { Operator } from "./operator.ts";

export interface RebuildingPorts {
  readonly cluster: VirtualCluster;
  readonly operator: Operator;
  readonly watcher: Watcher;
  readonly hashing: Hashing;
  fired(kind: FaultKind): void;
  broke(error: unknown): void;
}

/** A snapshot is so many times as old as a fault lasts. */
const SNAPSHOT_AGE = 4;
/** Another try, when the disk or the clock of the founder did not take the first. */
const RETRY_MS = 5_000;
const TRIES = 24;
const LOOK_MS = 100;
/** Messages of the cluster that was may still be on their way: an operator forgets whom they bring back after this time. */
const FORGET_AFTER_MS = 25_000;

type Contents = ReadonlyMap<string, KeyRecord>;

export class RebuildingFaults {
  readonly #ports: RebuildingPorts;
  #isOver = false;

  constructor(ports: RebuildingPorts) {
    this.#ports = ports;
  }

  /** No more of it: what is under way goes on to its end. */
  stop(): void {
    this.#isOver = true;
  }

  /** @param name of the machine that begins anew */
  strike(fault: Fault, name: string): void {
    const striking =
      fault.fault === "reset_alone"
        ? this.#resetAlone(name)
        : fault.fault === "restored"
          ? this.#restore(fault, name)
          : Promise.resolve();
    striking.catch((error: unknown) => this.#ports.broke(error));
  }

  async #resetAlone(name: string): Promise<void> {
    const { operator, fired } = this.#ports;
    const { up } = operator;
    const founder = up.includes(name) ? name : up[0];
    if (founder === undefined) return;
    const names = await operator.seizeAll();
    if (names === undefined) return;
    await this.#beginAnew(
      names,
      founder,
      (machine) => machine === founder,
      () => {
        this.#ports.cluster.machine(founder).resetAlone();
      },
    );
    operator.release(names);
    fired("reset_alone");
    await this.#forgetLater();
  }

  async #restore(fault: Fault, name: string): Promise<void> {
    const { cluster, operator, fired } = this.#ports;
    const contents = await this.#snapshotOf(cluster.machine(name));
    if (contents === undefined) return;
    await cluster.time.sleep(SNAPSHOT_AGE * fault.durationMs);
    if (this.#isOver) return;
    const names = await operator.seizeAll();
    if (names === undefined) return;
    const founder = chosen(names, fault.other);
    const kept = this.#writesIn(contents);
    await this.#beginAnew(
      names,
      founder,
      () => false,
      () => operator.wipe(founder),
    );
    if (await this.#putBack(contents, kept, cluster.machine(founder))) fired("restored");
    operator.release(names);
    await this.#forgetLater();
  }

  /** @param isLeft of holders of writes, whether they are left */
  async #beginAnew(
    names: readonly string[],
    founder: string,
    isLeft: (holder: string) => boolean,
    prepare: () => void,
  ): Promise<void> {
    const { cluster, operator, watcher } = this.#ports;
    const lost = names.filter((name) => !isLeft(name));
    watcher.begunAnew(
      lost.map((name) => cluster.machine(name)),
      isLeft,
    );
    for (const name of names) if (name !== founder) operator.wipe(name);
    prepare();
    operator.found(founder);
    while (!operator.is(founder, "up")) await cluster.time.sleep(RETRY_MS);
  }

  async #snapshotOf(machine: Machine): Promise<Contents | undefined> {
    const { store } = machine;
    if (store === undefined) return undefined;
    const contents = new Map<string, KeyRecord>();
    try {
      for await (const item of readSnapshot(store.snapshot(), this.#ports.hashing)) {
        if (item.kind === "record") contents.set(item.key, item.record);
        else if (item.kind === "removed") contents.delete(item.key);
      }
    } catch (error) {
      if (error instanceof StoreError) return undefined;
      throw error;
    }
    return contents;
  }

  /** Until they are put back, nobody has to have them. */
  #writesIn(contents: Contents): Write[] {
    const { ledger } = this.#ports.watcher;
    return [...ledger.all()].filter((write) => {
      const record = contents.get(write.key);
      return !write.isExcused && record !== undefined && covers(record.context, write.version);
    });
  }

  /** As `hearsay restore --mode exact` does: into an empty store, with every version behind the clock. @returns whether all is held */
  async #putBack(contents: Contents, kept: readonly Write[], machine: Machine): Promise<boolean> {
    let isHeld = false;
    for (let tries = 0; tries < TRIES && !isHeld; tries++) {
      if (tries > 0) await this.#ports.cluster.time.sleep(RETRY_MS);
      isHeld = await this.#tryPutBack(contents, kept, machine);
    }
    return isHeld;
  }

  /** In the turn in which all of it is committed: a moment later something may have been lost again. */
  #isBack(kept: readonly Write[], machine: Machine): void {
    const { watcher } = this.#ports;
    for (const write of kept) {
      write.isExcused = false;
      if (watcher.replica(machine).hadSeen(write.key, write.version)) continue;
      const detail = `${machine.name} was given ${describeWrite(write)} from a snapshot, and lacks it`;
      watcher.report({ invariant: "durability", detail });
    }
  }

  async #tryPutBack(contents: Contents, kept: readonly Write[], machine: Machine): Promise<boolean> {
    const { cluster, watcher } = this.#ports;
    const { node, run } = machine;
    if (node === undefined || run === undefined || machine.running.size > 1) return false;
    const newest = Math.max(0, ...[...contents.values()].map(latestTime));
    if (node.observe(newest) !== undefined) return false;
    const { restoring } = watcher.losses;
    restoring.add(machine);
    let isHeld: boolean | undefined;
    const merges: Promise<unknown>[] = [];
    try {
      for (const [key, record] of contents) merges.push(Promise.resolve(node.merge(key, record)));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      merges.push(Promise.reject(error));
    } finally {
      restoring.delete(machine);
    }
    Promise.all(merges).then(
      (all) => {
        isHeld = all.every((one) => one === undefined);
        if (isHeld) this.#isBack(kept, machine);
      },
      () => {
        isHeld = false;
      },
    );
    // What a process had under way when it ended never settles.
    while (isHeld === undefined && !run.hasEnded) await cluster.time.sleep(LOOK_MS);
    return isHeld === true;
  }

  async #forgetLater(): Promise<void> {
    const { cluster, operator } = this.#ports;
    await cluster.time.sleep(FORGET_AFTER_MS);
    if (!this.#isOver) await operator.forgetStrays();
  }
}
