/**
 * Several nodes in one process: `host.js DIRECTORY FIRST COUNT SEED [KNOB=VALUE...]`. Prints their addresses, one a line;
 * later, for each line it reads, what it is asked for: the bytes that all sockets of the process have `written`, or for how
 * many percent of the time since the last such line it was `stalled`.
 */
import { subscribe } from "node:diagnostics_channel";
import { Socket } from "node:net";
import { join } from "node:path";
import { isKnobName, type KnobName, loadConfig, type RunningServer, startServer } from "@hearsay/server";
import { watchStalls } from "./stalls.ts";

const [directory = "", first = "1", count = "1", seed = "", ...knobs] = process.argv.slice(2);
const given: Partial<Record<KnobName, string>> = {};
for (const knob of knobs) {
  const equals = knob.indexOf("=");
  const name = knob.slice(0, equals);
  if (isKnobName(name)) given[name] = knob.slice(equals + 1);
}

/** Bytes of sockets that are closed, and those that are open. */
let closedBytes = 0;
const open = new Set<Socket>();
for (const channel of ["net.client.socket", "net.server.socket"]) {
  subscribe(channel, (message) => {
    const socket =
      typeof message === "object" && message !== null && "socket" in message ? message.socket : null;
    if (!(socket instanceof Socket)) return;
    open.add(socket);
    socket.once("close", () => {
      open.delete(socket);
      closedBytes += socket.bytesWritten;
    });
  });
}

/** From when it is first asked: to wake up so often is as much as an idle node costs. */
let stalledPercent: (() => number) | undefined;
const servers: RunningServer[] = [];
for (let i = Number(first); i < Number(first) + Number(count); i++) {
  const flags: Partial<Record<KnobName, string>> = {
    name: `n${i}`,
    data: join(directory, `n${i}`),
    listen: `127.0.3.${i}:0`,
    join: seed,
    "log.level": "warn",
    "store.cacheMaxBytes": "4MiB",
    "store.blockCacheBytes": "1MiB",
    "store.writeBufferBytes": "1MiB",
    ...given,
  };
  const server = await startServer(loadConfig({ flags, environment: {}, file: undefined }).settings);
  servers.push(server);
  process.stdout.write(`${server.address}\n`);
}
process.stdout.write("all\n");

// The benchmark's end closes this process's input, however it came about.
process.stdin.on("data", (line: Buffer) => {
  if (line.toString() === "stalled\n") {
    stalledPercent ??= watchStalls();
    process.stdout.write(`stalled ${stalledPercent()}\n`);
    return;
  }
  let bytes = closedBytes;
  for (const socket of open) bytes += socket.bytesWritten;
  process.stdout.write(`written ${bytes}\n`);
});
process.stdin.on("end", stop);
process.on("SIGTERM", stop);

function stop(): void {
  Promise.all(servers.map((server) => server.close())).then(
    () => process.exit(0),
    () => process.exit(1),
  );
}
