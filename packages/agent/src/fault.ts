/** Why a file, a prefix or a command is not as it should be. Codes are stable; text is made here and nowhere else. */
export type AgentFault =
  | { readonly code: "settings_invalid"; readonly path: string; readonly faults: readonly string[] }
  | { readonly code: "state_unusable"; readonly path: string; readonly reason: string }
  | { readonly code: "status_unusable"; readonly listen: string; readonly reason: string }
  | { readonly code: "source_down"; readonly prefix: string; readonly reason: string }
  | { readonly code: "prefix_too_large"; readonly prefix: string; readonly bound: string }
  | { readonly code: "copy_damaged"; readonly path: string; readonly reason: string }
  | { readonly code: "template_unreadable"; readonly path: string; readonly reason: string }
  | { readonly code: "template_failed"; readonly path: string; readonly reason: string }
  | { readonly code: "missing_keys"; readonly keys: readonly string[] }
  | { readonly code: "rendered_too_large"; readonly bytes: number; readonly maxBytes: number }
  /** `bytes` of the file there is; undefined: there is none. */
  | { readonly code: "would_empty"; readonly path: string; readonly bytes: number | undefined }
  | {
      readonly code: "would_shrink";
      readonly path: string;
      readonly fromBytes: number;
      readonly toBytes: number;
      readonly maxShrinkPercent: number;
    }
  | {
      readonly code: "prefix_shrank";
      readonly prefix: string;
      readonly fromKeys: number;
      readonly toKeys: number;
      readonly maxShrinkPercent: number;
    }
  | { readonly code: "file_unusable"; readonly path: string; readonly reason: string }
  | { readonly code: "staged_changed"; readonly path: string }
  | { readonly code: "owner_unknown"; readonly owner: string }
  | {
      readonly code: "command_failed";
      readonly command: string;
      readonly end: string;
      readonly output: string;
    }
  | { readonly code: "command_not_started"; readonly command: string; readonly reason: string }
  | {
      readonly code: "command_timed_out";
      readonly command: string;
      readonly afterMs: number;
      readonly output: string;
    }
  | { readonly code: "environment_invalid"; readonly faults: readonly string[] }
  | { readonly code: "directory_invalid"; readonly path: string; readonly faults: readonly string[] }
  | {
      readonly code: "mass_deletion";
      readonly deletes: number;
      readonly keys: number;
      readonly maxDeletePercent: number;
    }
  | {
      readonly code: "apply_incomplete";
      readonly written: number;
      readonly keys: number;
      readonly reason: string;
    }
  | { readonly code: "apply_conflict"; readonly keys: readonly string[]; readonly written: number }
  | { readonly code: "concurrent_values"; readonly keys: readonly string[] }
  | { readonly code: "not_everywhere"; readonly lacking: readonly string[] };

const NEXT: { readonly [Code in AgentFault["code"]]: string } = {
  settings_invalid: "Correct what is named; docs/agent.md has every setting.",
  state_unusable: "Set state to a directory this user may write to.",
  status_unusable: "Set status to a free port of this machine.",
  source_down: "Check that a node runs and that endpoints names it; the agent keeps trying.",
  prefix_too_large: "Use narrower prefixes.",
  copy_damaged: "Nothing needs to be done: it is written anew once a node answers.",
  template_unreadable: "Put the template there, readable for the agent; it is read again with the next try.",
  template_failed: "Correct the template, then send the agent SIGHUP or wait for its next try.",
  missing_keys: "Store the keys, or give the template defaults.",
  rendered_too_large: "Split the file.",
  would_empty: "Nothing was written. Check the keys, or start the agent with --allow-empty.",
  would_shrink:
    "The file was left as it is. Check the keys, raise guard.maxShrinkPercent, or start with --allow-empty.",
  prefix_shrank:
    "Nothing was changed. Check the keys, raise guard.maxShrinkPercent, or start with --allow-empty.",
  file_unusable: "Make the path one that the agent may write to.",
  owner_unknown: "Name a user and group of this machine, or numbers.",
  staged_changed: "The file was left as it is. Make the check one that only looks at {staged}.",
  command_failed: "Its output says why; the agent tries again.",
  command_not_started: "Name a program that is there and may be run.",
  command_timed_out: "It was ended with all it had started. Raise its time-out if it needs longer.",
  environment_invalid: "Correct or rename the keys.",
  directory_invalid: "Nothing was written. Correct what is named, or leave it out with --exclude.",
  mass_deletion: "Nothing was written. Check the directory, or add --allow-mass-delete.",
  apply_incomplete: "Run it again: it writes what still differs.",
  apply_conflict: "Run it again: it plans with what is there now, and shows it.",
  concurrent_values:
    "Nothing is lost: hearsay get KEY --siblings shows them. Run it again to have what the files say, or hearsay resolve KEY.",
  not_everywhere: "All is written and spreads on; hearsay wait tells when every member has it.",
};

