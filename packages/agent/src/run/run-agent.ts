/** The agent as a process: settings read and read again, status served, ended by a signal. */
import { StateDirectory } from "../files/state-directory.ts";
import type { AgentPorts } from "../ports.ts";
import { readSettings } from "../settings/parse-settings.ts";
import type { AgentSettings } from "../settings/settings.ts";
import type { Source } from "../values/source.ts";
import { Agent } from "./agent.ts";
import { statusError } from "./managed-file.ts";
import { AgentMetrics } from "./metrics.ts";
import type { AgentStatus, StatusError } from "./status.ts";
import { StatusServer } from "./status-server.ts";

export interface RunAgentOptions {
  /** agent.yaml. */
  readonly path: string;
  readonly ports: AgentPorts;
  readonly sourceOf: (settings: AgentSettings) => Source;
  readonly allowEmpty: boolean;
  readonly servesStatus: boolean;
  /** Instead of the settings' own. */
  readonly failOnMissing: boolean | undefined;
}

/** An agent for as long as it is wanted, over changes of its settings. */
export class RunningAgent {
  readonly #options: RunAgentOptions;
  readonly #metrics: AgentMetrics;
  #settings: AgentSettings;
  #agent: Agent;
  #server: StatusServer | undefined;
  #readAt: string;
  #error: StatusError | undefined;
  #reloading: Promise<void> = Promise.resolve();
  #stopped = false;

  private constructor(
    options: RunAgentOptions,
    settings: AgentSettings,
    metrics: AgentMetrics,
    agent: Agent,
  ) {
    this.#options = options;
    this.#settings = settings;
    this.#metrics = metrics;
    this.#agent = agent;
    this.#readAt = this.#now();
  }

  /** @throws AgentError `settings_invalid`, `state_unusable`, `status_unusable` */
  static async start(options: RunAgentOptions): Promise<RunningAgent> {
    const settings = await readSettings(options.path);
    const metrics = new AgentMetrics();
    const running = new RunningAgent(options, settings, metrics, await newAgent(options, settings, metrics));
    running.#server = await running.#serve(settings);
    await running.#agent.start();
    options.ports.log("info", "started", {
      path: options.path,
      files: settings.files.length,
      status: running.address,
    });
    return running;
  }

  /** Where status and metrics are, if they are served. */
  get address(): string | undefined {
    return this.#server?.address;
  }

  get agent(): Agent {
    return this.#agent;
  }

  status(): AgentStatus {
    const { path } = this.#options;
    return { ...this.#agent.status(), settings: { path, readAt: this.#readAt, error: this.#error } };
  }

  /** Reads the settings and templates anew. Settings that are not valid change nothing but the status, nor does it once it stops. */
  reload(): Promise<void> {
    if (this.#stopped) return this.#reloading;
    this.#reloading = this.#reloading.then(() => this.#reload());
    return this.#reloading;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#reloading;
    await this.#agent.stop();
    await this.#server?.close();
    this.#options.ports.log("info", "stopped", {});
  }

  async #reload(): Promise<void> {
    const { path, ports } = this.#options;
    try {
      const settings = await readSettings(path);
      const agent = await newAgent(this.#options, settings, this.#metrics);
      if (JSON.stringify(settings.status) !== JSON.stringify(this.#settings.status)) {
        await this.#serveInstead(settings);
      }
      await this.#agent.stop();
      this.#agent = agent;
      this.#settings = settings;
      await agent.start();
      this.#readAt = this.#now();
      this.#error = undefined;
      this.#metrics.settingsRead("ok");
      ports.log("info", "settings_read", { path, files: settings.files.length });
    } catch (error) {
      this.#error = statusError(error, this.#error, this.#now());
      this.#metrics.settingsRead("failed");
      ports.log("error", this.#error.code, { path, message: this.#error.message });
    }
  }

  /** A port can be had on another address only when it is free on this one. */
  async #serveInstead(settings: AgentSettings): Promise<void> {
    const before = this.#server;
    const isSamePort = before?.port === settings.status?.port;
    if (isSamePort) {
      await before?.close();
      this.#server = undefined;
    }
    try {
      this.#server = await this.#serve(settings);
    } catch (error) {
      if (isSamePort) this.#server = await this.#serve(this.#settings);
      throw error;
    }
    if (!isSamePort) await before?.close();
  }

  async #serve({ status }: AgentSettings): Promise<StatusServer | undefined> {
    if (status === undefined || !this.#options.servesStatus) return undefined;
    return await StatusServer.start(status, {
      status: () => this.status(),
      metrics: () => this.#metrics.text(this.status()),
    });
  }

  #now(): string {
    return new Date(this.#options.ports.wallMs()).toISOString();
  }
}

async function newAgent(
  options: RunAgentOptions,
  settings: AgentSettings,
  metrics: AgentMetrics,
): Promise<Agent> {
  const { ports, allowEmpty, failOnMissing = settings.failOnMissing } = options;
  const state = await StateDirectory.open(settings.state);
  const source = options.sourceOf(settings);
  return new Agent({ settings, source, state, ports, metrics, allowEmpty, failOnMissing });
}
