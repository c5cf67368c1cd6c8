/** Whole nodes in this process, each with a directory and a port of its own, that wait for nothing as long as usual. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../config/load.ts";
import { type RunningServer, startServer } from "../server.ts";

const QUICK: Readonly<Record<string, string>> = {
  "swim.probeIntervalMs": "100",
  "swim.probeTimeoutMs": "80",
  "swim.suspicionMult": "2",
  "antiEntropy.intervalMs": "50",
  "gossip.stateIntervalMs": "50",
  "tombstones.minRetentionMs": "1000",
  // What is tested is not what nodes refuse because the machine is busy with other tests.
  "overload.scansLagMs": "60000",
  "overload.writesLagMs": "60000",
  "overload.readsLagMs": "60000",
  "clock.maxDriftMs": "1000",
};

const PATIENCE_MS = 30_000;
const POLL_MS = 20;
const QUIET = { info: () => undefined, warn: () => undefined, error: () => undefined };

export interface Asked {
  readonly status: number;
  readonly body: unknown;
}

export class RunningCluster {
  readonly #servers: Map<string, RunningServer> = new Map();
  #directory: string | undefined;

  /** Starts named nodes that join through the first, and waits until all take writes. */
  async start(...names: readonly string[]): Promise<void> {
    const [first] = names;
    for (const name of names) await this.run(name, name === first ? undefined : first);
    await Promise.all(names.map((name) => this.takesWrites(name)));
  }

  async run(name: string, seed?: string, settings: Readonly<Record<string, string>> = {}): Promise<void> {
    this.#directory ??= await mkdtemp(join(tmpdir(), "hearsay-cluster-"));
    const flags = {
      ...QUICK,
      name,
      data: join(this.#directory, name),
      listen: "127.0.0.1:0",
      ...(seed === undefined ? {} : { join: this.address(seed) }),
      ...settings,
    };
    const config = loadConfig({ flags, environment: {}, file: undefined });
    this.#servers.set(name, await startServer(config.settings, { log: QUIET }));
  }

  async stop(name: string): Promise<void> {
    await this.server(name).close();
  }

  server(name: string): RunningServer {
    const server = this.#servers.get(name);
    if (server === undefined) throw new Error(`there is no ${name}`);
    return server;
  }

  address(name: string): string {
    return new URL(this.server(name).address).host;
  }

  async get(name: string, path: string): Promise<Asked> {
    return await this.#ask(name, path, {});
  }

  async post(name: string, path: string, body: unknown): Promise<Asked> {
    const headers = { "content-type": "application/json" };
    return await this.#ask(name, path, { method: "POST", headers, body: JSON.stringify(body) });
  }

  /** @returns the version */
  async put(name: string, key: string, value: string): Promise<string> {
    const answer = await fetch(`${this.server(name).address}/kv/${key}`, { method: "PUT", body: value });
    if (!answer.ok) throw new Error(`${name}: ${await answer.text()}`);
    await answer.arrayBuffer();
    return (answer.headers.get("etag") ?? "").replaceAll('"', "");
  }

  async takesWrites(name: string): Promise<void> {
    await this.until(`${name} takes writes`, async () => {
      const { body } = await this.get(name, "/cluster");
      return typeof body === "object" && body !== null && "writable" in body && body.writable === true;
    });
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS;
    while (!(await holds())) {
      if (performance.now() > endMs) throw new Error(`not in time: ${what}`);
      await new Promise((resolve) => {
        setTimeout(resolve, POLL_MS);
      });
    }
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#servers.values()].map((server) => server.close()));
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true });
  }

  /** Lines become a list. */
  async #ask(name: string, path: string, init: RequestInit): Promise<Asked> {
    const answer = await fetch(this.server(name).address + path, init);
    const text = await answer.text();
    const type = answer.headers.get("content-type") ?? "";
    if (type.startsWith("application/x-ndjson")) {
      return {
        status: answer.status,
        body: text
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line)),
      };
    }
    return { status: answer.status, body: type.includes("json") ? JSON.parse(text) : text };
  }
}
