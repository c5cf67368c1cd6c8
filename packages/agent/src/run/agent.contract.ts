import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { StateDirectory } from "../files/state-directory.ts";
import { ManualPorts } from "../ports.contract.ts";
import { parseSettings } from "../settings/parse-settings.ts";
import { FakeSource } from "../values/source.contract.ts";
import { Agent } from "./agent.ts";
import { AgentMetrics } from "./metrics.ts";

export interface Started {
  readonly agent: Agent;
  readonly source: FakeSource;
  readonly ports: ManualPorts;
  readonly state: StateDirectory;
}

export interface AgentDirectory {
  at(name: string): string;
  textOf(name: string): string;
  /** @param files YAML of the list's entries; paths are in the directory */
  startAgent(files: string, flags?: { allowEmpty?: boolean; failOnMissing?: boolean }): Promise<Started>;
}

/** A directory for each test of the file that calls this; its agents are stopped, and it is removed, when the test has ended. */
export function agentDirectory(): AgentDirectory {
  let directory = "";
  let running: Agent[] = [];
  const at = (name: string): string => join(directory, name);

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "hearsay-test-"));
    running = [];
  });

  afterEach(async () => {
    for (const agent of running) await agent.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  return {
    at,
    textOf: (name) => readFileSync(at(name), "utf8"),
    startAgent: async (files, { allowEmpty = false, failOnMissing = false } = {}) => {
      const settings = parseSettings(`state: state\nfiles:\n${files}`, at("agent.yaml"));
      const [source, ports] = [new FakeSource(), new ManualPorts()];
      const state = await StateDirectory.open(settings.state);
      const metrics = new AgentMetrics();
      const agent = new Agent({ settings, source, ports, state, metrics, allowEmpty, failOnMissing });
      running.push(agent);
      await agent.start();
      return { agent, source, ports, state };
    },
  };
}
