/**
 * One file, from its values to the reload. Each step that fails leaves the file there is as it was, except a reload, which
 * stays owed and is made with the next try.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Reloads } from "../commands/reloads.ts";
import { type CommandRun, runCommand } from "../commands/run-command.ts";
import { AgentError, reasonOf } from "../fault.ts";
import { resolveOwner } from "../files/owner.ts";
import { type FilePlace, isAsWanted, lookAt, StagedFile, type Wanted } from "../files/staged-file.ts";
import type { StateDirectory } from "../files/state-directory.ts";
import { type PrefixCount, refusal } from "../render/guard.ts";
import { renderTemplate, type Scope } from "../render/template.ts";
import type { CommandSettings, FileSettings } from "../settings/settings.ts";

export interface MakeContext {
  readonly state: StateDirectory;
  readonly reloads: Reloads;
  /** Lifts the guard. */
  readonly allowEmpty: boolean;
  readonly failOnMissing: boolean;
}

export interface MadeFile {
  /** Whether it was replaced. */
  readonly installed: boolean;
  readonly reloaded: boolean;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
  /** Keys without a value and a default. */
  readonly missing: readonly string[];
}

const RENDERED_MAX_BYTES: number = 16 * 1024 * 1024;

/** @throws AgentError */
export async function makeFile(
  file: FileSettings,
  values: { readonly scope: Scope; readonly counts: readonly PrefixCount[] },
  context: MakeContext,
): Promise<MadeFile> {
  const { bytes, missing } = await contentOf(file, values.scope, context);
  const wanted: Wanted = {
    bytes,
    mode: file.mode,
    owner: file.owner === undefined ? undefined : await resolveOwner(file.owner),
  };
  const place = await lookAt(file.path);
  const made = { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex"), missing };
  if (isAsWanted(place, wanted)) {
    return { ...made, installed: false, reloaded: await reloadIfOwed(file, place, context) };
  }
  const fault = context.allowEmpty ? undefined : shrinkFault(file, place, bytes, values.counts);
  if (fault !== undefined) throw new AgentError(fault);
  await install(file, place, wanted, context);
  return { ...made, installed: true, reloaded: await reloadIfOwed(file, place, context) };
}

/** What a file would become, and what it is. @throws AgentError */
export async function previewFile(
  file: FileSettings,
  scope: Scope,
  context: Pick<MakeContext, "failOnMissing">,
): Promise<{
  readonly before: Uint8Array | undefined;
  readonly after: Uint8Array;
  readonly missing: readonly string[];
}> {
  const { bytes, missing } = await contentOf(file, scope, context);
  const { current } = await lookAt(file.path);
  return { before: current?.bytes, after: bytes, missing };
}

async function contentOf(
  file: FileSettings,
  scope: Scope,
  context: Pick<MakeContext, "failOnMissing">,
): Promise<{ readonly bytes: Uint8Array; readonly missing: readonly string[] }> {
  const { content } = file;
  if (content.kind === "key") {
    const bytes = scope.values.get(content.key);
    if (bytes === undefined) throw new AgentError({ code: "missing_keys", keys: [content.key] });
    return { bytes, missing: [] };
  }
  const { path } = content;
  const { text, missing } = renderTemplate({ path, text: await readTemplate(path) }, scope);
  if (context.failOnMissing && missing.length > 0)
    throw new AgentError({ code: "missing_keys", keys: missing });
  const bytes = Buffer.from(text);
  if (bytes.length > RENDERED_MAX_BYTES) {
    throw new AgentError({ code: "rendered_too_large", bytes: bytes.length, maxBytes: RENDERED_MAX_BYTES });
  }
  return { bytes, missing };
}

async function readTemplate(path: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  } catch (error) {
    throw new AgentError({ code: "template_unreadable", path, reason: reasonOf(error) }, { cause: error });
  }
}

function shrinkFault(
  file: FileSettings,
  { current }: FilePlace,
  bytes: Uint8Array,
  prefixes: readonly PrefixCount[],
): ReturnType<typeof refusal> {
  const shrink = { path: file.path, fromBytes: current?.bytes.length, toBytes: bytes.length, prefixes };
  return refusal(shrink, file.maxShrinkPercent);
}

async function install(
  file: FileSettings,
  place: FilePlace,
  wanted: Wanted,
  { state }: MakeContext,
): Promise<void> {
  const staged = await StagedFile.create(place, wanted);
  try {
    if (file.check !== undefined) await runCommand(commandOf(file.check, place, staged.path));
    if (file.reload !== undefined) await state.owe(file.path);
  } catch (error) {
    await staged.discard();
    throw error;
  }
  await staged.install(file.backup);
}

/** Returns whether it was owed, and made. */
async function reloadIfOwed(file: FileSettings, place: FilePlace, context: MakeContext): Promise<boolean> {
  if (file.reload === undefined || !(await context.state.owes(file.path))) return false;
  await context.reloads.request(commandOf(file.reload, place, place.realPath));
  await context.state.settle(file.path);
  return true;
}

function commandOf({ command, timeoutMs }: CommandSettings, { path }: FilePlace, staged: string): CommandRun {
  return { command, timeoutMs, facts: { staged, path } };
}
