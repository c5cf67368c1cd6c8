/** Real nodes, each a process with a LevelDB of its own, on the loopback interface, with links that can be cut. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { LinkProxy } from "@hearsay/chaos";
import { SeededRandom } from "@hearsay/core";
import { expect } from "vitest";

const CLI = fileURLToPath(new URL("../../packages/cli/dist/main.js", import.meta.url));

/** Everything that waits in a cluster waits a fraction of what it does by default. */
const QUICK = {
  "swim.probeIntervalMs": "250",
  "swim.probeTimeoutMs": "200",
  "swim.reconnectIntervalMs": "300",
  "swim.pushPullIntervalMs": "1000",
  "antiEntropy.intervalMs": "100",
  "gossip.stateIntervalMs": "100",
  "tombstones.minRetentionMs": "1000",
  "clock.maxDriftMs": "1000",
} as const;

/** Long enough for a loaded machine of two cores. */
const PATIENCE = { timeout: 45_000, interval: 50 };

interface Place {
  readonly host: string;
  readonly data: string;
  readonly proxy: LinkProxy;
  /** Where the others reach it. */
  readonly address: string;
  child: ChildProcess | undefined;
  url: string;
  output: string;
}

export interface RunOptions {
  readonly seeds?: readonly string[];
  readonly settings?: Readonly<Record<string, string>>;
  readonly clockShiftMs?: number;
  /** Runs under this name instead of that of its place. */
  readonly as?: string;
}

export class ProcessCluster {
  readonly #places: Map<string, Place> = new Map();
  readonly #cuts: Set<string> = new Set();
  #directory: string | undefined;

  /** Starts nodes of which each joins through the first, and waits until all take writes. */
  async start(...names: readonly string[]): Promise<void> {
    const [first] = names;
    for (const name of names)
      await this.run(name, { seeds: name === first || first === undefined ? [] : [first] });
    for (const name of names) await this.takesWrites(name);
  }

