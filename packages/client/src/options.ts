import { formatDurationMs, HEADERS } from "@hearsay/api";
import type { Platform } from "./platform.ts";
import type { Repeat, RetryPolicy } from "./transport.ts";

export interface ClientOptions {
  /** Base URLs, tried in this order until one answers. Default: one node on this machine. */
  readonly endpoints?: readonly string[];
  /** Sent with every request, for instance `Authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Longest wait for an answer, or for the next part of a streamed one, in milliseconds. Default 15,000. */
  readonly timeoutMs?: number;
  readonly retry?: Partial<RetryPolicy>;
  /** How batches travel. MessagePack unless a human has to read them. */
  readonly batchFormat?: "msgpack" | "json";
  readonly platform?: Partial<Platform>;
}

export interface CallOptions {
  /** Ends the call, whose promise then rejects with the signal's reason; a write already sent may take effect. */
  readonly signal?: AbortSignal | undefined;
  /** Instead of the client's own. */
  readonly timeoutMs?: number | undefined;
}

export interface ManyReadOptions {
  /**
   * Answer only once the node holds all that the nodes of these versions wrote up to them, waiting for 5 s at most. Of each
   * node the newest is enough.
   */
  readonly afterVersions?: readonly string[] | undefined;
}

/** How many replicas: a number, more than half, or every member. */
export type Ack = number | "quorum" | "all";

interface AckOptions {
  readonly ack?: Ack | undefined;
  /** How long the node may wait for that many, in milliseconds. */
  readonly ackTimeoutMs?: number | undefined;
}

export interface ReadOptions extends CallOptions, AckOptions {
  /** Answer only once the node holds this version. Waits up to `ackTimeoutMs`. */
  readonly after?: string | undefined;
  /** Answer `unchanged` when the winner still is this version. */
  readonly unlessVersion?: string | undefined;
}

export interface DeleteOptions extends CallOptions, AckOptions {
  /** Supersede what was read with it and nothing else; without it all that the node holds. */
  readonly context?: string | undefined;
  /** Only if the node's winner is this version. A check on one node, no cluster-wide compare-and-swap. */
  readonly ifVersion?: string | undefined;
  /** Repeat the write also when an attempt may have taken effect. It may then overwrite what came in between. */
  readonly repeatUnknown?: boolean | undefined;
}

export interface PutOptions extends DeleteOptions {
  readonly contentType?: string | undefined;
  /** From now until the value reads as deleted, in milliseconds. */
  readonly ttlMs?: number | undefined;
  /** Only if the node has no value for the key. */
  readonly ifAbsent?: boolean | undefined;
}

export interface BatchOptions extends CallOptions, AckOptions, ManyReadOptions {
  readonly repeatUnknown?: boolean | undefined;
  /**
   * Called before each repeat while an earlier attempt may still take effect: it may be on its way, and arrive after what is
   * written next.
   */
  readonly onRepeatUnknown?: (() => void) | undefined;
  /**
   * `none`: the results are left out, which spares the node a tenth of its work and the client a fifth.
   * Not where an operation is a `get`.
   */
  readonly results?: "all" | "none" | undefined;
}

export interface ListOptions extends CallOptions, ManyReadOptions {
  readonly prefix?: string | undefined;
  /** Only keys after this one, in the order of their UTF-8 bytes. */
  readonly after?: string | undefined;
  /** Leave the values out. */
  readonly keysOnly?: boolean | undefined;
  /** Entries in a page. */
  readonly pageSize?: number | undefined;
}

export interface RestoreOptions extends CallOptions {
  readonly mode: "missing" | "as-new" | "exact";
  readonly dryRun?: boolean | undefined;
  /** With `as-new`: keys that are deleted on the node get their values back. */
  readonly revive?: boolean | undefined;
}

type Query = Readonly<Record<string, string | number | undefined>>;

export function ackQuery(options: AckOptions): Query {
  const { ack, ackTimeoutMs } = options;
  return { ack, timeout: ackTimeoutMs === undefined ? undefined : formatDurationMs(ackTimeoutMs) };
}

export function readHeaders(options: ReadOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  if (options.after !== undefined) headers[HEADERS.after] = options.after;
  if (options.unlessVersion !== undefined) headers["If-None-Match"] = `"${options.unlessVersion}"`;
  return headers;
}

export function manyReadHeaders({ afterVersions = [] }: ManyReadOptions): Record<string, string> {
  return afterVersions.length === 0 ? {} : { [HEADERS.after]: afterVersions.join(",") };
}

export function writeHeaders(options: PutOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  if (options.context !== undefined) headers[HEADERS.context] = options.context;
  if (options.ifVersion !== undefined) headers["If-Match"] = `"${options.ifVersion}"`;
  if (options.ifAbsent === true) headers["If-None-Match"] = "*";
  return headers;
}

/**
 * A precondition lets at most one attempt in, and a delete with a context covers no more when it is made twice.
 * A put with a context does not count: twice would leave it as its own conflict.
 */
export function repeatOfWrite(method: "PUT" | "DELETE", options: PutOptions): Repeat {
  if (options.repeatUnknown === true) return "always";
  if (options.ifVersion !== undefined || options.ifAbsent === true) return "guarded";
  return method === "DELETE" && options.context !== undefined ? "always" : "definite";
}

/** The options that every call has. */
export function only(options: CallOptions): CallOptions {
  return { signal: options.signal, timeoutMs: options.timeoutMs };
}

/**
 * The base URL without a slash at its end.
 * @throws TypeError
 */
export function parseEndpoint(text: string): string {
  let url: URL;
  try {
    url = new URL(text.includes("://") ? text : `http://${text}`);
  } catch {
    throw new TypeError(`${JSON.stringify(text)} is no URL`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`${JSON.stringify(text)} is no http or https URL`);
  }
  if (url.search !== "" || url.hash !== "") {
    throw new TypeError(`${JSON.stringify(text)} has a query or a fragment; give the base URL of a node`);
  }
  return url.origin + url.pathname.replace(/\/+$/, "");
}
