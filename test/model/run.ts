/** One run: a seed's scripted beginning, its random part, then a healed cluster that must agree. */
import { type Action, perform } from "./actions.ts";
import { checkEnd, Violation } from "./checks.ts";
import { Dice, nextAction, PROFILES, type Profile } from "./generator.ts";
import type { RuleName } from "./rules.ts";
import type { Scenario } from "./scenario-steps.ts";
import { SCENARIOS } from "./scenarios.ts";
import {
  type Count,
  emptyDisk,
  FOUNDERS,
  type Host,
  mint,
  newHost,
  type Settings,
  tick,
  type World,
} from "./state.ts";
import { Truth } from "./truth.ts";

const MAX_DRIFT_MS = 10;
const START_MS = 1000;
const HEALING_ROUNDS = 10;

export interface Plan {
  readonly seed: number;
  readonly profile: Profile;
  /** Half of the seeds begin with a scenario. */
  readonly scenario: Scenario | undefined;
}

export function planOf(seed: number): Plan {
  const profile = PROFILES[seed % PROFILES.length];
  if (profile === undefined) throw new Error(`no profile for seed ${seed}`);
  const turn = Math.floor(seed / 2);
  return { seed, profile, scenario: seed % 2 === 0 ? undefined : SCENARIOS[turn % SCENARIOS.length] };
}

export interface Outcome {
  readonly violation: Violation | undefined;
  /** Everything that happened, for replaying and shortening. */
  readonly actions: readonly Action[];
  readonly trace: readonly string[];
  readonly counts: Readonly<Record<Count, number>>;
}

export interface RunOptions {
  readonly removed: RuleName | undefined;
  readonly steps: number;
}

export function run(plan: Plan, options: RunOptions): Outcome {
  const dice = new Dice(plan.seed);
  const world = newWorld(settingsOf(plan, options.removed), options.removed);
  const actions: Action[] = [];
  const act = (action: Action): void => {
    actions.push(action);
    perform(world, action);
  };
  const violation = violationOf(() => {
    for (const action of plan.scenario?.actions ?? []) act(action);
    for (let step = 0; step < options.steps; step++) {
      const action = nextAction(world, dice, plan.profile.weights);
      if (action !== undefined) act(action);
    }
    heal(world);
  });
  return { violation, actions, trace: world.trace, counts: world.counts };
}

/** The same world under a list of actions. */
export function replay(plan: Plan, removed: RuleName | undefined, actions: readonly Action[]): Outcome {
  const world = newWorld(settingsOf(plan, removed), removed);
  const violation = violationOf(() => {
    for (const action of actions) perform(world, action);
    heal(world);
  });
  return { violation, actions, trace: world.trace, counts: world.counts };
}

function settingsOf(plan: Plan, removed: RuleName | undefined): Settings {
  const retentionMs = plan.scenario?.retentionMs ?? plan.profile.retentionMs;
  return { retentionMs: removed === "retention-above-drift" ? 1 : retentionMs, maxDriftMs: MAX_DRIFT_MS };
}

function violationOf(body: () => void): Violation | undefined {
  try {
    body();
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error;
    throw error;
  }
}

/** Three founders that know each other and have nothing. */
function newWorld(settings: Settings, removed: RuleName | undefined): World {
  const world: World = {
    settings,
    removed,
    truth: new Truth(),
    hosts: new Map(),
    clients: new Map(),
    nowMs: START_MS,
    serial: 0,
    network: [],
    delayed: [],
    severed: new Set(),
    trace: [],
    counts: { exchanges: 0, watermarks: 0, purges: 0, ghosts: 0, drops: 0, alarms: 0, doubts: 0, cuts: 0 },
  };
  for (const name of FOUNDERS) {
    const host = newHost(world, name, emptyDisk(mint(world, name)));
    host.disk.ready = true;
    host.wellRecorded = true;
    host.disk.complete = true;
    world.hosts.set(name, host);
  }
  const hosts = [...world.hosts.values()];
  for (const host of hosts) for (const other of hosts) host.disk.table.set(other.disk.id, "counted");
  for (const host of hosts) host.disk.settled = tick(world, host);
  return world;
}

/** Faults end, clocks agree, everyone talks; then it is as it must be, and stays so while everything ages. */
function heal(world: World): void {
  world.trace.push(`${world.nowMs} all faults end`);
  perform(world, { do: "mend" });
  perform(world, { do: "release" });
  world.nowMs += 3 * MAX_DRIFT_MS;
  for (const host of world.hosts.values()) {
    host.skewMs = 0;
    host.leaving = undefined;
    host.ignored.clear();
    if (isDown(host)) perform(world, { do: "start", at: host.name });
  }
  perform(world, { do: "settle", rounds: HEALING_ROUNDS });
  checkEnd(world);
  world.nowMs += 2 * world.settings.retentionMs;
  perform(world, { do: "settle", rounds: 3 });
  checkEnd(world);
}

function isDown(host: Host): boolean {
  return !host.up && !host.over;
}
