/** The agent's metrics, in the text format of Prometheus. What the status says is read when it is asked for. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { AgentStatus } from "./status.ts";

const DURATION_BUCKETS_SECONDS = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class AgentMetrics {
  readonly #registry: Registry = new Registry();
  readonly #made: Counter<"result">;
  readonly #seconds: Histogram;
  readonly #changes: Counter;
  readonly #reads: Counter<"result">;
  readonly #status: Record<"ready" | "stale" | "cutOff" | "failed" | "keys" | "synced", Gauge>;

  constructor() {
    const registers = [this.#registry];
    const gauge = (name: string, help: string): Gauge => new Gauge({ name, help, registers });
    this.#made = new Counter({
      name: "hearsay_agent_runs_total",
      help: "Runs of files, by result",
      labelNames: ["result"],
      registers,
    });
    this.#seconds = new Histogram({
      name: "hearsay_agent_run_duration_seconds",
      help: "From rendering to the end of the reload",
      buckets: DURATION_BUCKETS_SECONDS,
      registers,
    });
    this.#changes = new Counter({
      name: "hearsay_agent_changes_total",
      help: "Changes of values that were taken in",
      registers,
    });
    this.#reads = new Counter({
      name: "hearsay_agent_settings_reads_total",
      help: "Readings of the settings, by result",
      labelNames: ["result"],
      registers,
    });
    this.#status = {
      ready: gauge("hearsay_agent_ready", "1 when every file is as its values say"),
      stale: gauge("hearsay_agent_stale", "1 when some values are not a node's present ones"),
      cutOff: gauge(
        "hearsay_agent_node_cut_off",
        "1 when the node that is followed does not reach most of the others",
      ),
      failed: gauge("hearsay_agent_failing_files", "Files whose last run failed"),
      keys: gauge("hearsay_agent_keys", "Keys held, of all prefixes"),
      synced: gauge("hearsay_agent_unsynced_prefixes", "Prefixes whose values are not a node's present ones"),
    };
  }

  made(result: "installed" | "unchanged" | "failed", durationMs: number): void {
    this.#made.inc({ result });
    this.#seconds.observe(durationMs / 1000);
  }

  changed(): void {
    this.#changes.inc();
  }

  settingsRead(result: "ok" | "failed"): void {
    this.#reads.inc({ result });
  }

  async text(status: AgentStatus): Promise<string> {
    const { ready, stale, cutOff, failed, keys, synced } = this.#status;
    ready.set(status.ready ? 1 : 0);
    stale.set(status.stale ? 1 : 0);
    cutOff.set(status.cutOff === undefined ? 0 : 1);
    failed.set(status.files.filter(({ error }) => error !== undefined).length);
    keys.set(status.prefixes.reduce((sum, prefix) => sum + prefix.keys, 0));
    synced.set(status.prefixes.filter(({ state }) => state !== "synced").length);
    return await this.#registry.metrics();
  }
}
