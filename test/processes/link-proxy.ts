/**
 * Stands in front of a node and lets through what the test allows. Nodes call from addresses of their own, so the
 * proxy knows who is calling and can cut one link and leave the others.
 */
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

export class LinkProxy {
  readonly #server: Server;
  readonly #sockets: Map<Socket, string> = new Map();
  #target: { readonly host: string; readonly port: number } | undefined;
  #isCut: (caller: string) => boolean;

  /** @param isCut whether connections from this address are refused at the moment */
  constructor(isCut: (caller: string) => boolean) {
    this.#isCut = isCut;
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

  /** Ends connections that are cut by now. */
  enforce(): void {
    for (const [socket, caller] of this.#sockets) if (this.#isCut(caller)) socket.destroy();
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets.keys()) socket.destroy();
  }

  #accept(socket: Socket): void {
    const caller = socket.remoteAddress ?? "";
    const target = this.#target;
    if (target === undefined || this.#isCut(caller)) {
      socket.destroy();
      return;
    }
    const onward = connect(target.port, target.host);
    this.#sockets.set(socket, caller);
    for (const [end, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      end.on("error", () => other.destroy());
      end.on("close", () => {
        other.destroy();
        this.#sockets.delete(socket);
      });
    }
    socket.pipe(onward).pipe(socket);
  }
}
