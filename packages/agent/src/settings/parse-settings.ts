import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { LIMITS } from "@hearsay/api";
import { parseEndpoint } from "@hearsay/client";
import { LineCounter, parseDocument } from "yaml";
import { AgentError, reasonOf } from "../fault.ts";
import type { Timing } from "../run/schedule.ts";
import {
  type AgentSettings,
  type CommandSettings,
  DEFAULTS,
  type FileSettings,
  MAX_FILES,
  MAX_PREFIXES,
} from "./settings.ts";
import { type YamlContext, YamlMap } from "./yaml-map.ts";

/** The size of a file that can only be a mistake. */
const MAX_BYTES = 1024 * 1024;

/** @throws AgentError `settings_invalid` with all that is wrong */
export async function readSettings(path: string): Promise<AgentSettings> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new AgentError({ code: "settings_invalid", path, faults: [reasonOf(error)] }, { cause: error });
  }
  return parseSettings(text, path);
}

/**
 * @param path of the text; its directory is where relative paths begin
 * @throws AgentError `settings_invalid` with all that is wrong
 */
export function parseSettings(text: string, path: string): AgentSettings {
  const lines = new LineCounter();
  const faults: string[] = [];
  const refuse = (): AgentError => new AgentError({ code: "settings_invalid", path, faults });
  if (text.length > MAX_BYTES) {
    faults.push(`larger than ${MAX_BYTES} bytes; this is no configuration`);
    throw refuse();
  }
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  for (const error of document.errors) {
    faults.push(`${path}:${lines.linePos(error.pos[0]).line}: ${error.message}`);
  }
  if (faults.length > 0) throw refuse();
  const settings = readTop(document.contents, { path, lines, faults });
  if (faults.length > 0) throw refuse();
  return settings;
}

function readTop(contents: ConstructorParameters<typeof YamlMap>[0], context: YamlContext): AgentSettings {
  const top = new YamlMap(contents, "", context);
  const base = dirname(resolve(context.path));
  const shared = readShared(top, SHARED_DEFAULTS);
  const settings = {
    endpoints: readEndpoints(top),
    state: resolve(base, top.text("state") ?? DEFAULTS.state),
    status: readStatus(top),
    startWaitMs: top.durationMs("startWait", DEFAULTS.startWaitMs),
    failOnMissing: top.flag("failOnMissing", false),
    failWhenCutOff: top.flag("failWhenCutOff", false),
    files: top.maps("files").map((map) => readFileSettings(map, base, shared)),
  };
  checkFiles(top, settings.files);
  top.end();
  return settings;
}

function readEndpoints(top: YamlMap): readonly string[] | undefined {
  const endpoints = top.texts("endpoints");
  if (endpoints?.length === 0) top.complain("endpoints", "endpoints has at least one entry");
  for (const endpoint of endpoints ?? []) {
    try {
      parseEndpoint(endpoint);
    } catch (error) {
      top.complain("endpoints", `endpoints: ${reasonOf(error)}`);
    }
  }
  return endpoints;
}

function checkFiles(top: YamlMap, files: readonly FileSettings[]): void {
  if (files.length === 0) top.complain("files", "files has at least one entry");
  if (files.length > MAX_FILES) top.complain("files", `files has at most ${MAX_FILES} entries`);
  const seen = new Set<string>();
  for (const { path } of files) {
    if (seen.has(path)) top.complain("files", `${path} is there twice; a file has one entry`);
    seen.add(path);
  }
  for (const { path, backup } of files) {
    if (backup && seen.has(`${path}.bak`))
      top.complain("files", `${path}.bak is the backup of ${path}; set its backup to false`);
  }
  if (new Set(files.flatMap(({ prefixes }) => prefixes)).size > MAX_PREFIXES) {
    top.complain("files", `all files together have at most ${MAX_PREFIXES} different prefixes`);
  }
}

/** What may stand at the top for all files, or with one. */
interface Shared {
  readonly timing: Timing;
  readonly maxShrinkPercent: number;
}

const SHARED_DEFAULTS: Shared = {
  timing: {
    minMs: DEFAULTS.debounceMinMs,
    maxMs: DEFAULTS.debounceMaxMs,
    splayMs: DEFAULTS.splayMs,
    retryBaseMs: DEFAULTS.retryBaseMs,
    retryCapMs: DEFAULTS.retryCapMs,
  },
  maxShrinkPercent: DEFAULTS.maxShrinkPercent,
};

