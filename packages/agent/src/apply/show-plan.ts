/** A plan as text: a line a key, and the lines of text that change below it. */
import { structuredPatch } from "diff";
import type { Change, Plan } from "./plan.ts";

/** Larger texts are not compared line by line. */
const DIFF_MAX_BYTES = 64 * 1024;
const DIFF_MAX_LINES = 40;
/** Keys that are shown with their lines; those after them only with their name. */
const DIFF_MAX_KEYS = 100;

export interface PlanLine {
  readonly kind: Change["kind"] | "removed" | "added" | "context";
  readonly text: string;
}

const SIGN: { readonly [Kind in Change["kind"]]: string } = { create: "+", update: "~", delete: "-" };

export function planLines({ changes }: Plan): readonly PlanLine[] {
  let shown = 0;
  return changes.flatMap((change) => {
    const head = {
      kind: change.kind,
      text: `${SIGN[change.kind]} ${shownKey(change.key)} (${sizes(change)})`,
    };
    if (change.kind !== "update" || shown >= DIFF_MAX_KEYS) return [head];
    shown += 1;
    return [head, ...differences(change.before.value, change.value)];
  });
}

/** The changed lines of two texts, indented; a remark where they are no texts, or equal. */
export function differences(before: Uint8Array, after: Uint8Array): readonly PlanLine[] {
  if (Buffer.compare(before, after) === 0) return [remark("the same bytes")];
  if (Math.max(before.length, after.length) > DIFF_MAX_BYTES)
    return [remark("too large to compare by lines")];
  const [old, next] = [textOf(before), textOf(after)];
  if (old === undefined || next === undefined) return [remark("not text")];
  const { hunks } = structuredPatch("", "", old, next, "", "", { context: 1 });
  const lines = hunks.flatMap((hunk) => hunk.lines);
  const more = lines.length - DIFF_MAX_LINES;
  const shown = lines.slice(0, DIFF_MAX_LINES).map((text): PlanLine => {
    const kind = text.startsWith("+") ? "added" : text.startsWith("-") ? "removed" : "context";
    return { kind, text: `    ${escaped(text)}` };
  });
  return more > 0 ? [...shown, remark(`and ${more} more lines`)] : shown;
}

function remark(text: string): PlanLine {
  return { kind: "context", text: `    (${text})` };
}

function sizes(change: Change): string {
  if (change.kind === "create") return `${change.value.length} bytes`;
  if (change.kind === "delete") return `${change.before.value.length} bytes`;
  const { before, value, contentType } = change;
  const type = before.contentType === contentType ? "" : `, ${before.contentType} becomes ${contentType}`;
  const conflicts = before.conflicts > 0 ? `, ${before.conflicts} concurrent values are replaced` : "";
  const end = before.expiresAt === undefined ? "" : `, no longer expires at ${before.expiresAt}`;
  return `${before.value.length} to ${value.length} bytes${type}${conflicts}${end}`;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Values may hold anything; control characters would steer a terminal. */
function escaped(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (found) =>
    found === "\t" ? found : JSON.stringify(found).slice(1, -1),
  );
}

function shownKey(key: string): string {
  return /[\p{Cc}\p{Cf}\u2028\u2029]/u.test(key) ? JSON.stringify(key) : key;
}
