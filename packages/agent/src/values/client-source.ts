/** Values from a cluster, by the client's watch. */
import type { Client, WatchConnection, WatchEvent } from "@hearsay/client";
import { type Reach, reachOf } from "./cut-off.ts";
import type { Source, SourceEvent } from "./source.ts";

export class ClientSource implements Source {
  readonly #client: Pick<Client, "watch" | "cluster">;

  constructor(client: Pick<Client, "watch" | "cluster">) {
    this.#client = client;
  }

  async reach(signal: AbortSignal): Promise<Reach | undefined> {
    return reachOf(await this.#client.cluster.convergence({ signal }));
  }

  async follow(prefix: string, onEvent: (event: SourceEvent) => void, signal: AbortSignal): Promise<void> {
    // A backlog that breaks off without a cursor is sent again from nothing, and what went meanwhile is not named.
    let cursor = "";
    const onConnection = (connection: WatchConnection): void => {
      if (connection.state === "lost") onEvent({ kind: "down", reason: reasonOfLoss(connection) });
      else if (cursor === "") onEvent({ kind: "reset" });
    };
    for await (const event of this.#client.watch({ prefix, signal, keepTrying: true, onConnection })) {
      cursor = event.cursor;
      onEvent(eventOf(event));
    }
  }
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
