/** One node of the cluster under test: its process, its directory, its clock, and the proxy before it. */
import { rmSync, writeFileSync } from "node:fs";
import type { RandomSource } from "@hearsay/core";
import { LinkProxy } from "./link-proxy.ts";
import type { LinkState } from "./link-state.ts";
import { describeEnding, type HearsayCommand, NodeProcess, type Ready } from "./node-process.ts";
import { PauseGuard } from "./pause-guard.ts";

export interface PlaceOptions {
  readonly index: number;
  readonly name: string;
  /** Where it listens, and where it calls others from. */
  readonly host: string;
  readonly proxyHost: string;
  readonly data: string;
  readonly log: string;
  readonly clockFile: string;
  readonly command: HearsayCommand;
  /** Settings, `knob=value`. */
  readonly set: readonly string[];
  readonly random: RandomSource;
  linkFrom(caller: string): LinkState;
}

export interface PlaceEvents {
  started(ready: Ready): void;
  ended(ending: string, expected: boolean): void;
  complained(text: string): void;
}

/** Longer than a start takes on a busy machine, recovery included. */
const START_PATIENCE_MS = 60_000;

/** How the end of a process was asked for. */
type EndWish = "none" | "kill" | "stop";

export class Place {
  readonly index: number;
  readonly name: string;
  readonly host: string;
  readonly data: string;
  readonly proxy: LinkProxy;
  readonly #options: PlaceOptions;
  readonly #events: PlaceEvents;
  #address = "";
  /** Kept over restarts: clients know the node by it. */
  #port = 0;
  #process: NodeProcess | undefined;
  #ready: Ready | undefined;
  #wish: EndWish = "none";
  #guard: PauseGuard | undefined;
  #closed = false;

  constructor(options: PlaceOptions, events: PlaceEvents) {
    this.index = options.index;
    this.name = options.name;
    this.host = options.host;
    this.data = options.data;
    this.#options = options;
    this.#events = events;
    this.proxy = new LinkProxy((caller) => options.linkFrom(caller), options.random);
  }

  /** Where the others reach it. */
  get address(): string {
    return this.#address;
  }

  /** Where clients reach it; empty before it has first started. */
  get url(): string {
    return this.#port === 0 ? "" : `http://${this.host}:${this.#port}`;
  }

  get id(): string | undefined {
    return this.#ready?.id;
  }

  get runs(): boolean {
    return this.#process?.runs ?? false;
  }

  async open(): Promise<void> {
    this.#address = await this.proxy.listen(this.#options.proxyHost);
  }

  /** Settles when it listens. @throws NodeEndedError */
  async start(join: readonly string[]): Promise<Ready> {
    const process = this.begin(join);
    const late = setTimeout(() => {
      this.#events.complained(`was not ready within ${START_PATIENCE_MS / 1000} s and is killed`);
      void process.kill();
    }, START_PATIENCE_MS);
    const ready = await process.ready().finally(() => clearTimeout(late));
    this.#ready = ready;
    this.#port = Number(new URL(ready.url).port);
    this.proxy.forwardTo(ready.url);
    this.#events.started(ready);
    return ready;
  }

  /** Starts the process and waits for nothing. */
  begin(join: readonly string[]): NodeProcess {
    const { name, data, log, host, set, clockFile, command } = this.#options;
    if (this.#closed) throw new Error(`${name} is no longer to be started`);
    const settings = [
      ...set,
      `advertise=${this.#address}`,
      `peers.localAddress=${host}`,
      `join=${join.join(",")}`,
      "test.hooks=true",
      `test.clockFile=${clockFile}`,
    ].flatMap((assignment) => ["--set", assignment]);
    this.#wish = "none";
    const process = new NodeProcess(
      { name, data, log },
      command,
      ["--listen", `${host}:${this.#port}`, ...settings],
      { complained: (text) => this.#events.complained(text) },
    );
    this.#process = process;
    void process.ended.then((ending) => {
      if (this.#process === process) this.proxy.forwardTo(undefined);
      const isExpected =
        (this.#wish === "kill" && ending.signal === "SIGKILL") ||
        (this.#wish === "stop" && ending.code === 0);
      this.#events.ended(describeEnding(ending), isExpected);
    });
    return process;
  }

  async kill(): Promise<void> {
    this.#wish = "kill";
    await this.#process?.kill();
  }

  /** As an operator would; one that had not begun to listen does not catch the signal. */
  async stop(): Promise<void> {
    this.#wish = "stop";
    await this.#process?.stop();
  }

  pause(): void {
    const pid = this.#process?.pid;
    if (pid !== undefined && this.runs) this.#guard ??= new PauseGuard(pid);
  }

  async wake(): Promise<void> {
    const guard = this.#guard;
    this.#guard = undefined;
    await guard?.wake();
  }

  /** Makes its clock wrong by so much from now on. */
  shiftClock(ms: number): void {
    writeFileSync(this.#options.clockFile, `${ms}\n`);
  }

  rightClock(): void {
    rmSync(this.#options.clockFile, { force: true });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.wake();
    if (this.runs) await this.kill();
    this.proxy.close();
  }
}
