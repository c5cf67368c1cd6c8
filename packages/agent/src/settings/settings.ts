/** What agent.yaml says, checked and with its defaults. */
import type { CommandLine } from "../commands/run-command.ts";
import type { Timing } from "../run/schedule.ts";

export interface AgentSettings {
  /** Undefined: what the caller falls back on. */
  readonly endpoints: readonly string[] | undefined;
  /** A directory. */
  readonly state: string;
  /** Where status and metrics are served; undefined: nowhere. */
  readonly status: { readonly host: string; readonly port: number } | undefined;
  /** How long a start waits for a node before it uses the last good copies. */
  readonly startWaitMs: number;
  readonly failOnMissing: boolean;
  /** Not ready while the node that is followed is cut off from most of the others. */
  readonly failWhenCutOff: boolean;
  readonly files: readonly FileSettings[];
}

export interface FileSettings {
  readonly path: string;
  readonly content:
    | { readonly kind: "key"; readonly key: string }
    | { readonly kind: "template"; readonly path: string };
  readonly prefixes: readonly string[];
  readonly mode: number | undefined;
  readonly owner: string | undefined;
  readonly check: CommandSettings | undefined;
  readonly reload: CommandSettings | undefined;
  readonly backup: boolean;
  readonly timing: Timing;
  readonly maxShrinkPercent: number;
}

export interface CommandSettings {
  readonly command: CommandLine;
  readonly timeoutMs: number;
}

export const DEFAULTS = {
  state: "hearsay-agent",
  startWaitMs: 5_000,
  debounceMinMs: 50,
  debounceMaxMs: 2_000,
  splayMs: 0,
  retryBaseMs: 250,
  retryCapMs: 30_000,
  maxShrinkPercent: 50,
  checkTimeoutMs: 10_000,
  reloadTimeoutMs: 30_000,
  backup: true,
} as const;

/** More files than this are a mistake. */
export const MAX_FILES = 1_000;
export const MAX_PREFIXES = 100;
