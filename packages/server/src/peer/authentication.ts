/**
 * Messages between nodes carry an HMAC-SHA256 (RFC 2104) under the cluster secret, over direction, path, time, nonce
 * and body. A reply's is over the request's nonce as well, so that it answers this request and no other. Times
 * outside the window and nonces seen before are refused, so a recorded message cannot be played back.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

export const AUTH_HEADER = "hearsay-auth";
const NONCE_BYTES = 12;
const MAC_BYTES = 32;

export type AuthFault = "auth_missing" | "auth_wrong" | "auth_outside_window" | "replayed";

export interface AuthenticationOptions {
  /** The first signs; all are accepted, so that secrets can be rotated node by node. None: nothing is signed or checked. */
  readonly secrets: readonly string[];
  /** How far the sender's clock may be from ours, to either side. */
  readonly windowMs: number;
  /** Nonces remembered at most; reaching it forgets the older half early. */
  readonly maxNonces: number;
  nowMs(): number;
}

export interface Signed {
  /** Value of {@link AUTH_HEADER}; undefined when nothing is signed. */
  readonly header: string | undefined;
  readonly nonce: string;
}

export class Authentication {
  readonly #options: AuthenticationOptions;
  /** Two generations: each lasts a whole window, so a nonce is remembered at least as long as its time is accepted. */
  #nonces: Set<string> = new Set();
  #olderNonces: Set<string> = new Set();
  #generationStartMs: number;

  constructor(options: AuthenticationOptions) {
    this.#options = options;
    this.#generationStartMs = options.nowMs();
  }

  signRequest(path: string, body: Uint8Array): Signed {
    if (this.#options.secrets.length === 0) return { header: undefined, nonce: "" };
    const nonce = randomBytes(NONCE_BYTES).toString("base64url");
    return { header: this.#sign(`request\n${path}`, nonce, body), nonce };
  }

  signReply(requestNonce: string, body: Uint8Array): string | undefined {
    return this.#sign("reply", requestNonce, body);
  }

  /** The request's nonce, to sign the reply with, or why it is refused. */
  checkRequest(
    path: string,
    header: string | undefined,
    body: Uint8Array,
  ): { readonly nonce: string } | { readonly fault: AuthFault } {
    if (this.#options.secrets.length === 0) return { nonce: "" };
    const parsed = parseHeader(header);
    if (parsed === undefined) return { fault: "auth_missing" };
    if (!this.#isGenuine(`request\n${path}`, parsed, body)) return { fault: "auth_wrong" };
    const nowMs = this.#options.nowMs();
    if (Math.abs(nowMs - parsed.timeMs) > this.#options.windowMs) return { fault: "auth_outside_window" };
    this.#rotate(nowMs);
    if (this.#nonces.has(parsed.nonce) || this.#olderNonces.has(parsed.nonce)) return { fault: "replayed" };
    this.#nonces.add(parsed.nonce);
    return { nonce: parsed.nonce };
  }

  /** Why the reply is not to be believed; undefined when it answers the request of that nonce. */
  checkReply(requestNonce: string, header: string | undefined, body: Uint8Array): AuthFault | undefined {
    if (this.#options.secrets.length === 0) return undefined;
    const parsed = parseHeader(header);
    if (parsed === undefined) return "auth_missing";
    const isOurs = parsed.nonce === requestNonce && this.#isGenuine("reply", parsed, body);
    return isOurs ? undefined : "auth_wrong";
  }

  #sign(subject: string, nonce: string, body: Uint8Array): string | undefined {
    const [secret] = this.#options.secrets;
    if (secret === undefined) return undefined;
    const time = Math.floor(this.#options.nowMs()).toString(36);
    return `${time}.${nonce}.${mac(secret, subject, time, nonce, body).toString("base64url")}`;
  }

  #isGenuine(subject: string, parsed: ParsedHeader, body: Uint8Array): boolean {
    return this.#options.secrets.some((secret) =>
      timingSafeEqual(mac(secret, subject, parsed.time, parsed.nonce, body), parsed.mac),
    );
  }

  #rotate(nowMs: number): void {
    const isDue = nowMs - this.#generationStartMs > 2 * this.#options.windowMs;
    if (!isDue && this.#nonces.size < this.#options.maxNonces / 2) return;
    this.#olderNonces = this.#nonces;
    this.#nonces = new Set();
    this.#generationStartMs = nowMs;
  }
}

interface ParsedHeader {
  readonly time: string;
  readonly timeMs: number;
  readonly nonce: string;
  readonly mac: Buffer;
}

function parseHeader(header: string | undefined): ParsedHeader | undefined {
  const [, time, nonce, macText] = /^([0-9a-z]{1,11})\.([\w-]{16})\.([\w-]{43})$/.exec(header ?? "") ?? [];
  if (time === undefined || nonce === undefined || macText === undefined) return undefined;
  const decoded = Buffer.from(macText, "base64url");
  return decoded.length === MAC_BYTES
    ? { time, timeMs: Number.parseInt(time, 36), nonce, mac: decoded }
    : undefined;
}

function mac(secret: string, subject: string, time: string, nonce: string, body: Uint8Array): Buffer {
  return createHmac("sha256", secret)
    .update(`hearsay\n${subject}\n${time}\n${nonce}\n`)
    .update(body)
    .digest();
}
