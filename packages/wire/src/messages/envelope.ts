/**
 * What stands around every message between nodes, and the numbers of the messages.
 *
 *   request = [wire version, cluster, sender, message]
 *   reply   = [wire version, sender, message]
 *
 * Mixed versions: a node reads the versions from {@link WIRE_VERSION_MIN} to {@link WIRE_VERSION} and writes its own.
 * Within a version fields may be added at the end (see shape.ts) and messages under new numbers; a number that is
 * not known is refused as `bad_message`, which senders of optional messages have to expect. Anything else takes a
 * new version, which is written only when every member's protocol range covers it.
 */
import { NODE_STATE_LIMITS, type NodeId, type PeerReply, type PeerRequest } from "@hearsay/core";
import { decodePlain, encodePlain } from "../plain.ts";
import type { ScanFault, ScanLimits } from "../scan.ts";
import { count, Malformed, object, type Shape, text, union } from "../shape.ts";
import * as exchange from "./exchange.ts";
import * as membership from "./membership.ts";
import * as rumors from "./rumors.ts";
import * as state from "./state.ts";
import { nodeId } from "./terms.ts";

export const WIRE_VERSION = 1;
export const WIRE_VERSION_MIN = 1;

export interface RequestEnvelope {
  readonly version: number;
  readonly cluster: string;
  readonly from: NodeId;
  readonly message: PeerRequest;
}

export interface ReplyEnvelope {
  readonly version: number;
  readonly from: NodeId;
  readonly message: PeerReply;
}

export type WireFault =
  | { readonly code: "bad_message"; readonly what: string }
  | { readonly code: "message_too_large"; readonly maxBytes: number }
  | { readonly code: "incompatible_version"; readonly version: number };

const request: Shape<PeerRequest> = union<PeerRequest>({
  ping: [1, membership.ping],
  "ping-req": [2, membership.pingReq],
  "push-pull": [3, membership.pushPull],
  "retired-page": [4, membership.retiredPage],
  rumors: [5, rumors.rumors],
  "exchange-start": [6, exchange.exchangeStart],
  "exchange-compare": [7, exchange.exchangeCompare],
  "exchange-transfer": [8, exchange.exchangeTransfer],
  "state-digest": [9, state.digest],
  "state-delta": [10, state.delta],
  fetch: [11, rumors.fetch],
  holds: [12, rumors.holds],
  hello: [13, rumors.hello],
  "exchange-rest": [14, exchange.exchangeRest],
});

const reply: Shape<PeerReply> = union<PeerReply>({
  ack: [1, membership.ack],
  nack: [2, membership.nack],
  state: [3, membership.state],
  "retired-ids": [4, membership.retiredIds],
  refused: [5, membership.refused],
  "rumors-reply": [6, rumors.rumorsReply],
  "exchange-tables-differ": [7, object({})],
  "exchange-equal": [8, exchange.exchangeEqual],
  "exchange-differs": [9, exchange.exchangeDiffers],
  "exchange-compared": [10, exchange.exchangeCompared],
  "exchange-transferred": [11, exchange.exchangeTransferred],
  "exchange-void": [12, object({})],
  "state-answer": [13, state.answer],
  "state-done": [14, object({})],
  fetched: [15, rumors.fetched],
  "holds-reply": [16, rumors.holdsReply],
  welcome: [17, rumors.welcome],
  "exchange-more": [18, exchange.exchangeMore],
});

const requestEnvelope: Shape<RequestEnvelope> = object({
  version: count,
  cluster: text(63),
  from: nodeId,
  message: request,
});
const replyEnvelope: Shape<ReplyEnvelope> = object({ version: count, from: nodeId, message: reply });

const MESSAGE_DEPTH_MAX = 12;
const MESSAGE_ITEMS_MAX = 1_000_000;
/** The longest text is a value of a node's state; a character takes up to three bytes. */
const MESSAGE_STRING_MAX_BYTES: number = 3 * NODE_STATE_LIMITS.maxTextLength;

export function encodeRequest({ cluster, from, message }: Omit<RequestEnvelope, "version">): Uint8Array {
  return encodePlain(requestEnvelope.toPlain({ version: WIRE_VERSION, cluster, from, message }));
}

export function encodeReply({ from, message }: Omit<ReplyEnvelope, "version">): Uint8Array {
  return encodePlain(replyEnvelope.toPlain({ version: WIRE_VERSION, from, message }));
}

export function decodeRequest(
  bytes: Uint8Array,
  maxBytes: number,
): { readonly envelope: RequestEnvelope } | { readonly fault: WireFault } {
  return decode(requestEnvelope, bytes, maxBytes);
}

export function decodeReply(
  bytes: Uint8Array,
  maxBytes: number,
): { readonly envelope: ReplyEnvelope } | { readonly fault: WireFault } {
  return decode(replyEnvelope, bytes, maxBytes);
}

function decode<T>(
  shape: Shape<T>,
  bytes: Uint8Array,
  maxBytes: number,
): { readonly envelope: T } | { readonly fault: WireFault } {
  const limits: ScanLimits = {
    maxBytes,
    maxDepth: MESSAGE_DEPTH_MAX,
    // Larger messages are allowed more values: small records take about this many bytes for each.
    maxItems: Math.max(MESSAGE_ITEMS_MAX, Math.floor(maxBytes / 2)),
    maxStringBytes: MESSAGE_STRING_MAX_BYTES,
    maxBinaryBytes: maxBytes,
    maps: "refused",
  };
  const decoded = decodePlain(bytes, limits);
  if ("fault" in decoded) return { fault: fromScan(decoded.fault, maxBytes) };
  const version = versionOf(decoded.value);
  if (version !== undefined && (version < WIRE_VERSION_MIN || version > WIRE_VERSION)) {
    return { fault: { code: "incompatible_version", version } };
  }
  try {
    return { envelope: shape.fromPlain(decoded.value) };
  } catch (error) {
    if (error instanceof Malformed) return { fault: { code: "bad_message", what: error.message } };
    throw error;
  }
}

/** Read before the rest, because the rest may be of another form in another version. */
function versionOf(plain: unknown): number | undefined {
  const first: unknown = Array.isArray(plain) ? plain[0] : undefined;
  return typeof first === "number" && Number.isSafeInteger(first) ? first : undefined;
}

function fromScan(fault: ScanFault, maxBytes: number): WireFault {
  return fault.code === "too_large"
    ? { code: "message_too_large", maxBytes }
    : { code: "bad_message", what: `${fault.code} at byte ${fault.at}` };
}
