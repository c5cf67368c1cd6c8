/** Nodes on the loopback interface, each a process, behind proxies that cut one of them off from all others. */
import { join } from "node:path";
import { LinkProxy } from "@hearsay/chaos";
import { SeededRandom } from "@hearsay/core";
import { Pool } from "undici";
import type { BenchNode } from "./nodes.ts";
import { type Server, startNode } from "./servers.ts";

export interface CuttableNode extends BenchNode {
  /** Where the others reach it: `HOST:PORT`. */
  readonly address: string;
  isCutOff: boolean;
}

interface Place {
  readonly node: CuttableNode;
  readonly server: Server;
  readonly proxy: LinkProxy;
  readonly host: string;
}

export class CuttableCluster {
  readonly #places: Place[] = [];
  #begun = 0;

  get nodes(): readonly CuttableNode[] {
    return this.#places.map(({ node }) => node);
  }

  /** Starts one more node, which knows of no other yet. */
  async start(directory: string, knobs: readonly string[]): Promise<CuttableNode> {
    this.#begun += 1;
    const number = this.#begun;
    const host = `127.0.4.${number}`;
    const proxy: LinkProxy = new LinkProxy((caller) => {
      const isCut = node.isCutOff || this.#isCutOff(caller);
      return { kind: isCut ? "closed" : "open" };
    }, new SeededRandom(number));
    const address = await proxy.listen(`127.0.5.${number}`);
    const own = [`advertise=${address}`, `peers.localAddress=${host}`, "log.level=error"];
    const sets = [...own, ...knobs].flatMap((knob) => ["--set", knob]);
    const data = join(directory, `n${number}`);
    const server = await startNode(data, "--name", `n${number}`, "--listen", `${host}:0`, ...sets);
    const { url } = server;
    const node: CuttableNode = { url, pool: new Pool(url, { connections: 16 }), address, isCutOff: false };
    this.#places.push({ node, server, proxy, host });
    proxy.forwardTo(url);
    return node;
  }

  cutOff(nodes: readonly CuttableNode[]): void {
    for (const node of nodes) node.isCutOff = true;
    for (const { proxy } of this.#places) proxy.enforce();
  }

  heal(): void {
    for (const node of this.nodes) node.isCutOff = false;
  }

  async cpuSeconds(): Promise<number> {
    let seconds = 0;
    for (const { server } of this.#places) seconds += await server.cpuSeconds();
    return seconds;
  }

  async stop(): Promise<void> {
    for (const { node, server, proxy } of this.#places) {
      await node.pool.destroy();
      proxy.close();
      await server.stop();
    }
  }

  #isCutOff(caller: string): boolean {
    return this.#places.some(({ host, node }) => host === caller && node.isCutOff);
  }
}
