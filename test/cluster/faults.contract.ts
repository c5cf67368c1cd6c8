/**
 * Random faults over a running cluster, and what must hold whatever happens.
 *
 * Every acknowledged write is kept with the context of the record it made: the versions it covers are those its node
 * held, none of which may be seen again, anywhere.
 *
 * Old copies of directories come back only while another node is complete, and at most twice: else nobody may be left
 * who knows of a deletion or of a new incarnation, which no protocol can make good.
 */
import {
  type Context,
  covers,
  holds,
  type KeyRecord,
  parseVersion,
  SeededRandom,
  type Version,
} from "@hearsay/core";
import { EXCHANGE_LIMITS } from "@hearsay/node";
import { VirtualCluster } from "@hearsay/simulator";
import { platform } from "../platform.ts";

interface Write {
  readonly key: string;
  readonly version: Version;
  readonly deletes: boolean;
  /** Of the record it made. */
  readonly context: Context;
}

/** The contents of a data directory at one time. */
type DirectoryCopy = Awaited<ReturnType<VirtualCluster["copyDirectory"]>>;

const KEYS = 12;
const HOUR_MS = 3_600_000;
const RESTORES_MAX = 2;

export interface FaultOptions {
  readonly names: readonly string[];
  readonly retentionMs: number;
  /** Old copies of data directories are put back, too. */
  readonly restores: boolean;
}

export class FaultRun {
  readonly cluster: VirtualCluster;
  readonly writes: Write[] = [];
  readonly steps: string[] = [];
  readonly #names: readonly string[];
  readonly #random: SeededRandom;
  /** The last floor seen of each node. */
  readonly #floors: Map<string, number> = new Map();
  /** Acknowledged by a node whose directory was replaced before anyone else had them. */
  readonly #lost: Set<Write> = new Set();
  readonly #copies: Map<string, DirectoryCopy> = new Map();
  readonly #restored: Set<string> = new Set();
  readonly #restores: boolean;
  #written = 0;

  constructor(seed: number, { names, retentionMs, restores }: FaultOptions) {
    this.#restores = restores;
    this.cluster = new VirtualCluster(platform, seed, {
      tombstoneRetentionMs: retentionMs,
      // Small messages, so that exchanges take several.
      exchange: { ...EXCHANGE_LIMITS, maxMessageBytes: 300, maxWants: 2 },
    });
    this.#names = names;
    this.#random = new SeededRandom(seed);
  }

