import { Client } from "@hearsay/client";

/** A node as the workload and the checks see it: an address. */
export interface Target {
  readonly name: string;
  readonly url: string;
}

/** Longest wait for an answer. */
const TIMEOUT_MS = 4_000;
const ONE_ATTEMPT = { timeoutMs: TIMEOUT_MS, retry: { rounds: 1 } } as const;
const NODE_HEADER = "Hearsay-Node";

/** For calls that do not return who answered. */
export interface Witness {
  readonly client: Client;
  /** The id; undefined where the answer had none. */
  answeredBy(): string | undefined;
}

/** One attempt a call, so that the history has each. */
export class Targets {
  readonly all: readonly Target[];
  readonly #clients: Map<string, Client> = new Map();

  constructor(all: readonly Target[]) {
    this.all = all;
  }

  at(index: number): Target {
    const target = this.all[index % this.all.length];
    if (target === undefined) throw new Error("there is no node");
    return target;
  }

  /** A client for one call. */
  witness({ url }: Target): Witness {
    let node: string | undefined;
    const client = new Client({
      ...ONE_ATTEMPT,
      endpoints: [url],
      platform: {
        fetch: async (to, init) => {
          const answer = await fetch(to, init);
          node = answer.headers.get(NODE_HEADER) ?? undefined;
          return answer;
        },
      },
    });
    return { client, answeredBy: () => node };
  }

  client({ url }: Target): Client {
    const known = this.#clients.get(url);
    if (known !== undefined) return known;
    const client = new Client({ ...ONE_ATTEMPT, endpoints: [url] });
    this.#clients.set(url, client);
    return client;
  }
}
