/**
 * Listens for a node over all its runs, from before its directory is opened until it has stopped. What comes in goes to the
 * application of the run that serves; while there is none, as through a long salvage, the listener answers itself, so that
 * nobody takes a node that is at work for one that is gone.
 */
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Log } from "@hearsay/node";
import type { Settings } from "../config/knobs.ts";
import { parseListen } from "../config/relations.ts";
import type { EventCounts } from "../metrics/events.ts";
import { listenError } from "../start-error.ts";
import { answerClientError } from "./client-errors.ts";
import type { Phase } from "./gate.ts";
import { createHttpServer } from "./http-server.ts";
import { answerWhileOpening } from "./opening.ts";

export interface ListenerPorts {
  readonly log: Log;
  readonly events: EventCounts;
}

/** Connections that wait to be accepted; the kernel's own bound may be lower. */
const LISTEN_BACKLOG = 1024;

const IDLE_CHECK_MS = 20;

export class Listener {
  readonly #settings: Settings;
  readonly #ports: ListenerPorts;
  /** More than one where the name to listen on stands for several addresses. */
  readonly #servers: Server[] = [];
  readonly #sockets: Set<Socket> = new Set();
  /** Of the run that serves. It does not listen by itself. */
  #application: Server | undefined;
  #phase: Phase = "starting";
  #isReleasing = false;
  #address = "";
  #closed: Promise<void> | undefined;

  private constructor(settings: Settings, ports: ListenerPorts) {
    this.#settings = settings;
    this.#ports = ports;
  }

  /** @throws StartError where nobody can listen there now */
  static async open(settings: Settings, ports: ListenerPorts): Promise<Listener> {
    const listener = new Listener(settings, ports);
    try {
      await listener.#listen();
    } catch (error) {
      throw listenError(error, settings.listen);
    }
    return listener;
  }

  /** `http://host:port` as clients on this machine reach it. */
  get address(): string {
    return this.#address;
  }

  /** @param application whose request events are answered, until it is released */
  hand(application: Server): void {
    this.#application = application;
  }

  /** Answers by itself again. Settles when what the application has under way is answered, or was cut after the grace. */
  async release(graceMs: number): Promise<void> {
    this.#application = undefined;
    this.#phase = "recovering";
    this.#isReleasing = true;
    const sockets = new Set(this.#sockets);
    this.#closeIdle();
    await this.#drain(graceMs, sockets, Promise.all([...sockets].map((socket) => closed(socket))));
    this.#isReleasing = false;
  }

  /** Takes nothing new. Settles when what is under way is answered, or was cut after the grace. Idempotent. */
  close(graceMs: number): Promise<void> {
    this.#closed ??= this.#drain(graceMs, this.#sockets, Promise.all(this.#servers.map(closeServer)));
    return this.#closed;
  }

  async #listen(): Promise<void> {
    const { host, port } = parseListen(this.#settings.listen);
    const first = await this.#bind(host, port);
    this.#address = `http://${hostOf(first.address)}:${first.port}`;
    if (host !== "localhost") return;
    // Programs try its addresses in an order of their own.
    for (const { address } of await lookup(host, { all: true })) {
      if (address !== first.address) await this.#bind(address, first.port).catch(() => undefined);
    }
  }

  async #bind(host: string, port: number): Promise<{ readonly address: string; readonly port: number }> {
    const server = createHttpServer(this.#settings);
    this.#handOn(server);
    server.listen({ host, port, backlog: LISTEN_BACKLOG });
    await once(server, "listening");
    this.#servers.push(server);
    const bound = server.address();
    return typeof bound === "object" && bound !== null ? bound : { address: host, port };
  }

  #handOn(server: Server): void {
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.on("drop", () => this.#ports.events.count("hearsay_connections_refused_total"));
    server.on("clientError", (error: Error, socket: Socket) => {
      if (this.#application === undefined) answerClientError(error, socket, () => undefined);
      else this.#application.emit("clientError", error, socket);
    });
    for (const event of ["request", "checkContinue", "checkExpectation"] as const) {
      server.on(event, (request: IncomingMessage, response: ServerResponse) => {
        if (this.#application !== undefined) {
          this.#application.emit(event, request, response);
          return;
        }
        // Nobody can tell whether the body comes that was asked about.
        if (this.#isReleasing || event === "checkContinue") response.shouldKeepAlive = false;
        answerWhileOpening(this.#phase, request, response);
      });
    }
  }

  async #drain(graceMs: number, sockets: ReadonlySet<Socket>, ended: Promise<unknown>): Promise<void> {
    const grace = setTimeout(() => {
      this.#ports.log.warn("connections_cut", { graceMs });
      for (const socket of sockets) socket.destroy();
    }, graceMs);
    // A connection whose last answer is out while it was being closed would otherwise stay for its keep-alive time.
    const idle = setInterval(() => this.#closeIdle(), IDLE_CHECK_MS);
    try {
      await ended;
    } finally {
      clearInterval(idle);
      clearTimeout(grace);
    }
  }

  #closeIdle(): void {
    for (const server of this.#servers) server.closeIdleConnections();
  }
}

/** Of what a server is bound to, as part of an URL. All addresses of a machine can be reached at its own. */
function hostOf(address: string): string {
  if (address === "0.0.0.0") return "127.0.0.1";
  return address.includes(":") ? `[${address}]` : address;
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once("close", () => resolve());
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
