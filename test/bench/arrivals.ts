/** When nodes tell of keys. A node tells of a commit, and what is committed can be read there. */
import { Client } from "undici";
import type { BenchNode } from "./nodes.ts";

const GIVE_UP_MS = 30_000;

export class Arrivals {
  readonly #node: BenchNode;
  readonly #at: Map<string, number> = new Map();
  readonly #waiting: Map<string, (atMs: number) => void> = new Map();
  /**
   * Of its own: a pool connects again after a stream was ended in it, asks nothing there, and after `limits.headersTimeoutMs` the
   * node answers 408, which is then the answer to whatever is asked just then.
   */
  readonly #connection: Client;

  private constructor(node: BenchNode) {
    this.#node = node;
    this.#connection = new Client(node.url);
  }

  /** Watches the keys below a prefix from now on; each of them is written once. */
  static async of(node: BenchNode, prefix: string): Promise<Arrivals> {
    const arrivals = new Arrivals(node);
    const { body } = await arrivals.#connection.request({
      method: "GET",
      path: `/watch?since=now&keys=true&prefix=${encodeURIComponent(prefix)}`,
    });
    const chunks = body[Symbol.asyncIterator]();
    await chunks.next();
    void arrivals.#follow({ [Symbol.asyncIterator]: () => chunks });
    return arrivals;
  }

  /** @returns when the node told of the key, in milliseconds of this process's own clock */
  async at(key: string): Promise<number> {
    const told = this.#at.get(key);
    if (told !== undefined) return told;
    return await new Promise((resolve, reject) => {
      const late = new Error(`${key} never came to ${this.#node.url}`);
      const timer = setTimeout(() => reject(late), GIVE_UP_MS);
      this.#waiting.set(key, (atMs) => {
        clearTimeout(timer);
        resolve(atMs);
      });
    });
  }

  async close(): Promise<void> {
    await this.#connection.destroy();
  }

  async #follow(chunks: AsyncIterable<Buffer>): Promise<void> {
    let rest = "";
    try {
      for await (const chunk of chunks) {
        const nowMs = performance.now();
        rest += chunk.toString("latin1");
        const lines = rest.split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) {
          const key = /^data: \{"key":"([^"]+)"/.exec(line)?.[1];
          if (key === undefined) continue;
          this.#at.set(key, nowMs);
          this.#waiting.get(key)?.(nowMs);
        }
      }
    } catch (error) {
      if (!this.#connection.destroyed) throw error;
    }
  }
}
