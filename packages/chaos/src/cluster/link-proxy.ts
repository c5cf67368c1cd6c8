/**
 * Stands in front of a node and lets through what the test allows. Nodes call from addresses of their own, so the
 * proxy knows who is calling and can harm one link and leave the others.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { RandomSource } from "@hearsay/core";
import { FaultyPipe } from "./faulty-pipe.ts";
import type { LinkState } from "./link-state.ts";

interface Connection {
  readonly caller: string;
  readonly sockets: readonly [Socket, Socket];
  /** Something of it has vanished, so it cannot go on. */
  isHoled: boolean;
}

export class LinkProxy {
  readonly #server: Server;
  readonly #connections: Set<Connection> = new Set();
  readonly #stateOf: (caller: string) => LinkState;
  readonly #random: RandomSource;
  #target: { readonly host: string; readonly port: number } | undefined;

  /** @param stateOf how the link from this address is at the moment */
  constructor(stateOf: (caller: string) => LinkState, random: RandomSource) {
    this.#stateOf = stateOf;
    this.#random = random;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  /** @returns `HOST:PORT` for other nodes to call */
  async listen(host: string): Promise<string> {
    this.#server.listen(0, host);
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    return `${host}:${address.port}`;
  }

  /** Where the node behind it listens now; undefined while it does not. */
  forwardTo(url: string | undefined): void {
    const parsed = url === undefined ? undefined : new URL(url);
    this.#target = parsed === undefined ? undefined : { host: parsed.hostname, port: Number(parsed.port) };
  }

  /** Ends connections that the present state of their link does not allow, or whose bytes vanished in an earlier one. */
  enforce(): void {
    for (const connection of this.#connections) {
      const { kind } = this.#stateOf(connection.caller);
      if (kind === "closed" || (connection.isHoled && kind !== "hole")) end(connection);
    }
  }

  close(): void {
    this.#server.close();
    for (const connection of this.#connections) end(connection);
  }

  #accept(socket: Socket): void {
    const caller = socket.remoteAddress ?? "";
    const state = this.#stateOf(caller);
    const isLost = state.kind === "loss" && this.#random.next() < state.share;
    if (this.#target === undefined || state.kind === "closed" || isLost) {
      socket.destroy();
      return;
    }
    const onward = connect(this.#target.port, this.#target.host);
    const connection: Connection = { caller, sockets: [socket, onward], isHoled: false };
    this.#connections.add(connection);
    const ports = {
      state: () => this.#stateOf(caller),
      random: this.#random,
      vanished: () => {
        connection.isHoled = true;
      },
      broken: () => end(connection),
    };
    for (const one of connection.sockets) {
      one.on("error", () => end(connection));
      one.on("close", () => {
        end(connection);
        this.#connections.delete(connection);
      });
    }
    socket.pipe(new FaultyPipe(ports)).pipe(onward);
    onward.pipe(new FaultyPipe(ports)).pipe(socket);
  }
}

function end({ sockets }: Connection): void {
  for (const socket of sockets) socket.destroy();
}
