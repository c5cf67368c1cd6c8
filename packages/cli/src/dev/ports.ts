/**
 * Ports of this machine for nodes. Nodes know each other by their addresses, so those of a data directory stay the
 * same: they are recorded beside the data.
 */
import { readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { CliError, EXIT } from "../failure.ts";

const HOST = "127.0.0.1";
const RECORD = "ports.json";
const PORT_MAX = 65_535;

export interface PortWish {
  /** Of the first node; the others follow. 0: whichever are free. Undefined: those recorded, or the default. */
  readonly first: number | undefined;
  readonly fallback: number;
  readonly count: number;
  /** The ports of earlier runs on the same data. */
  readonly recorded: readonly number[];
}

/** @throws CliError when one of the ports is taken, or they are not those of earlier runs */
export async function choosePorts({ first, fallback, count, recorded }: PortWish): Promise<number[]> {
  if (first !== undefined && first !== 0 && recorded.length > 0 && recorded[0] !== first) {
    throw new CliError(`the nodes of this data know each other by the ports ${recorded.join(", ")}`, {
      code: "other_ports",
      exit: EXIT.usage,
      next: "Leave --port away, or name another directory with --data.",
    });
  }
  const start = first ?? fallback;
  const wanted = Array.from({ length: count }, (_, i) => recorded[i] ?? (start === 0 ? 0 : start + i));
  // Held together until all are known, so that no free one is found twice.
  const held = await Promise.all(wanted.map(hold));
  const found = held.map((server) => (server === undefined ? 0 : portOf(server)));
  await Promise.all(held.map((server) => (server === undefined ? undefined : release(server))));
  const taken = wanted.filter((_, i) => held[i] === undefined);
  if (taken.length > 0) throw portsTaken(taken);
  return found;
}

function portsTaken(taken: readonly number[]): CliError {
  const other = (taken[0] ?? 0) + 100;
  return new CliError(
    taken.length === 1 ? `port ${taken[0]} is taken` : `the ports ${taken.join(", ")} are taken`,
    {
      code: "port_taken",
      exit: EXIT.error,
      next: `If that is a cluster started here before, use it or stop it. Otherwise start one of its own on other ports:
  hearsay dev --port ${other}     or     npm start -- --port ${other}
--port 0 takes free ones.`,
    },
  );
}

/** Empty when the directory holds no cluster yet. @throws CliError when the record cannot be understood */
export async function recordedPorts(directory: string): Promise<number[]> {
  const path = join(directory, RECORD);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    // Whether a directory can be made of a path that has a file in it is seen when it is made.
    if (error instanceof Error && "code" in error && ["ENOENT", "ENOTDIR"].includes(String(error.code)))
      return [];
    throw error;
  }
  const ports = /^\[[\d, ]*\]\s*$/.test(text) ? text.match(/\d+/g)?.map(Number) : undefined;
  if (ports?.every((port) => port > 0 && port <= PORT_MAX)) return ports;
  throw new CliError(`${path} holds no list of ports`, {
    code: "bad_port_record",
    exit: EXIT.error,
    next: `Write the nodes' ports into it, for instance [7171, 7172, 7173], or remove ${directory} to start anew.`,
  });
}

/** Ports of nodes that are not started this time stay recorded. */
export async function recordPorts(
  directory: string,
  ports: readonly number[],
  recorded: readonly number[],
): Promise<void> {
  const all = [...ports, ...recorded.slice(ports.length)];
  await writeFile(join(directory, RECORD), `[${all.join(", ")}]\n`);
}

/** Undefined when somebody else listens there. */
function hold(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen(port, HOST, () => resolve(server));
  });
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function release(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
