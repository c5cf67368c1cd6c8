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
  readonly value: string;
  /** A flag, a variable, a line of a file, or `default`. */
  readonly origin: string;
}

/** Every setting as `serve` would take it with the same flags. */
export function settingRows(flags: NodeFlags, io: Io): SettingRow[] {
  const loaded = loadNodeConfig(flags, io.env);
  return KNOB_NAMES.map((name) => ({
    name,
    value: formatSetting(loaded, name),
    origin: loaded.origins.get(name) ?? "default",
  }));
}

function formatSetting<Name extends KnobName>({ settings }: LoadedConfig, name: Name): string {
  const knob: Knob<Settings[Name]> = KNOBS[name];
  return knob.format(settings[name]);
}
