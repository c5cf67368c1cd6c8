import {
  ConfigError,
  isKnobName,
  KNOB_NAMES,
  type KnobName,
  type LoadedConfig,
  loadConfig,
} from "@hearsay/server";
import { CliError, EXIT } from "./failure.ts";
import type { Io } from "./io.ts";
import type { NodeFlags } from "./node-flags.ts";

/** @throws CliError naming every fault with its place */
export function loadNodeConfig(flags: NodeFlags, env: Io["env"]): LoadedConfig {
  try {
    return loadConfig({
      flags: knobTexts(flags),
      environment: env,
      file: flags.config ?? env["HEARSAY_CONFIG"],
    });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CliError(`the configuration is not valid:\n  ${error.faults.join("\n  ")}`, {
      code: "bad_config",
      exit: EXIT.usage,
      next: "Correct what is named; hearsay config show --origin shows where each setting comes from.",
    });
  }
}

function knobTexts(flags: NodeFlags): Partial<Record<KnobName, string>> {
  const texts: Partial<Record<KnobName, string>> = {};
  for (const assignment of flags.set ?? []) {
    const equals = assignment.indexOf("=");
    const name = assignment.slice(0, equals);
    if (equals === -1 || !isKnobName(name)) throw unknownKnob(assignment, equals === -1 ? assignment : name);
    texts[name] = assignment.slice(equals + 1);
  }
  const own: Partial<Record<KnobName, string | undefined>> = {
    name: flags.name,
    data: flags.data,
    listen: flags.listen,
    advertise: flags.advertise,
    join: flags.join?.join(","),
    cluster: flags.cluster,
    insecure: flags.insecure === undefined ? undefined : String(flags.insecure),
    "log.level": flags.logLevel,
  };
  for (const name of KNOB_NAMES) {
    const text = own[name];
    if (text === undefined) continue;
    if (texts[name] !== undefined) {
      throw new CliError(`${name} is given twice, by a flag of its own and by --set`, {
        code: "usage",
        exit: EXIT.usage,
      });
    }
    texts[name] = text;
  }
  return texts;
}

function unknownKnob(assignment: string, name: string): CliError {
  const message = isKnobName(name)
    ? `--set ${assignment} has no value; write --set ${name}=VALUE`
    : `--set ${assignment}: there is no setting ${JSON.stringify(name)}`;
  return new CliError(message, {
    code: "usage",
    exit: EXIT.usage,
    next: "hearsay config show lists the settings.",
  });
}
