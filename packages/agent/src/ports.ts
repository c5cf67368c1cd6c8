/** Time, chance and where messages go, handed in. */
export interface AgentPorts {
  /** A clock that does not go back, in milliseconds. */
  nowMs(): number;
  /** Milliseconds since the epoch. */
  wallMs(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Calls back once after so many milliseconds; the returned function cancels it. */
  after(ms: number, callback: () => void): () => void;
  readonly log: AgentLog;
}

/** One event a line; facts are flat. */
export type AgentLog = (
  level: "info" | "warn" | "error",
  event: string,
  facts: Readonly<Record<string, unknown>>,
) => void;

/** Those of the process. */
export function processPorts(log: AgentLog): AgentPorts {
  return {
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    random: () => Math.random(),
    after: (ms, callback) => {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
    log,
  };
}
