/** Plain values as MessagePack: the one place that calls the codec, and only on bytes that were scanned. */
import { Packr } from "msgpackr";
import { type ScanFault, type ScanLimits, scanMsgpack } from "./scan.ts";

/**
 * What a message is made of. Texts must be well-formed Unicode, which the codec does not check. Arrays are cheaper than maps,
 * which are there for what clients send.
 */
export type Plain =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Plain[]
  | { readonly [key: string]: Plain };

export type Decoded = { readonly value: unknown } | { readonly fault: ScanFault };

// Records are a MessagePack extension of the codec's own, which the scanner refuses.
const codec = new Packr({ useRecords: false, int64AsType: "number" });

export function encodePlain(value: Plain): Uint8Array {
  return codec.pack(value);
}

/** Scans, then decodes. Binaries in the value are views into `bytes`: copy what outlives them. */
export function decodePlain(bytes: Uint8Array, limits: ScanLimits): Decoded {
  const fault = scanMsgpack(bytes, limits);
  return fault === undefined ? { value: codec.unpack(bytes) } : { fault };
}
