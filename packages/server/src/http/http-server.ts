import { createServer, type Server } from "node:http";
import type { Settings } from "../config/knobs.ts";
import { cutUnread } from "./unread.ts";

/** A server that keeps all bounds of connections and requests, whatever answers on it. */
export function createHttpServer(settings: Settings): Server {
  const server = createServer({
    maxHeaderSize: settings["limits.maxHeaderBytes"],
    requireHostHeader: false,
    headersTimeout: settings["limits.headersTimeoutMs"],
    connectionsCheckingInterval: settings["limits.timeoutCheckMs"],
  });
  server.requestTimeout = settings["limits.requestTimeoutMs"];
  server.keepAliveTimeout = settings["limits.keepAliveTimeoutMs"];
  server.maxConnections = settings["limits.maxConnections"];
  cutUnread(server, settings["limits.slowReaderTimeoutMs"]);
  return server;
}
