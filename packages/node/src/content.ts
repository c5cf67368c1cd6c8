/** What a client writes. */
import type { Sibling, Version } from "@hearsay/core";

export type Content =
  | {
      readonly kind: "value";
      readonly bytes: Uint8Array;
      readonly contentType: string;
      /** Milliseconds from now until it reads as deleted; null for never. */
      readonly ttlMs: number | null;
    }
  | { readonly kind: "tombstone" };

/** @param nowMs from when its time to live counts */
export function toSibling(content: Content, version: Version, nowMs: number): Sibling {
  if (content.kind === "tombstone") return { kind: "tombstone", version };
  return {
    kind: "value",
    version,
    bytes: content.bytes,
    contentType: content.contentType,
    expiresAtMs: content.ttlMs === null ? null : nowMs + content.ttlMs,
  };
}
