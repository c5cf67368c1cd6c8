import { hash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Hashing } from "@hearsay/core";

/**
 * The platform's hash functions; the one-shot `hash` costs a third of a hash object. A digest comes out as a text
 * and is copied: a buffer from the platform costs three times that, as its memory lies outside the heap.
 */
export const hashing: Hashing = {
  sha256: (bytes) => latin1Bytes(hash("sha256", bytes, "binary")),
  sha256Hex: (bytes) => hash("sha256", bytes, "hex"),
  crc32: (bytes, seed) => crc32(bytes, seed ?? 0),
};

function latin1Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/**
 * 32 bytes that all nodes of the cluster derive alike. Without a secret they come from the cluster's name alone,
 * which keeps clusters apart but not clients who know it.
 */
export function digestKeyOf(cluster: string, secret: string): Uint8Array {
  return hash("sha256", Buffer.from(`hearsay digest key\0${cluster}\0${secret}`), "buffer");
}
