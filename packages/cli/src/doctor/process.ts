/** Checks of the process and the machine around it. */
import { createServer } from "node:net";
import type { Finding } from "./finding.ts";

const NODE_MINIMUM = [20, 19] as const;
const NODE_RECOMMENDED_MAJOR = 24;

/** @param version as in `process.versions.node` */
export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const detail = `Node ${version}`;
  if (major < NODE_MINIMUM[0] || (major === NODE_MINIMUM[0] && minor < NODE_MINIMUM[1])) {
    return {
      check: "node",
      status: "bad",
      detail,
      next: `Install Node ${NODE_MINIMUM.join(".")} or newer; ${NODE_RECOMMENDED_MAJOR} is recommended.`,
    };
  }
  return { check: "node", status: "ok", detail };
}

/** LevelDB holds up to about a thousand files open, and each client takes a descriptor. */
const OPEN_FILES_MINIMUM = 1024;
const OPEN_FILES_RECOMMENDED = 8192;

/** @param soft the limit of open files; undefined where the system does not tell, Infinity for unlimited */
export function checkOpenFiles(soft: number | undefined): Finding {
  const check = "open files";
  if (soft === undefined)
    return { check, status: "ok", detail: "this system sets no limit that can be read" };
  const detail = soft === Number.POSITIVE_INFINITY ? "unlimited" : `at most ${soft}`;
  if (soft >= OPEN_FILES_RECOMMENDED) return { check, status: "ok", detail };
  return {
    check,
    status: soft < OPEN_FILES_MINIMUM ? "bad" : "warn",
    detail,
    next: `Raise the limit before starting the node: ulimit -n 65536, or LimitNOFILE= in the service unit.`,
  };
}

/** The soft limit of open files of this process. */
export function openFilesLimit(): number | undefined {
  const report: unknown = process.report?.getReport();
  const limits = field(report, "userLimits");
  const soft = field(field(limits, "open_files"), "soft");
  if (soft === "unlimited") return Number.POSITIVE_INFINITY;
  const value = Number(soft ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return Object.entries(value).find(([key]) => key === name)?.[1];
}

const CLOCK_EARLIEST_MS = Date.UTC(2025, 0, 1);
const CLOCK_LATEST_MS = Date.UTC(2109, 0, 1);

export interface ClockReading {
  readonly endpoint: string;
  /** The other clock, milliseconds since the epoch. */
  readonly theirsMs: number;
  /** This clock, in the middle of the request. */
  readonly oursMs: number;
  /** How far off the reading itself may be. */
  readonly errorMs: number;
}

/** @param maxDriftMs what nodes accept from one another */
export function checkClock(nowMs: number, other: ClockReading | undefined, maxDriftMs: number): Finding {
  const check = "clock";
  const next = "Set the clock and keep it set: timedatectl set-ntp true, or another NTP client.";
  const now = new Date(nowMs).toISOString();
  if (nowMs < CLOCK_EARLIEST_MS || nowMs > CLOCK_LATEST_MS) {
    return { check, status: "bad", detail: `${now} cannot be right`, next };
  }
  if (other === undefined) return { check, status: "ok", detail: `${now}, with nothing to compare it to` };
  const driftMs = Math.max(0, Math.abs(other.theirsMs - other.oursMs) - other.errorMs);
  const detail = `${now}, ${driftMs === 0 ? "agrees with" : `${driftMs} ms off`} ${other.endpoint}`;
  if (driftMs === 0) return { check, status: "ok", detail };
  return { check, status: driftMs > maxDriftMs ? "bad" : "warn", detail, next };
}

/** Tries to listen, and stops at once. */
export function checkPort(host: string, port: number): Promise<Finding> {
  const check = "port";
  const where = `${host}:${port}`;
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      resolve({
        check,
        status: "bad",
        detail: `${where} cannot be listened on: ${error.code ?? error.message}`,
        next:
          error.code === "EADDRINUSE"
            ? "Stop the program that has it, or take another port with --listen."
            : "Take an address of this machine and a port above 1023 with --listen.",
      });
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.close(() => resolve({ check, status: "ok", detail: `${where} is free` }));
    });
  });
}
