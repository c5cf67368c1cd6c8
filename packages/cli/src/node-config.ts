import {
  ConfigError,
  type ConfigSources,
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
    return loadConfig({ ...fromFlags(flags), environment: env, file: flags.config ?? env["HEARSAY_CONFIG"] });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new CliError(`the configuration is not valid:\n  ${error.faults.join("\n  ")}`, {
      code: "bad_config",
      exit: EXIT.usage,
      next: "Correct what is named; hearsay config show --origin shows where each setting comes from.",
    });
  }
}

function fromFlags(flags: NodeFlags): Required<Pick<ConfigSources, "flags" | "ownFlags">> {
  const texts: Partial<Record<KnobName, string>> = {};
  for (const assignment of flags.set ?? []) {
    const equals = assignment.indexOf("=");
    const name = assignment.slice(0, equals);
    if (equals === -1 || !isKnobName(name)) throw unknownKnob(assignment, equals === -1 ? assignment : name);
    texts[name] = assignment.slice(equals + 1);
  }
  const own: Partial<Record<KnobName, readonly [flag: string, text: string | undefined]>> = {
    name: ["--name", flags.name],
    data: ["--data", flags.data],
    listen: ["--listen", flags.listen],
    advertise: ["--advertise", flags.advertise],
    join: ["--join", flags.join?.join(",")],
    cluster: ["--cluster", flags.cluster],
    insecure: ["--insecure", flags.insecure === undefined ? undefined : String(flags.insecure)],
    "log.level": ["--log-level", flags.logLevel],
  };
  const ownFlags: Partial<Record<KnobName, string>> = {};
  for (const name of KNOB_NAMES) {
    const [flag, text] = own[name] ?? [];
    if (flag === undefined || text === undefined) continue;
    if (texts[name] !== undefined) {
      throw new CliError(`${name} is given twice, by ${flag} and by --set`, {
        code: "usage",
        exit: EXIT.usage,
      });
    }
    texts[name] = text;
    ownFlags[name] = flag;
  }
  return { flags: texts, ownFlags };
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
