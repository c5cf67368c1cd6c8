import type { ConvergenceReport } from "@hearsay/api";
import type { Client, WatchConnection, WatchEvent, WatchOptions } from "@hearsay/client";
import { expect, it } from "vitest";
import { ManualPorts } from "../ports.contract.ts";
import { ClientSource } from "./client-source.ts";
import type { SourceEvent } from "./source.ts";

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const A = "http://a:1";
const B = "http://b:1";

/** Clients that connect to their first endpoint, and tell what the test says. */
function following(endpoints: readonly string[]) {
  const ports = new ManualPorts();
  const [events, asked]: [SourceEvent[], string[]] = [[], []];
  const watches: { endpoints: readonly string[]; since: string | undefined }[] = [];
  let tell: (event: WatchEvent) => void = () => undefined;
  let lose: (connection: WatchConnection) => void = () => undefined;
  async function* watch({ signal, since, onConnection }: WatchOptions, of: readonly string[]) {
    watches.push({ endpoints: of, since });
    lose = (connection) => onConnection?.(connection);
    onConnection?.({ state: "connected", endpoint: of[0] ?? "" });
    for (;;) {
      yield await new Promise<WatchEvent>((resolve, reject) => {
        tell = resolve;
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
    }
  }
  const convergence = async (endpoint: string): Promise<ConvergenceReport> => {
    asked.push(endpoint);
    return { verdict: "converged", watermark: null, watermarkAgeMs: null, heldBackBy: [], newsAgeMs: 0 };
  };
  const source = new ClientSource({
    endpoints,
    ports,
    clientOf: (some) =>
      ({
        watch: (options: WatchOptions) => watch(options, some),
        cluster: { convergence: () => convergence(some.join()) },
      }) as unknown as Client,
  });
  const end = new AbortController();
  const ended = source.follow("p/", (event) => events.push(event), end.signal).catch(() => undefined);
  return {
    source,
    ports,
    events,
    watches,
    asked,
    tell: async (event: WatchEvent) => {
      await settled();
      tell(event);
      await settled();
    },
    lose: () => lose({ state: "lost", fault: undefined }),
    stop: async () => {
      end.abort(new Error("stopped"));
      await ended;
    },
  };
}

const PUT: WatchEvent = {
  kind: "put",
  key: "p/k",
  version: "1",
  value: new Uint8Array(0),
  contentType: "text/plain",
  expiresAt: undefined,
  conflicts: 0,
  cursor: "",
};

it("leaves a node that has not told all in time for the next one, which has twice as long, and says so", async () => {
  const { ports, events, watches, tell, stop } = following([A, B]);
  await tell(PUT);
  ports.pass(9_999);
  expect(watches).toEqual([{ endpoints: [A, B], since: "" }]);
  ports.pass(1);
  await settled();
  expect(watches).toEqual([
    { endpoints: [A, B], since: "" },
    { endpoints: [B, A], since: "" },
  ]);
  const reason = `${A} has not told the whole prefix for 10 s`;
  expect(events.map((event) => (event.kind === "down" ? event.reason : event.kind))).toEqual([
    "reset",
    "put",
    reason,
    "reset",
  ]);
  ports.pass(20_000);
  await settled();
  expect(watches.at(-1)).toEqual({ endpoints: [A, B], since: "" });
  await tell({ kind: "synced", cursor: "c1" });
  ports.pass(1_000_000);
  await settled();
  expect(watches).toHaveLength(3);
  await stop();
});

it("stays where there is nowhere else, and says so", async () => {
  const { ports, events, watches, stop } = following([A]);
  ports.pass(1_000_000);
  await settled();
  expect(watches).toHaveLength(1);
  expect(events.map(({ kind }) => kind)).toEqual(["reset", "down"]);
  await stop();
});

it("asks the node that it follows what that reaches, and none while it follows none", async () => {
  const { source, asked, ports, lose, stop } = following([A, B]);
  ports.pass(10_000);
  await settled();
  const { signal } = new AbortController();
  expect(await source.reach(signal)).toBeUndefined();
  expect(asked).toEqual([B]);
  lose();
  await expect(source.reach(signal)).rejects.toThrow("no node is followed");
  await stop();
});
