/** Faults of machines: their processes, disks and clocks. Each settles when it has been put right again. */
import type { Machine } from "../cluster/machine.ts";
import type { VirtualCluster } from "../cluster/virtual-cluster.ts";
import type { Fault } from "../plan/actions.ts";
import type { FaultKind } from "../plan/faults.ts";
import type { Watcher } from "../watch/watcher.ts";
import type { Clients } from "./clients.ts";
import { leaveInQuarantine } from "./leftovers.ts";
import { loseEntry } from "./lost-entries.ts";
import type { Operator } from "./operator.ts";

export interface MachineFaultPorts {
  readonly cluster: VirtualCluster;
  readonly operator: Operator;
  readonly clients: Clients;
  readonly watcher: Watcher;
  fired(kind: FaultKind): void;
}

const RECORD_SPACE = 0x72;
const INDEX_SPACE = 0x69;
const META_SPACE = 0x6d;
/** Bytes before the user's key in the spaces of records and of the index. */
const PREFIX = { [RECORD_SPACE]: 1, [INDEX_SPACE]: 3 } as const;
const BURST = 40;
/** An old copy is so many times as old as a fault lasts. */
const COPY_AGE = 4;
/** A clock that jumps back further than this does so because its machine was started again. */
const REBOOT_STRENGTH = 0.4;
/** Disks that fail, among those that take nothing, and those among them all that nonetheless keep what they refuse. */
const FAILING_SHARE = 0.3;
const KEEPING_SHARE = 0.5;
/** Not below the drift that clocks may have (docs/decisions/0002). */
const RETENTIONS_MS = [10_000, 15_000, 60_000, 600_000];
/** When an operator tells the others that the directory is lost. */
const FORGET_AFTER_MS = 20_000;

export class MachineFaults {
  readonly #ports: MachineFaultPorts;
  #isOver = false;

  constructor(ports: MachineFaultPorts) {
    this.#ports = ports;
  }

  /** No more of it by itself. */
  stop(): void {
    this.#isOver = true;
  }

  /** @returns false for a fault that is none of a machine's */
  strike(fault: Fault, name: string): boolean {
    const { cluster, operator } = this.#ports;
    const machine = cluster.machine(name);
    switch (fault.fault) {
      case "pause":
        this.#pause(machine, fault);
        return true;
      case "disk_full":
        this.#fill(machine, fault);
        return true;
      case "slow_disk":
        this.#slow(machine, fault);
        return true;
      case "overload":
        this.#overload(machine, fault);
        return true;
      case "clock_jump":
      case "clock_drift":
      case "clock_strobe":
        this.#disturbClock(machine, fault);
        return true;
      case "crash":
      case "restart":
      case "disk_lost":
      case "old_copy":
      case "unsynced_lost":
      case "torn_tail":
      case "flipped_bits":
      case "silent_loss":
      case "entry_lost":
      case "salvage_leftover":
      case "retention_changed":
        if (operator.is(name, "up")) void this.#stopAndStart(machine, fault);
        return true;
      default:
        return false;
    }
  }

  async #stopAndStart(machine: Machine, fault: Fault): Promise<void> {
    const { cluster, operator } = this.#ports;
    await this.#takeDown(machine, fault);
    await cluster.time.sleep(fault.durationMs);
    if (operator.is(machine.name, "down")) await operator.start(machine.name);
    if (fault.fault !== "disk_lost") return;
    await cluster.time.sleep(FORGET_AFTER_MS);
    if (!this.#isOver) await operator.forgetStrays();
  }

