import { Client } from "@hearsay/client";

/** A node as the workload and the checks see it: an address. */
export interface Target {
  readonly name: string;
  readonly url: string;
}

/** Longest wait for an answer. */
const TIMEOUT_MS = 4_000;

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

  client({ url }: Target): Client {
    const known = this.#clients.get(url);
    if (known !== undefined) return known;
    const client = new Client({ endpoints: [url], timeoutMs: TIMEOUT_MS, retry: { rounds: 1 } });
    this.#clients.set(url, client);
    return client;
  }
}
