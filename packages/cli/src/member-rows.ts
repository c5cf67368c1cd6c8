/** Members as rows of a table. */
import type { ClusterMemberItem, ClusterStatus } from "@hearsay/api";
import { shownBytes } from "./progress.ts";

export const MEMBER_COLUMNS = ["NAME", "STATE", "ADDRESS", "KEYS", "BYTES", "BEHIND", "ID", "NOTE"] as const;

/** @param nowMs for how far each is behind the present */
export function memberRows({ members }: ClusterStatus, nowMs: number): string[][] {
  return members.map((member) => [
    member.self ? `${member.name} *` : member.name,
    member.state,
    member.address,
    shownCount(member.keys),
    member.bytes === null ? "-" : shownBytes(member.bytes),
    shownAge(member.completeThrough, nowMs),
    member.id,
    note(member),
  ]);
}

export function shownCount(count: number | null): string {
  return count === null ? "-" : String(count);
}

/** How long ago a moment was; a dash for none. */
export function shownAge(time: string | null, nowMs: number): string {
  return time === null ? "-" : shownDuration(Math.max(0, nowMs - Date.parse(time)));
}

export function shownDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return `${Math.round(ms / 3_600_000)} h`;
}

/** More than this between two clocks is worth a word. */
const CLOCK_OFFSET_MS = 1_000;

function note({ notWritable, clockOffsetMs, zone }: ClusterMemberItem): string {
  const notes = [
    zone === "" ? undefined : `zone ${zone}`,
    notWritable === null ? undefined : `takes no writes: ${notWritable}`,
    clockOffsetMs !== null && Math.abs(clockOffsetMs) >= CLOCK_OFFSET_MS
      ? `clock ${shownDuration(Math.abs(clockOffsetMs))} ${clockOffsetMs > 0 ? "ahead" : "behind"}`
      : undefined,
  ];
  return notes.filter((one) => one !== undefined).join("; ");
}
