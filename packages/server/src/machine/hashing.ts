import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Hashing } from "@hearsay/core";

/**
 * The platform's hash functions; the one-shot `hash` costs a third of a hash object. Digests come out as texts: a buffer
 * from the platform costs three times that, as its memory lies outside the heap.
 */
export const hashing: Hashing = {
  sha256: (bytes) => hash("sha256", bytes, "buffer"),
  sha256Hex: (bytes) => hash("sha256", bytes, "hex"),
  sha256Text: (bytes) => hash("sha256", bytes, "binary"),
  crc32: (bytes, seed) => crc32(bytes, seed ?? 0),
};

/**
 * 32 bytes that all nodes of the cluster derive alike. Without a secret they come from the cluster's name alone,
 * which keeps clusters apart but not clients who know it.
 */
export function digestKeyOf(cluster: string, secret: string): Uint8Array {
  return hash("sha256", Buffer.from(`hearsay digest key\0${cluster}\0${secret}`), "buffer");
}
