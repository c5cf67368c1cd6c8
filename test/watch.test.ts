/**
 * Watching through kills and restarts: three processes, of which one after the other is killed or stopped and started
 * again, while writers go on and watchers change nodes. A round stands for a minute of a cluster's life.
 */
import { Client, HearsayError, type WatchEvent } from "@hearsay/client";
import { afterAll, expect, it } from "vitest";
import { endAllNodes, type RunningNode, startNode, temporaryDirectory } from "./cli-process.ts";

const ROUNDS = 6;
const WATCHERS = 5;
const KEYS = 20;
/** Writes between two faults. */
const WRITES = 24;
const NAMES = ["n1", "n2", "n3"] as const;

const QUICK = [
  "swim.probeIntervalMs=250",
  "swim.probeTimeoutMs=200",
  "swim.reconnectIntervalMs=300",
  "antiEntropy.intervalMs=100",
  "gossip.stateIntervalMs=100",
].flatMap((assignment) => ["--set", assignment]);

const directory = temporaryDirectory();
afterAll(async () => {
  await endAllNodes();
  directory.remove();
});

/** Follows a prefix, and remembers what it was told. */
class Follower {
  readonly values: Map<string, string> = new Map();
  readonly seen: Set<string> = new Set();
  readonly strangers: string[] = [];
  readonly #controller: AbortController = new AbortController();
  readonly #done: Promise<void>;
  #onEvent: (() => void) | undefined;

  constructor(endpoints: readonly string[], prefix: string) {
    const client = new Client({ endpoints, retry: { baseMs: 20, capMs: 200 } });
    this.#done = this.#follow(
      client.watch({ prefix, keepTrying: true, signal: this.#controller.signal }),
      prefix,
    );
  }

  /** Settles when what it knows is what is asked for. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#onEvent = resolve;
      });
    }
  }

  async end(): Promise<void> {
    this.#controller.abort("done");
    await this.#done;
  }

  async #follow(events: AsyncGenerator<WatchEvent>, prefix: string): Promise<void> {
    try {
      for await (const event of events) {
        // Of a node that has just started again and whose cursor says nothing yet: everything follows.
        if (event.kind === "reset") this.values.clear();
        if (event.kind === "put" || event.kind === "delete") {
          if (!event.key.startsWith(prefix)) this.strangers.push(event.key);
          this.seen.add(event.key);
          if (event.kind === "delete") this.values.delete(event.key);
          else this.values.set(event.key, new TextDecoder().decode(event.value));
        }
        this.#onEvent?.();
      }
    } catch (reason) {
      if (reason !== "done") throw reason;
    }
  }
}

it("tells every watcher of everything under its prefix and of nothing else, whatever is killed", async () => {
  const nodes = new Map<string, RunningNode>();
  for (const name of NAMES) {
    const join = nodes.get("n1");
    const flags = join === undefined ? [] : ["--join", new URL(join.url).host];
    nodes.set(name, await startNode(`${directory.path}/${name}`, "--name", name, ...flags, ...QUICK));
  }
  const urls = [...nodes.values()].map(({ url }) => url);
  const writer = new Client({ endpoints: urls, retry: { rounds: 50, baseMs: 20, capMs: 100 } });
  const rotated = (at: number): string[] => [...urls.slice(at % 3), ...urls.slice(0, at % 3)];
  const followers = Array.from({ length: WATCHERS }, (_, at) => new Follower(rotated(at), "watched/"));

  const once: string[] = [];
  let count = 0;
  const write = async (): Promise<void> => {
    count += 1;
    const key = `watched/${count % KEYS}`;
    const at = { repeatUnknown: true };
    if (count % 7 === 0) await writer.delete(key, at);
    else await writer.put(key, String(count), at);
    await writer.put(`watched/once/${count}`, "1", at);
    once.push(`watched/once/${count}`);
    await writer.put(`unrelated/${count % KEYS}`, String(count), at);
  };

  for (let round = 0; round < ROUNDS; round++) {
    const name = NAMES[round % NAMES.length] ?? "n1";
    const node = nodes.get(name);
    if (node === undefined) throw new Error(`there is no ${name}`);
    for (let i = 0; i < WRITES / 2; i++) await write();
    await node.end(round % 2 === 0 ? "SIGKILL" : "SIGTERM");
    for (let i = 0; i < WRITES / 2; i++) await write();
    const args = ["--name", name, "--listen", new URL(node.url).host, ...QUICK];
    nodes.set(name, await startNode(`${directory.path}/${name}`, ...args));
  }

  await write();
  const final = await stateOnceConverged(writer);
  for (const follower of followers) {
    await follower.until(
      () => sameState(follower.values, final) && once.every((key) => follower.seen.has(key)),
    );
    expect(follower.strangers).toEqual([]);
    await follower.end();
  }
  expect(final.size).toBeGreaterThan(once.length);
}, 120_000);

async function stateOnceConverged(client: Client): Promise<Map<string, string>> {
  await expect.poll(async () => await verdict(client), { timeout: 45_000, interval: 100 }).toBe("converged");
  const state = new Map<string, string>();
  for await (const item of client.list({ prefix: "watched/" })) state.set(item.key, atob(item.value ?? ""));
  return state;
}

async function verdict(client: Client): Promise<string> {
  try {
    return (await client.cluster.convergence()).verdict;
  } catch (error) {
    if (error instanceof HearsayError) return error.code;
    throw error;
  }
}

function sameState(known: ReadonlyMap<string, string>, final: ReadonlyMap<string, string>): boolean {
  if (known.size !== final.size) return false;
  for (const [key, value] of final) if (known.get(key) !== value) return false;
  return true;
}
