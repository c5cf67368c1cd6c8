/**
 * One file, from its values to the reload. Each step that fails leaves the file there is as it was, except a reload, which
 * stays owed and is made with the next try.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Reloads } from "../commands/reloads.ts";
import { type CommandRun, runCommand } from "../commands/run-command.ts";
import { AgentError, reasonOf } from "../fault.ts";
import type { FileNote, PrefixNote } from "../files/file-note.ts";
import { resolveOwner } from "../files/owner.ts";
import { type FilePlace, isAsWanted, lookAt, StagedFile, type Wanted } from "../files/staged-file.ts";
import type { StateDirectory } from "../files/state-directory.ts";
import { refusal } from "../render/guard.ts";
import { renderTemplate, type Scope } from "../render/template.ts";
import type { CommandSettings, FileSettings } from "../settings/settings.ts";
import type { UsedPrefix } from "./used-prefix.ts";

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

interface MakeValues {
  readonly scope: Scope;
  readonly prefixes: readonly UsedPrefix[];
}

/** @throws AgentError */
export async function makeFile(
  file: FileSettings,
  values: MakeValues,
  context: MakeContext,
): Promise<MadeFile> {
  const place = await lookAt(file.path);
  const wasOwed = await context.state.owes(file.path);
  let brought: Omit<MadeFile, "reloaded">;
  try {
    brought = await bring(file, place, values, context);
  } catch (error) {
    // What is in place is not yet what runs; that newer content fails must not keep it so.
    if (wasOwed) await reloadIfOwed(file, place, context).catch(() => undefined);
    throw error;
  }
  return { ...brought, reloaded: await reloadIfOwed(file, place, context) };
}

/** Makes the file as its values say, all but the reload. */
async function bring(
  file: FileSettings,
  place: FilePlace,
  { scope, prefixes }: MakeValues,
  context: MakeContext,
): Promise<Omit<MadeFile, "reloaded">> {
  const before = await context.state.loadNote(file.path);
  const current = place.current?.bytes;
  if (current !== undefined && isOfOtherValues(current, before, prefixes)) {
    return { installed: false, bytes: current.length, sha256: sha256(current), missing: [] };
  }
  const { bytes, missing } = await contentOf(file, scope, context);
  const wanted: Wanted = {
    bytes,
    mode: file.mode,
    owner: file.owner === undefined ? undefined : await resolveOwner(file.owner),
  };
  const note: FileNote = {
    sha256: sha256(bytes),
    prefixes: prefixes.map(({ prefix, keys, sha256 }) => ({ prefix, keys, sha256 })),
  };
  const installed = !isAsWanted(place, wanted);
  if (installed) {
    const fault = context.allowEmpty ? undefined : shrinkFault(file, place, bytes, before, prefixes);
    if (fault !== undefined) throw new AgentError(fault);
    await install(file, place, wanted, { before, note }, context);
  } else if (JSON.stringify(note) !== JSON.stringify(before)) await context.state.saveNote(file.path, note);
  return { installed, bytes: bytes.length, sha256: note.sha256, missing };
}

/**
 * Whether the file is one that the agent made of values which the copy does not have: newer ones, since a copy is only
 * written once all files of a prefix are made.
 */
function isOfOtherValues(
  current: Uint8Array,
  before: FileNote | undefined,
  prefixes: readonly UsedPrefix[],
): boolean {
  if (before === undefined || before.sha256 !== sha256(current)) return false;
  return prefixes.some((used) => used.isCopy && noteOf(before, used.prefix)?.sha256 !== used.sha256);
}

/** What a file would become, what it is, and why the guard would not have it. @throws AgentError */
export async function previewFile(
  file: FileSettings,
  { scope, prefixes }: MakeValues,
  context: Pick<MakeContext, "allowEmpty" | "failOnMissing"> & {
    readonly state: Pick<StateDirectory, "loadNote">;
  },
): Promise<{
  readonly before: Uint8Array | undefined;
  readonly after: Uint8Array;
  readonly missing: readonly string[];
  readonly error: AgentError | undefined;
}> {
  const place = await lookAt(file.path);
  const note = await context.state.loadNote(file.path);
  const before = place.current?.bytes;
  if (before !== undefined && isOfOtherValues(before, note, prefixes)) {
    return { before, after: before, missing: [], error: undefined };
  }
  const { bytes, missing } = await contentOf(file, scope, context);
  const isSame = before !== undefined && Buffer.compare(before, bytes) === 0;
  const fault = isSame || context.allowEmpty ? undefined : shrinkFault(file, place, bytes, note, prefixes);
  return { before, after: bytes, missing, error: fault && new AgentError(fault) };
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
  before: FileNote | undefined,
  prefixes: readonly UsedPrefix[],
): ReturnType<typeof refusal> {
  const counts = prefixes.map(({ prefix, keys, copiedKeys }) => ({
    prefix,
    fromKeys: noteOf(before, prefix)?.keys ?? copiedKeys,
    toKeys: keys,
  }));
  const shrink = {
    path: file.path,
    fromBytes: current?.bytes.length,
    toBytes: bytes.length,
    prefixes: counts,
  };
  return refusal(shrink, file.maxShrinkPercent);
}

function noteOf(note: FileNote | undefined, prefix: string): PrefixNote | undefined {
  return note?.prefixes.find((one) => one.prefix === prefix);
}

async function install(
  file: FileSettings,
  place: FilePlace,
  wanted: Wanted,
  { before, note }: { readonly before: FileNote | undefined; readonly note: FileNote },
  { state }: MakeContext,
): Promise<void> {
  const staged = await StagedFile.create(place, wanted);
  const wasOwed = await state.owes(file.path);
  try {
    if (file.check !== undefined) {
      await runCommand(commandOf(file.check, place, staged.path));
      if (!(await staged.has(wanted.bytes)))
        throw new AgentError({ code: "staged_changed", path: file.path });
    }
    if (file.reload !== undefined) await state.owe(file.path);
    await state.saveNote(file.path, note);
  } catch (error) {
    await staged.discard();
    throw error;
  }
  try {
    await staged.install(file.backup);
  } catch (error) {
    const now = await lookAt(file.path).catch(() => undefined);
    if (now !== undefined && isAsWanted(now, wanted)) throw error;
    if (!wasOwed) await state.settle(file.path);
    if (before !== undefined) await state.saveNote(file.path, before);
    throw error;
  }
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

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