export class AgentError extends Error {
  readonly fault: AgentFault;
  readonly next: string;

  constructor(fault: AgentFault, options?: ErrorOptions) {
    super(describe(fault), options);
    this.name = "AgentError";
    this.fault = fault;
    this.next = NEXT[fault.code];
  }
}

/** The message of any error, for facts called `reason`. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function describe(fault: AgentFault): string {
  switch (fault.code) {
    case "settings_invalid":
      return [`${fault.path} is not valid`, ...fault.faults].join("\n");
    case "state_unusable":
    case "copy_damaged":
    case "template_unreadable":
    case "template_failed":
    case "file_unusable":
      return `${fault.path}: ${fault.reason}`;
    case "status_unusable":
      return `cannot listen on ${fault.listen}: ${fault.reason}`;
    case "source_down":
      return `no node answers for ${JSON.stringify(fault.prefix)}: ${fault.reason}`;
    case "prefix_too_large":
      return `${JSON.stringify(fault.prefix)} has more than ${fault.bound}`;
    case "missing_keys":
      return `no value for ${fault.keys.map((key) => JSON.stringify(key)).join(", ")}`;
    case "rendered_too_large":
      return `${fault.bytes} bytes were rendered, ${fault.maxBytes} is the most`;
    case "would_empty":
      if (fault.bytes === undefined) return `${fault.path} is not there and would be made empty`;
      return `${fault.path} has ${fault.bytes} bytes and would become empty`;
    case "would_shrink":
      return `${fault.path} would shrink from ${fault.fromBytes} to ${fault.toBytes} bytes, by more than ${fault.maxShrinkPercent}%`;
    case "prefix_shrank":
      if (fault.toKeys === 0) return `${JSON.stringify(fault.prefix)} went from ${fault.fromKeys} to no keys`;
      return `${JSON.stringify(fault.prefix)} went from ${fault.fromKeys} to ${fault.toKeys} keys, by more than ${fault.maxShrinkPercent}%`;
    case "staged_changed":
      return `the check of ${fault.path} changed or removed the new file`;
    case "owner_unknown":
      return `there is no user or group ${fault.owner}`;
    case "command_failed":
      return withOutput(`${fault.command} ended with ${fault.end}`, fault.output);
    case "command_not_started":
      return `${fault.command} cannot be started: ${fault.reason}`;
    case "command_timed_out":
      return withOutput(`${fault.command} was not done after ${fault.afterMs} ms`, fault.output);
    case "environment_invalid":
      return fault.faults.join("\n");
    case "directory_invalid":
      return [`${fault.path} cannot be applied`, ...fault.faults].join("\n");
    case "mass_deletion":
      return `${fault.deletes} of ${fault.keys} keys would be deleted, more than ${fault.maxDeletePercent}%`;
    case "apply_incomplete":
      return `${fault.written} of ${fault.keys} keys were written: ${fault.reason}`;
    case "apply_conflict": {
      const rest =
        fault.written === 0 ? "nothing was written" : `the ${fault.written} keys before are written`;
      return `${someOf(fault.keys)} changed since the plan was made; ${rest}`;
    }
    case "concurrent_values":
      return `all is written, and somebody else wrote at the same time: both values stand at ${someOf(fault.keys)}`;
    case "not_everywhere":
      if (fault.lacking.length === 0) return "no node has said in time which members have the writes";
      return `not every member is known to have the writes; missing from: ${fault.lacking.join(", ")}`;
  }
}

/** Keys that a message names. */
const NAMED_KEYS = 10;

function someOf(keys: readonly string[]): string {
  const named = keys.slice(0, NAMED_KEYS).map((key) => JSON.stringify(key));
  const more = keys.length - named.length;
  return more > 0 ? `${named.join(", ")} and ${more} more` : named.join(", ");
}

function withOutput(text: string, output: string): string {
  return output === "" ? text : `${text}:\n${output}`;
}
