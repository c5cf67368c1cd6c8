export { type Knob, variableName } from "./config/knob.ts";
export { isKnobName, KNOB_NAMES, KNOBS, type KnobName, type Settings } from "./config/knobs.ts";
export {
  ConfigError,
  type ConfigSources,
  type LoadedConfig,
  loadConfig,
  type Origin,
} from "./config/load.ts";
export { createDirectory } from "./machine/create-directory.ts";
export { type OpenedStore, openStore } from "./open-store.ts";
export { type ResetReport, resetDirectory } from "./reset.ts";
export { type RunningServer, type StartOptions, startServer } from "./server.ts";
export { inspectSnapshot, passSnapshot, type SnapshotSummary } from "./snapshot/records.ts";
export { openingError, StartError, type StartFault } from "./start-error.ts";
