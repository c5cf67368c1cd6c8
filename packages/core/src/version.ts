import { HLC_TIME_MAX, type HlcTime } from "./clock.ts";
import { isNodeId, type NodeId } from "./identity.ts";

/** Names one write: when, by its coordinator's clock, and which node coordinated it. Never issued twice. */
export interface Version {
  readonly time: HlcTime;
  readonly node: NodeId;
}

/** Total order by time, then node id: negative, zero or positive like a sort callback. */
export function compareVersions(a: Version, b: Version): number {
  if (a.time !== b.time) return a.time - b.time;
  if (a.node === b.node) return 0;
  return a.node < b.node ? -1 : 1;
}

export function sameVersion(a: Version, b: Version): boolean {
  return a.time === b.time && a.node === b.node;
}

/** Base 36 digits of the largest safe integer, so that version texts sort as the versions do. */
const TIME_DIGITS = 11;

/** `<time, 11 digits of base 36>-<node id>`: printable ASCII, fit for an ETag. */
export function formatVersion(version: Version): string {
  return `${version.time.toString(36).padStart(TIME_DIGITS, "0")}-${version.node}`;
}

export function parseVersion(text: string): Version | undefined {
  if (text.charAt(TIME_DIGITS) !== "-" || !/^[0-9a-z]{11}$/.test(text.slice(0, TIME_DIGITS)))
    return undefined;
  const time = Number.parseInt(text.slice(0, TIME_DIGITS), 36);
  const node = text.slice(TIME_DIGITS + 1);
  if (time > HLC_TIME_MAX || !isNodeId(node)) return undefined;
  return { time, node };
}
