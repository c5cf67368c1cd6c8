/**
 * Settings from four sources: a flag goes before an environment variable, before the file, before the default.
 * Where each value came from is kept, so that a message can name the line to fix.
 */
import { readFileSync } from "node:fs";
import { readConfigFile } from "./file.ts";
import { type Knob, variableName } from "./knob.ts";
import { KNOB_NAMES, KNOBS, type KnobName, type Settings } from "./knobs.ts";
import { nearest } from "./nearest.ts";
import { contradictions } from "./relations.ts";

export interface ConfigSources {
  /** Texts by knob name, as the command line gave them. */
  readonly flags: Readonly<Partial<Record<KnobName, string>>>;
  /** What gave a text, where that was not `--set`. */
  readonly ownFlags?: Readonly<Partial<Record<KnobName, string>>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Path of a YAML file. */
  readonly file: string | undefined;
}

/** Where a value came from, as a person would look for it: `--listen`, `--set zone`, `HEARSAY_LISTEN`, `node.yaml:3`, `default`. */
export type Origin = string;

export interface LoadedConfig {
  readonly settings: Settings;
  readonly origins: ReadonlyMap<KnobName, Origin>;
}

/** One message a line: what is wrong, where, and what would be right. */
export class ConfigError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.name = "ConfigError";
    this.faults = faults;
  }
}

export interface GivenText {
  readonly text: string;
  readonly origin: Origin;
}

/** Environment variables that are the clients' and no knobs. */
const CLIENT_VARIABLES: ReadonlySet<string> = new Set(["HEARSAY_ENDPOINT", "HEARSAY_CONFIG"]);

/** @throws ConfigError naming every fault there is, not only the first */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const faults: string[] = [];
  const fromFile =
    sources.file === undefined ? new Map<KnobName, GivenText>() : readConfigFile(sources.file, faults);
  const fromEnvironment = readEnvironment(sources.environment, faults);
  const settings: MutableSettings = {};
  const origins = new Map<KnobName, Origin>();
  for (const name of KNOB_NAMES) {
    const flagText = sources.flags[name];
    const given: GivenText | undefined =
      flagText === undefined
        ? (fromEnvironment.get(name) ?? fromFile.get(name))
        : { text: flagText, origin: sources.ownFlags?.[name] ?? `--set ${name}` };
    origins.set(name, given?.origin ?? "default");
    const fault = set(settings, name, given);
    if (fault !== undefined) faults.push(fault);
  }
  if (!isComplete(settings)) throw new Error("a knob of the table was not read");
  for (const { knobs, message } of contradictions(settings)) {
    faults.push(`${knobs.map((name) => `${name} (${origins.get(name)})`).join(", ")}: ${message}`);
  }
  if (settings["test.hooks"] && sources.environment["NODE_ENV"] === "production") {
    faults.push(`test.hooks (${origins.get("test.hooks")}): refused in production (NODE_ENV=production)`);
  }
  if (faults.length > 0) throw new ConfigError(faults);
  return { settings, origins };
}

type MutableSettings = { -readonly [Name in KnobName]?: Settings[Name] };

function set<Name extends KnobName>(
  settings: MutableSettings,
  name: Name,
  given: GivenText | undefined,
): string | undefined {
  const knob: Knob<Settings[Name]> = KNOBS[name];
  const value = given === undefined ? knob.fallback : knob.parse(given.text);
  settings[name] = value ?? knob.fallback;
  if (value !== undefined) return undefined;
  const shown = knob.kind === "secret" ? "this" : JSON.stringify(given?.text);
  return `${given?.origin}: ${name} is ${knob.form}, not ${shown}`;
}

function isComplete(settings: Partial<Settings>): settings is Settings {
  return KNOB_NAMES.every((name) => settings[name] !== undefined);
}

function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  faults: string[],
): Map<KnobName, GivenText> {
  const known = new Map(KNOB_NAMES.map((name) => [variableName(name), name]));
  const given = new Map<KnobName, GivenText>();
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith("HEARSAY_") || text === undefined || CLIENT_VARIABLES.has(variable)) continue;
    const direct = known.get(variable);
    if (direct !== undefined) {
      if (given.has(direct)) faults.push(`${variable} and ${variable}_FILE are both set; unset one`);
      given.set(direct, { text, origin: variable });
      continue;
    }
    const secretName = variable.endsWith("_FILE") ? known.get(variable.slice(0, -"_FILE".length)) : undefined;
    if (secretName === undefined || KNOBS[secretName].kind !== "secret") {
      faults.push(`${variable}: there is no such setting${nearest(variable, known.keys())}`);
      continue;
    }
    if (given.has(secretName))
      faults.push(`${variable} and ${variable.slice(0, -5)} are both set; unset one`);
    try {
      given.set(secretName, { text: readFileSync(text, "utf8").trimEnd(), origin: `${variable} (${text})` });
    } catch (error) {
      faults.push(
        `${variable}: cannot read ${text}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  return given;
}