  /** Starts a node in its place, or starts it again. */
  async run(name: string, options: RunOptions = {}): Promise<void> {
    const place = await this.#place(name);
    const { seeds = [], settings = {}, clockShiftMs = 0 } = options;
    const seedAddresses = await Promise.all(seeds.map(async (seed) => (await this.#place(seed)).address));
    const given: Record<string, string> = {
      ...QUICK,
      advertise: place.address,
      "peers.localAddress": place.host,
      join: seedAddresses.join(","),
      ...(clockShiftMs === 0 ? undefined : await wrongClock(place, clockShiftMs)),
      ...settings,
    };
    const sets = Object.entries(given).flatMap(([knob, value]) => ["--set", `${knob}=${value}`]);
    place.output = "";
    const child = spawn(
      process.execPath,
      [
        CLI,
        "serve",
        "--name",
        options.as ?? name,
        "--data",
        place.data,
        "--listen",
        `${place.host}:0`,
        ...sets,
      ],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    place.child = child;
    place.url = await new Promise((resolve, reject) => {
      const look = (chunk: Buffer): void => {
        place.output += chunk.toString();
        const found = /"address":"(http:[^"]+)".*"event":"started"/.exec(place.output)?.[1];
        if (found !== undefined) resolve(found);
      };
      child.stdout.on("data", look);
      child.stderr.on("data", look);
      child.on("exit", (code) => reject(new Error(`${name} ended with ${code}:\n${place.output}`)));
    });
    place.proxy.forwardTo(place.url);
  }

  async stop(name: string): Promise<number | null> {
    return await this.#end(name, "SIGTERM");
  }

  async kill(name: string): Promise<void> {
    await this.#end(name, "SIGKILL");
  }

  /** Cuts all links between the two groups. */
  partition(left: readonly string[], right: readonly string[]): void {
    for (const a of left) for (const b of right) this.#cuts.add(`${a}>${b}`).add(`${b}>${a}`);
    for (const { proxy } of this.#places.values()) proxy.enforce();
  }

  heal(): void {
    this.#cuts.clear();
  }

  /** A copy of a stopped node's directory, to bring back later. */
  async backUp(name: string): Promise<string> {
    const copy = `${(await this.#place(name)).data}-backup`;
    await cp((await this.#place(name)).data, copy, { recursive: true });
    return copy;
  }

  async restoreFrom(name: string, copy: string): Promise<void> {
    await this.loseDisk(name);
    await cp(copy, (await this.#place(name)).data, { recursive: true });
  }

  async loseDisk(name: string): Promise<void> {
    await rm((await this.#place(name)).data, { recursive: true });
  }

  url(name: string): string {
    return this.#running(name).url;
  }

  output(name: string): string {
    return this.#running(name).output;
  }

  async put(name: string, key: string, value: string, query: string = ""): Promise<string> {
    const answer = await fetch(`${this.url(name)}/kv/${key}${query}`, { method: "PUT", body: value });
    const body: unknown = await answer.json();
    if (!answer.ok) throw new Error(`PUT ${key} at ${name}: ${JSON.stringify(body)}`);
    return answer.headers.get("etag")?.replaceAll('"', "") ?? "";
  }

  async remove(name: string, key: string): Promise<void> {
    const answer = await fetch(`${this.url(name)}/kv/${key}`, { method: "DELETE" });
    await answer.arrayBuffer();
    expect(answer.status).toBe(200);
  }

  /** What a reader sees; undefined for nothing or deleted. */
  async read(name: string, key: string): Promise<string | undefined> {
    const answer = await fetch(`${this.url(name)}/kv/${key}`);
    const text = await answer.text();
    if (answer.status === 404) return undefined;
    if (!answer.ok) throw new Error(`GET ${key} at ${name}: ${text}`);
    return text;
  }

  /** Waits until nodes read this of a key. */
  async reads(names: readonly string[], key: string, value: string | undefined): Promise<void> {
    for (const name of names) {
      await expect
        .poll(() => this.read(name, key), { ...PATIENCE, message: `${key} at ${name}` })
        .toBe(value);
    }
  }

  async takesWrites(name: string): Promise<void> {
    await expect
      .poll(async () => await this.put(name, "probe", name).then(() => "yes", String), {
        ...PATIENCE,
        message: `${name} takes writes`,
      })
      .toBe("yes");
  }

  /** Waits for a line in a node's log. */
  async logs(name: string, line: RegExp): Promise<void> {
    await expect.poll(() => this.output(name), { ...PATIENCE, message: `log of ${name}` }).toMatch(line);
  }

  /** JSON of a call of the cluster API. */
  async ask(name: string, path: string): Promise<unknown> {
    const answer = await fetch(`${this.url(name)}${path}`);
    return await answer.json();
  }

  /** Waits for what a call answers. */
  async asks(name: string, path: string, expected: object): Promise<void> {
    await expect
      .poll(() => this.ask(name, path), { ...PATIENCE, message: `${path} at ${name}` })
      .toMatchObject(expected);
  }

  async dispose(): Promise<void> {
    for (const [name, { proxy, child }] of this.#places) {
      if (child !== undefined) await this.kill(name);
      proxy.close();
    }
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true });
  }

  async #end(name: string, signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    const place = this.#running(name);
    const { child } = place;
    place.child = undefined;
    place.proxy.forwardTo(undefined);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? null;
    child.removeAllListeners("exit");
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
    return child.exitCode;
  }

  #running(name: string): Place {
    const place = this.#places.get(name);
    if (place === undefined) throw new Error(`there is no ${name}`);
    return place;
  }

  async #place(name: string): Promise<Place> {
    const found = this.#places.get(name);
    if (found !== undefined) return found;
    this.#directory ??= await mkdtemp(join(tmpdir(), "hearsay-processes-"));
    const number = this.#places.size + 1;
    const host = `127.0.1.${number}`;
    const proxy = new LinkProxy(
      (caller) => ({ kind: this.#cuts.has(`${this.#nameAt(caller)}>${name}`) ? "closed" : "open" }),
      new SeededRandom(number),
    );
    const place: Place = {
      host,
      data: join(this.#directory, name),
      proxy,
      address: await proxy.listen(`127.0.2.${number}`),
      child: undefined,
      url: "",
      output: "",
    };
    this.#places.set(name, place);
    return place;
  }

  #nameAt(host: string): string {
    for (const [name, place] of this.#places) if (place.host === host) return name;
    return "";
  }
}

/** The settings of a node whose clock is wrong by so much. */
async function wrongClock({ data }: Place, shiftMs: number): Promise<Record<string, string>> {
  const path = `${data}.clock`;
  await writeFile(path, `${shiftMs}\n`);
  return { "test.hooks": "true", "test.clockFile": path };
}
