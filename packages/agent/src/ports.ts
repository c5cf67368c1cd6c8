/** Time, chance and where messages go, handed in. */
export interface AgentPorts {
  /** A clock that does not go back, in milliseconds. */
  nowMs(): number;
  /** Milliseconds since the epoch. */
  wallMs(): number;
  /** Uniform in [0, 1). */
  random(): number;
  /** Calls back once after so many milliseconds, or 24 days if that is less; the returned function cancels it. */
  after(ms: number, callback: () => void): () => void;
  readonly log: AgentLog;
}

/** One event a line; facts are flat. */
export type AgentLog = (
  level: "info" | "warn" | "error",
  event: string,
  facts: Readonly<Record<string, unknown>>,
) => void;

/** The longest that a timer takes; of more it makes 1 ms. */
export const TIMER_MAX_MS = 2_147_483_647;

/** Those of the process. */
export function processPorts(log: AgentLog): AgentPorts {
  return {
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    random: () => Math.random(),
    after: (ms, callback) => {
      const timer = setTimeout(callback, Math.min(ms, TIMER_MAX_MS));
      return () => clearTimeout(timer);
    },
    log,
  };
}
