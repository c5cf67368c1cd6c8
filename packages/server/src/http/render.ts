/** How siblings, records and contexts look in answers. */
import type { ListItem, SiblingItem } from "@hearsay/api";
import {
  type ClientContext,
  contextAfterRead,
  formatClientContext,
  formatVersion,
  hlcToMs,
  isLive,
  type KeyRecord,
  type Sibling,
  type Version,
  winner,
} from "@hearsay/core";

export function etagOf(version: Version): string {
  return `"${formatVersion(version)}"`;
}

/** The context of a reader of the whole record, as much of it as a client may send back. */
export function recordContext(record: KeyRecord): string {
  return formatClientContext(contextAfterRead(record));
}

/** The same as `formatClientContext`; most contexts name just the version, whose text is at hand. */
export function contextText(context: ClientContext, version: Version, versionText: string): string {
  const only = context.dot === undefined && context.vector.size === 1;
  return only && context.vector.get(version.node) === version.time
    ? versionText
    : formatClientContext(context);
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}

/** Undefined when the text is not base64 in its one canonical form, padding included. */
export function fromBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}

export function siblingItem(sibling: Sibling, nowMs: number): SiblingItem {
  const { version } = sibling;
  const common = {
    version: formatVersion(version),
    node: version.node,
    time: isoTime(hlcToMs(version.time)),
  };
  if (sibling.kind === "tombstone") return { ...common, deleted: true };
  return {
    ...common,
    deleted: false,
    contentType: sibling.contentType,
    size: sibling.bytes.length,
    value: base64(sibling.bytes),
    ...(sibling.expiresAtMs === null
      ? {}
      : { expiresAt: isoTime(sibling.expiresAtMs), expired: !isLive(sibling, nowMs) }),
  };
}

/** Undefined when the key reads as deleted. */
export function listItem(
  key: string,
  record: KeyRecord,
  options: { readonly nowMs: number; readonly values: boolean },
): ListItem | undefined {
  const value = winner(record);
  if (!isLive(value, options.nowMs)) return undefined;
  return {
    key,
    version: formatVersion(value.version),
    contentType: value.contentType,
    size: value.bytes.length,
    ...(options.values ? { value: base64(value.bytes) } : {}),
    ...(value.expiresAtMs === null ? {} : { expiresAt: isoTime(value.expiresAtMs) }),
    ...(record.siblings.length > 1 ? { conflicts: record.siblings.length - 1 } : {}),
  };
}
