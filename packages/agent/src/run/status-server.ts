/** Status and metrics by HTTP. Reads only, and no values in it. */

import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import { AgentError, reasonOf } from "../fault.ts";
import type { AgentStatus } from "./status.ts";

export interface StatusSources {
  readonly status: () => AgentStatus;
  readonly metrics: () => Promise<string>;
}

export class StatusServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws AgentError `status_unusable` */
  static async start(
    at: { readonly host: string; readonly port: number },
    sources: StatusSources,
  ): Promise<StatusServer> {
    const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
      request.resume();
      void answer(request.method ?? "", request.url ?? "", response, sources);
    });
    server.maxConnections = 64;
    server.listen(at.port, at.host);
    try {
      await once(server, "listening");
    } catch (error) {
      const listen = `${at.host}:${at.port}`;
      throw new AgentError({ code: "status_unusable", listen, reason: reasonOf(error) }, { cause: error });
    }
    return new StatusServer(server);
  }

  /** Undefined once it is closed. */
  get port(): number | undefined {
    const address = this.#server.address();
    return typeof address === "object" ? address?.port : undefined;
  }

  get address(): string {
    const address = this.#server.address();
    if (typeof address !== "object" || address === null) return "";
    const host = address.family === "IPv6" ? `[${address.address}]` : address.address;
    return `http://${host}:${address.port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answer(
  method: string,
  url: string,
  response: ServerResponse,
  sources: StatusSources,
): Promise<void> {
  if (method !== "GET" && method !== "HEAD") return send(response, 405, "text/plain", "only GET\n");
  switch (url.split("?")[0]) {
    case "/status":
      return send(response, 200, "application/json", `${JSON.stringify(sources.status())}\n`);
    case "/metrics":
      return send(response, 200, "text/plain; version=0.0.4; charset=utf-8", await sources.metrics());
    case "/livez":
      return send(response, 200, "text/plain", "ok\n");
    case "/readyz": {
      const { ready, stale, cutOff } = sources.status();
      const notes = `${stale ? ", stale" : ""}${cutOff === undefined ? "" : ", node cut off"}`;
      return send(response, ready ? 200 : 503, "text/plain", `${ready ? "ready" : "not ready"}${notes}\n`);
    }
    default:
      return send(response, 404, "text/plain", "there are /status, /metrics, /livez and /readyz\n");
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { "Content-Type": type, "Content-Length": Buffer.byteLength(body) }).end(body);
}
