export {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeRequest,
  type ReplyEnvelope,
  type RequestEnvelope,
  WIRE_VERSION,
  WIRE_VERSION_MIN,
  type WireFault,
} from "./messages/envelope.ts";
export { type Decoded, decodePlain, encodePlain, type Plain } from "./plain.ts";
export { SCAN_DEPTH_MAX, SCAN_MAP_KEYS_MAX, type ScanFault, type ScanLimits, scanMsgpack } from "./scan.ts";
