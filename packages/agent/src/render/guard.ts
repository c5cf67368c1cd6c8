/** Whether new content may take the place of old. Protects from values that are gone by mistake. */
import type { AgentFault } from "../fault.ts";

export interface Shrink {
  readonly path: string;
  /** Of the file there is; undefined when there is none. */
  readonly fromBytes: number | undefined;
  readonly toBytes: number;
  readonly prefixes: readonly PrefixCount[];
}

export interface PrefixCount {
  readonly prefix: string;
  /** Keys when the file was last written; undefined when it never was. */
  readonly fromKeys: number | undefined;
  readonly toKeys: number;
}

/**
 * @param maxShrinkPercent of bytes or keys that may go; with 100 a file may shrink to anything but nothing
 * @returns why not; undefined when it may
 */
export function refusal(shrink: Shrink, maxShrinkPercent: number): AgentFault | undefined {
  const { path, fromBytes, toBytes } = shrink;
  for (const { prefix, fromKeys = 0, toKeys } of shrink.prefixes) {
    if (lost(fromKeys, toKeys) > maxShrinkPercent || (fromKeys > 0 && toKeys === 0)) {
      return { code: "prefix_shrank", prefix, fromKeys, toKeys, maxShrinkPercent };
    }
  }
  if (fromBytes !== 0 && toBytes === 0) return { code: "would_empty", path, bytes: fromBytes };
  if (fromBytes !== undefined && lost(fromBytes, toBytes) > maxShrinkPercent) {
    return { code: "would_shrink", path, fromBytes, toBytes, maxShrinkPercent };
  }
  return undefined;
}

function lost(from: number, to: number): number {
  return from === 0 ? 0 : ((from - to) / from) * 100;
}
