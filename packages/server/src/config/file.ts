/** The YAML file: nested maps whose joined names are knobs. */
import { readFileSync } from "node:fs";
import { isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument, type Scalar } from "yaml";
import { isKnobName, KNOB_NAMES, KNOBS, type KnobName } from "./knobs.ts";
import type { GivenText } from "./load.ts";
import { nearest } from "./nearest.ts";

/** The size of a file that can only be a mistake. */
const CONFIG_MAX_BYTES = 1024 * 1024;

/** What the file sets, with the line of each; what is wrong with it goes into `faults`. */
export function readConfigFile(path: string, faults: string[]): Map<KnobName, GivenText> {
  const given = new Map<KnobName, GivenText>();
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    faults.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    return given;
  }
  if (text.trim() === "") {
    faults.push(`${path}: it is empty; a comment alone is enough where all defaults are meant`);
    return given;
  }
  if (text.length > CONFIG_MAX_BYTES) {
    faults.push(`${path}: larger than ${CONFIG_MAX_BYTES} bytes; this is no configuration`);
    return given;
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  for (const error of document.errors) {
    faults.push(`${path}:${lines.linePos(error.pos[0]).line}: ${error.message}`);
  }
  const place = (node: ParsedNode): string => `${path}:${lines.linePos(node.range[0]).line}`;

  const visit = (node: ParsedNode, prefix: string): void => {
    if (!isMap(node)) {
      faults.push(`${place(node)}: ${prefix === "" ? "the file" : `"${prefix}"`} is a map of settings`);
      return;
    }
    for (const { key, value } of node.items) {
      const name = `${prefix}${prefix === "" ? "" : "."}${isScalar(key) ? String(key.value) : "?"}`;
      if (isKnobName(name)) {
        const setting = settingText(name, value);
        if (setting === undefined) faults.push(`${place(key)}: ${name} is ${KNOBS[name].form}`);
        else given.set(name, { text: setting, origin: place(key) });
      } else if (value !== null && KNOB_NAMES.some((known) => known.startsWith(`${name}.`))) {
        visit(value, name);
      } else {
        faults.push(`${place(key)}: there is no setting "${name}"${nearest(name, KNOB_NAMES)}`);
      }
    }
  };
  if (document.errors.length === 0 && document.contents !== null) visit(document.contents, "");
  return given;
}

function settingText(name: KnobName, value: ParsedNode | null): string | undefined {
  if (KNOBS[name].kind === "policies" && isMap(value)) {
    const pairs = value.items.map(({ key, value: policy }) =>
      isScalar(key) && isScalar(policy) ? `${writtenText(key)}=${writtenText(policy)}` : "",
    );
    return pairs.join(",");
  }
  if (KNOBS[name].kind === "list" && isSeq(value)) {
    return value.items.map((item) => (isScalar(item) ? writtenText(item) : "")).join(",");
  }
  return isScalar(value) && value.value !== null ? writtenText(value) : undefined;
}

/** As it stands in the file: as a number 1.10 would be 1.1, and a secret of twenty digits another one. */
function writtenText({ value, source }: Scalar.Parsed): string {
  return typeof value === "number" ? source : String(value);
}