  async #takeDown(machine: Machine, fault: Fault): Promise<void> {
    const { operator, cluster, fired } = this.#ports;
    const { name } = machine;
    switch (fault.fault) {
      case "crash":
        await operator.kill(name);
        fired("crash");
        break;
      case "restart":
        await operator.stop(name);
        fired("restart");
        break;
      case "retention_changed":
        await operator.stop(name);
        machine.overrides = { ...machine.overrides, tombstoneRetentionMs: retentionOf(fault) };
        fired("retention_changed");
        break;
      case "silent_loss":
      case "entry_lost":
        await operator.kill(name);
        if (await loseEntry(machine, fault, this.#ports.watcher)) fired(fault.fault);
        break;
      case "salvage_leftover":
        await operator.kill(name);
        if (await leaveInQuarantine(machine, fault, this.#ports.watcher)) fired("salvage_leftover");
        break;
      case "disk_lost":
        if (operator.up.length < 3 || operator.introductions.isFounder(name)) return;
        await operator.kill(name);
        operator.wipe(name);
        fired("disk_lost");
        break;
      case "old_copy":
        await this.#restoreOld(machine, fault);
        break;
      case "unsynced_lost":
      case "torn_tail": {
        this.#burst(machine, 3, fault);
        await cluster.time.sleep(machine.disk.latency.mostMs * fault.other);
        const loss = await operator.losePower(name);
        if (loss.lost > 0) fired("unsynced_lost");
        if (loss.torn) fired("torn_tail");
        break;
      }
      default:
        await this.#flip(machine, fault);
    }
  }

  /** A copy is taken now, and put back when much has happened since. */
  async #restoreOld(machine: Machine, { durationMs }: Fault): Promise<void> {
    const { cluster, operator, watcher, fired } = this.#ports;
    const { introductions } = operator;
    const copy = await machine.disk.copy();
    const wasBeside = introductions.isBeside(machine.name);
    await cluster.time.sleep(COPY_AGE * durationMs);
    if (this.#isOver || !operator.is(machine.name, "up")) return;
    // It would be in a cluster of its own again, or no more, and nobody would know.
    if (introductions.isBeside(machine.name) !== wasBeside) return;
    await operator.kill(machine.name);
    if (!operator.is(machine.name, "down")) return;
    watcher.replica(machine).mayLack = true;
    await machine.disk.restore(copy);
    fired("old_copy");
  }

  /** Mostly in a record; at times in the index, or in what the node keeps of itself. */
  async #flip(machine: Machine, { other, strength }: Fault): Promise<void> {
    const { operator, watcher, fired } = this.#ports;
    const space = other < 0.7 ? RECORD_SPACE : other < 0.85 ? INDEX_SPACE : META_SPACE;
    if (strength < 0.7) await operator.kill(machine.name);
    const flipped = await machine.disk.flip((key) => key[0] === space);
    if (flipped === undefined) return;
    if (space !== META_SPACE) watcher.replica(machine).damaged(textOf(flipped.subarray(PREFIX[space])));
    fired("flipped_bits");
  }

  #pause(machine: Machine, { durationMs }: Fault): void {
    const { cluster, fired } = this.#ports;
    const { run } = machine;
    if (run === undefined || run.isPaused) return;
    run.pause();
    fired("pause");
    cluster.time.after(durationMs, () => run.resume());
  }

  /** A disk that fails instead takes a batch now and then: the store opens its database anew after each failure. */
  #fill(machine: Machine, { durationMs, other, strength }: Fault): void {
    const { cluster, fired } = this.#ports;
    machine.disk.isFull = true;
    machine.disk.refusal = other < FAILING_SHARE ? "Input/output error" : "No space left on device";
    machine.disk.keepsRefused = strength < KEEPING_SHARE;
    const refused = machine.disk.refused;
    cluster.time.after(durationMs, () => {
      machine.disk.isFull = false;
      if (machine.disk.refused > refused) fired("disk_full");
    });
  }

  #slow(machine: Machine, { durationMs, strength }: Fault): void {
    const { cluster, fired } = this.#ports;
    const { latency, batches } = machine.disk;
    machine.disk.latency = { leastMs: latency.leastMs, mostMs: 50 + 2_000 * strength };
    cluster.time.after(durationMs, () => {
      if (machine.disk.batches > batches) fired("slow_disk");
      machine.disk.latency = latency;
    });
  }

  #disturbClock(machine: Machine, { fault, durationMs, strength, other }: Fault): void {
    const { cluster, fired } = this.#ports;
    const sign = other < 0.5 ? -1 : 1;
    fired(fault);
    if (fault === "clock_drift") {
      machine.drift(sign * 200 * strength);
      cluster.time.after(durationMs, () => machine.drift(0));
      return;
    }
    const jumpMs = Math.round(sign * 25_000 * strength);
    if (fault === "clock_jump") {
      machine.clockOffsetMs = jumpMs;
      cluster.time.after(4 * durationMs, () => machine.correctClock());
      if (sign < 0 && strength > REBOOT_STRENGTH) void this.#reboot(machine);
      return;
    }
    const strobes = 20;
    for (let i = 1; i <= strobes; i++) {
      cluster.time.after((i * durationMs) / strobes, () => {
        machine.clockOffsetMs = i % 2 === 0 ? 0 : jumpMs;
      });
    }
  }

  /** At once, so that what the node issues next meets what it has issued before. */
  async #reboot({ name }: Machine): Promise<void> {
    const { operator } = this.#ports;
    await operator.kill(name);
    if (operator.is(name, "down")) await operator.start(name);
  }

  #overload(machine: Machine, fault: Fault): void {
    const { cluster, fired } = this.#ports;
    const { run } = machine;
    run?.whenOn(() => {
      if (run.opened === undefined) return;
      const before = this.#ports.clients.counts.refused;
      this.#burst(machine, BURST, fault);
      cluster.time.after(10, () => {
        if (this.#ports.clients.counts.refused > before) fired("overload");
      });
    });
  }

  #burst(machine: Machine, writes: number, { strength }: Fault): void {
    const keys = 1 + Math.floor(strength * 8);
    for (let i = 0; i < writes; i++) {
      this.#ports.clients.write(machine, `key-${i % keys}`, writes === BURST ? 2_000 : 20);
    }
  }
}

function retentionOf({ strength }: Fault): number {
  return RETENTIONS_MS[Math.floor(strength * RETENTIONS_MS.length)] ?? 0;
}

function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
