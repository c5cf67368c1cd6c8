/**
 * Values from a cluster, by the client's watch.
 *
 * A node that does not know whether it is whole sends what it holds and no `synced`, for as long as that takes; another one
 * may be whole all the while. So a node that has not told all within a bound is left for the next endpoint. The bound
 * doubles each time, so that a large prefix on a slow line is told in the end.
 */
import { type Client, onAbort, parseEndpoint, type WatchConnection, type WatchEvent } from "@hearsay/client";
import type { AgentPorts } from "../ports.ts";
import { type Reach, reachOf } from "./cut-off.ts";
import type { Source, SourceEvent } from "./source.ts";

export interface ClientSourceOptions {
  readonly endpoints: readonly string[];
  /** A client of these, which it tries in this order. */
  readonly clientOf: (endpoints: readonly string[]) => Pick<Client, "watch" | "cluster">;
  readonly ports: Pick<AgentPorts, "after">;
}

/** How long a node has at first to tell a whole prefix, and at most. */
const WHOLE_MS = { first: 10_000, most: 320_000 } as const;

export class ClientSource implements Source {
  readonly #options: ClientSourceOptions;
  /** The node that tells of each prefix, while its stream stands. */
  readonly #followed: Map<string, string> = new Map();

  constructor(options: ClientSourceOptions) {
    this.#options = { ...options, endpoints: options.endpoints.map(parseEndpoint) };
  }

  async reach(signal: AbortSignal): Promise<Reach | undefined> {
    const nodes = [...new Set(this.#followed.values())];
    if (nodes.length === 0) throw new Error("no node is followed");
    const reports = nodes.map(async (node) => {
      return reachOf(await this.#options.clientOf([node]).cluster.convergence({ signal }));
    });
    const cut = (await Promise.all(reports)).filter((reach) => reach !== undefined);
    return cut.sort((a, b) => a.reachable * b.members - b.reachable * a.members)[0];
  }

  async follow(prefix: string, onEvent: (event: SourceEvent) => void, signal: AbortSignal): Promise<void> {
    let { endpoints } = this.#options;
    let wholeMs: number = WHOLE_MS.first;
    // A backlog that breaks off without a cursor is sent again from nothing, and what went meanwhile is not named.
    let cursor = "";
    let cancel: () => void = () => undefined;
    while (!signal.aborted) {
      const turn = new AbortController();
      const leave = onAbort(signal, () => turn.abort(signal.reason));
      const onConnection = (connection: WatchConnection): void => {
        cancel();
        if (connection.state === "lost") {
          this.#followed.delete(prefix);
          onEvent({ kind: "down", reason: reasonOfLoss(connection) });
          return;
        }
        const { endpoint } = connection;
        this.#followed.set(prefix, endpoint);
        if (cursor === "") onEvent({ kind: "reset" });
        cancel = this.#options.ports.after(wholeMs, () => {
          onEvent({
            kind: "down",
            reason: `${endpoint} has not told the whole prefix for ${wholeMs / 1_000} s`,
          });
          wholeMs = Math.min(2 * wholeMs, WHOLE_MS.most);
          if (endpoints.length === 1) return;
          endpoints = behind(endpoint, endpoints);
          turn.abort();
        });
      };
      const client = this.#options.clientOf(endpoints);
      try {
        for await (const event of client.watch({
          prefix,
          since: cursor,
          signal: turn.signal,
          keepTrying: true,
          onConnection,
        })) {
          cursor = event.cursor;
          if (event.kind === "synced") {
            cancel();
            wholeMs = WHOLE_MS.first;
          }
          onEvent(eventOf(event));
        }
      } catch (error) {
        if (signal.aborted || !turn.signal.aborted) throw error;
      } finally {
        leave();
        cancel();
        this.#followed.delete(prefix);
      }
    }
  }
}

/** The endpoints from the one behind this on. */
function behind(endpoint: string, endpoints: readonly string[]): readonly string[] {
  const next = endpoints.indexOf(endpoint) + 1;
  return [...endpoints.slice(next), ...endpoints.slice(0, next)];
}

function eventOf(event: WatchEvent): SourceEvent {
  switch (event.kind) {
    case "put":
      return { kind: "put", key: event.key, version: event.version, value: event.value };
    case "delete":
      return { kind: "delete", key: event.key, version: event.version };
    case "synced":
    case "reset":
      return { kind: event.kind };
  }
}

function reasonOfLoss({ fault }: Extract<WatchConnection, { readonly state: "lost" }>): string {
  if (fault === undefined) return "the stream ended";
  switch (fault.code) {
    case "problem":
      return `${fault.endpoint}: ${fault.problem.detail ?? fault.problem.title}`;
    case "unreachable":
    case "bad_answer":
      return `${fault.endpoint}: ${fault.reason}`;
    case "timed_out":
      return `${fault.endpoint} was silent for ${fault.afterMs} ms`;
    case "bad_header":
      return fault.reason;
    case "bad_key":
    case "no_such_sibling":
      return fault.code;
  }
}