  async start(): Promise<void> {
    await this.cluster.start(...this.#names);
  }

  async step(): Promise<void> {
    const { cluster } = this;
    const kind = this.#below(100);
    const name = this.#one(this.#names);
    const other = this.#one(this.#names);
    if (this.#restores && this.#below(8) === 0) await this.#copyOrRestore(name);
    else if (kind < 55) await this.#write(name);
    else if (kind < 62) this.#note(`partition ${name}`, () => cluster.partition([name], this.#but(name)));
    else if (kind < 67) this.#note(`cut ${name} to ${other}`, () => cluster.cut(name, other));
    else if (kind < 77) this.#note("heal", () => cluster.heal());
    else if (kind < 80) this.#note("lose", () => this.#disturb(0.2, 40));
    else if (kind < 84) this.#note("quiet", () => this.#disturb(0, 0));
    else if (kind < 90) await this.#takeDown(name, "kill");
    else if (kind < 93) await this.#takeDown(name, "stop");
    else await this.#bringUp(name);
    await cluster.time.advance(this.#below(3000));
    this.check();
  }

  /** Ends all faults and waits until every node holds the same and knows that it is complete. */
  async settle(): Promise<void> {
    const { cluster } = this;
    cluster.heal();
    this.#disturb(0, 0);
    for (const name of this.#names) await this.#bringUp(name);
    const members = (): boolean =>
      this.#names.every((name) => cluster.machine(name).running.notWritable() === undefined);
    await cluster.time.until("all take writes", members, HOUR_MS);
    await cluster.converged(...this.#names);
    await this.#write(this.#names[0] ?? "");
    const last = this.writes.at(-1)?.version.time ?? 0;
    await cluster.time.until(
      "the watermark passes the last write",
      () => this.#names.every((name) => cluster.machine(name).running.keeper.completeness.watermark >= last),
      HOUR_MS,
    );
    await cluster.converged(...this.#names);
    await cluster.time.until(
      "all are complete",
      () => this.#names.every((name) => this.#isComplete(name)),
      HOUR_MS,
    );
    this.check();
    if (cluster.events("silent_loss_suspected").length > 0) this.#fail("a loss is suspected that was none");
  }

  /** Throws when anything that must hold does not. */
  check(): void {
    for (const name of this.#names) {
      const { store } = this.cluster.machine(name);
      for (let i = 0; i < KEYS; i++) {
        const record = store?.get(keyOf(i));
        if (record !== undefined) this.#checkResurrection(name, keyOf(i), record);
      }
    }
    for (const name of this.#names) {
      const { member } = this.cluster.machine(name);
      if (member !== undefined) this.#floors.set(name, member.keeper.completeness.floor);
    }
    for (const name of this.#names) {
      const { member } = this.cluster.machine(name);
      if (member !== undefined) this.#checkWatermark(name, member.keeper.completeness.watermark);
    }
  }

  /** On this node every acknowledged write is held, covered or purged with its deletion, and nothing covered is seen. */
  checkSettled(name: string): void {
    for (const write of this.writes) {
      if (this.#lost.has(write)) continue;
      if (!this.#has(name, write)) this.#fail(`${name} lost ${write.key} ${show(write.version)}`);
      for (const { version } of this.cluster.machine(name).store?.get(write.key)?.siblings ?? []) {
        if (same(version, write.version) || !covers(write.context, version)) continue;
        this.#fail(`${name} shows ${write.key} ${show(version)} again`);
      }
    }
  }

  #checkResurrection(name: string, key: string, record: KeyRecord): void {
    for (const { version } of record.siblings) {
      const own = this.writes.some((write) => write.key === key && same(write.version, version));
      if (!own) this.#fail(`${name} holds ${key} ${show(version)}, which nobody has written`);
    }
    // A node may hold an old version as long as it has not heard of the write that covers it.
    for (const write of this.writes) {
      if (write.key !== key || !covers(record.context, write.version)) continue;
      const back = record.siblings.find(
        ({ version }) => !same(version, write.version) && covers(write.context, version),
      );
      if (back !== undefined) this.#fail(`${name} shows ${key} ${show(back.version)} again`);
    }
  }

  #checkWatermark(name: string, watermark: number): void {
    for (const write of this.writes) {
      if (write.version.time > watermark || this.#lost.has(write)) continue;
      for (const holder of this.#names) {
        // A new incarnation holds no watermark up that was taken without it; it has to catch up first.
        const isCatchingUp = this.#restored.has(holder) && !this.#isComplete(holder);
        if (isCatchingUp || this.#has(holder, write)) continue;
        this.#fail(
          `${name} says complete through ${watermark}, but ${holder} lacks ${write.key} ${show(write.version)}`,
        );
      }
    }
  }

  /** A node that has stopped holds what it held; it is looked at again when it runs. */
  #has(name: string, write: Write): boolean {
    const { store } = this.cluster.machine(name);
    if (store === undefined) return true;
    const record = store.get(write.key);
    if (record !== undefined && (holds(record, write.version) || covers(record.context, write.version)))
      return true;
    // Its deletion, or another that covers it, was old enough to go, and what the record knew went with it.
    const floor = this.#floors.get(name) ?? 0;
    return this.writes.some(
      (other) =>
        other.deletes &&
        other.key === write.key &&
        other.version.time <= floor &&
        covers(other.context, write.version),
    );
  }

  async #write(name: string): Promise<void> {
    const { cluster } = this;
    const { member, store } = cluster.machine(name);
    if (member === undefined || member.notWritable() !== undefined) return;
    const key = keyOf(this.#below(KEYS));
    const deletes = this.#below(3) === 0;
    this.#written += 1;
    const text = `${this.#written}`;
    const formatted = deletes ? await cluster.remove(name, key) : await cluster.put(name, key, text);
    const version = parseVersion(formatted);
    const record = store?.get(key);
    if (version === undefined || record === undefined) throw new Error("a write was not stored");
    this.writes.push({ key, version, deletes, context: record.context });
    this.steps.push(`${deletes ? "delete" : "put"} ${key} on ${name}`);
  }

  async #takeDown(name: string, how: "kill" | "stop"): Promise<void> {
    if (this.cluster.machine(name).member === undefined) return;
    this.steps.push(`${how} ${name}`);
    await this.cluster[how](name);
  }

  #isComplete(name: string): boolean {
    return this.cluster.machine(name).member?.standing.complete === true;
  }

  async #copyOrRestore(name: string): Promise<void> {
    const { cluster } = this;
    const copy = this.#copies.get(name);
    const all = this.#names.every((each) => cluster.machine(each).member !== undefined);
    if (!all || this.#restored.has(name)) return;
    if (copy === undefined) {
      this.steps.push(`copy ${name}`);
      await cluster.kill(name);
      this.#copies.set(name, await cluster.copyDirectory(name));
      await cluster.run(name, []);
      return;
    }
    const isSafe = this.#but(name).some((other) => this.#isComplete(other));
    if (!isSafe || this.#restored.size >= RESTORES_MAX) return;
    this.steps.push(`restore ${name}`);
    this.#restored.add(name);
    await cluster.kill(name);
    await cluster.restoreDirectory(name, copy);
    await cluster.run(name, []);
    for (const write of this.writes) {
      if (!this.#names.some((each) => this.#has(each, write))) this.#lost.add(write);
    }
  }

  async #bringUp(name: string): Promise<void> {
    if (this.cluster.machine(name).member !== undefined) return;
    this.steps.push(`run ${name}`);
    await this.cluster.run(name, []);
  }

  #disturb(lossRate: number, jitterMs: number): void {
    this.cluster.links.lossRate = lossRate;
    this.cluster.links.jitterMs = jitterMs;
  }

  #note(step: string, act: () => void): void {
    this.steps.push(step);
    act();
  }

  #but(name: string): string[] {
    return this.#names.filter((other) => other !== name);
  }

  #one(names: readonly string[]): string {
    return names[this.#below(names.length)] ?? "";
  }

  #below(bound: number): number {
    return Math.floor(this.#random.next() * bound);
  }

  #fail(what: string): never {
    throw new Error(`${what}\n${this.steps.join("\n")}`);
  }
}

function keyOf(i: number): string {
  return `key-${i}`;
}

function same(a: Version, b: Version): boolean {
  return a.time === b.time && a.node === b.node;
}

function show({ time, node }: Version): string {
  return `${time} of ${node}`;
}
