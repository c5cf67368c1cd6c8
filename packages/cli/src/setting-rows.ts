import {
  KNOB_NAMES,
  KNOBS,
  type Knob,
  type KnobName,
  type LoadedConfig,
  type Settings,
} from "@hearsay/server";
import type { Io } from "./io.ts";
import { loadNodeConfig } from "./node-config.ts";
import type { NodeFlags } from "./node-flags.ts";

export interface SettingRow {
  readonly name: KnobName;
  /** For people, with units. */
  readonly value: string;
  /** For programs: milliseconds, bytes, counts, booleans, texts, lists, and a map as an object. A secret is null. */
  readonly raw: unknown;
  /** A flag, a variable, a line of a file, or `default`. */
  readonly origin: string;
}

/** Every setting as `serve` would take it with the same flags. */
export function settingRows(flags: NodeFlags, env: Io["env"]): SettingRow[] {
  const loaded = loadNodeConfig(flags, env);
  return KNOB_NAMES.map((name) => ({
    name,
    value: formatSetting(loaded, name),
    raw: rawSetting(loaded, name),
    origin: loaded.origins.get(name) ?? "default",
  }));
}

function formatSetting<Name extends KnobName>({ settings }: LoadedConfig, name: Name): string {
  const knob: Knob<Settings[Name]> = KNOBS[name];
  return knob.format(settings[name]);
}

function rawSetting({ settings }: LoadedConfig, name: KnobName): unknown {
  if (KNOBS[name].kind === "secret") return null;
  const value = settings[name];
  return value instanceof Map ? Object.fromEntries(value) : value;
}