function readShared(map: YamlMap, fallback: Shared): Shared {
  const [debounce, retry, guard] = [map.map("debounce"), map.map("retry"), map.map("guard")];
  const { timing } = fallback;
  const minMs = debounce.durationMs("min", timing.minMs);
  const shared = {
    timing: {
      minMs,
      maxMs: debounce.durationMs("max", Math.max(minMs, timing.maxMs)),
      splayMs: map.durationMs("splay", timing.splayMs),
      retryBaseMs: retry.durationMs("base", timing.retryBaseMs),
      retryCapMs: retry.durationMs("cap", timing.retryCapMs),
    },
    maxShrinkPercent: guard.percent("maxShrinkPercent", fallback.maxShrinkPercent),
  };
  if (shared.timing.maxMs < minMs) map.complain("debounce", "debounce.max is not less than debounce.min");
  const { retryBaseMs, retryCapMs } = shared.timing;
  if (retryBaseMs === 0) map.complain("retry", "retry.base is more than nothing");
  if (retryCapMs < retryBaseMs) map.complain("retry", "retry.cap is not less than retry.base");
  for (const part of [debounce, retry, guard]) part.end();
  return shared;
}

function readStatus(top: YamlMap): AgentSettings["status"] {
  const text = top.text("status");
  if (text === undefined) return undefined;
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3] ?? Number.NaN);
  const host = match?.[1] ?? match?.[2];
  if (host !== undefined && port <= 65_535) return { host, port };
  top.complain("status", "status is HOST:PORT or [IPV6]:PORT");
  return undefined;
}

function readFileSettings(map: YamlMap, base: string, inherited: Shared): FileSettings {
  const path = map.text("path");
  if (path === undefined && !map.has("path")) map.complain("path", "a file has a path");
  const content = readContent(map, base);
  const prefixes = map.texts("prefixes") ?? (content.kind === "key" ? [content.key] : []);
  if (prefixes.length === 0) map.complain("prefixes", "a template has prefixes: the keys it may use");
  if (content.kind === "key" && !prefixes.some((prefix) => content.key.startsWith(prefix))) {
    map.complain("prefixes", "the key lies below one of the prefixes");
  }
  const { timing, maxShrinkPercent } = readShared(map, inherited);
  const settings = {
    path: resolve(base, path ?? ""),
    content,
    prefixes,
    mode: readMode(map),
    owner: map.text("owner"),
    check: readCommand(map, "check", DEFAULTS.checkTimeoutMs),
    reload: readCommand(map, "reload", DEFAULTS.reloadTimeoutMs),
    backup: map.flag("backup", DEFAULTS.backup),
    timing,
    maxShrinkPercent,
  };
  map.end();
  return settings;
}

function readContent(map: YamlMap, base: string): FileSettings["content"] {
  const [key, template] = [map.text("key"), map.text("template")];
  if ((key === undefined) === (template === undefined))
    map.complain("path", "a file has either a key or a template");
  if (template !== undefined) return { kind: "template", path: resolve(base, template) };
  if (key !== undefined && Buffer.byteLength(key) > LIMITS.keyMaxBytes) {
    map.complain("key", `key has at most ${LIMITS.keyMaxBytes} bytes`);
  }
  return { kind: "key", key: key ?? "" };
}

function readMode(map: YamlMap): number | undefined {
  const text = map.text("mode");
  if (text === undefined) return undefined;
  if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8);
  map.complain("mode", 'mode is three octal digits, such as "0640"');
  return undefined;
}

function readCommand(
  map: YamlMap,
  field: "check" | "reload",
  fallbackMs: number,
): CommandSettings | undefined {
  const command = map.textOrList(field);
  const timeoutMs = map.durationMs(`${field}Timeout`, fallbackMs);
  if (command === undefined) {
    if (map.has(`${field}Timeout`)) map.complain(`${field}Timeout`, `${field}Timeout needs ${field}`);
    return undefined;
  }
  if (command.length === 0 || command[0] === "") map.complain(field, `${field} is a command`);
  if (timeoutMs === 0) map.complain(`${field}Timeout`, `${field}Timeout is more than nothing`);
  return { command, timeoutMs };
}
