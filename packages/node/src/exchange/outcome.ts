/** What an exchange has done, for the side that asked. */
import type { HlcTime } from "@hearsay/core";

export interface ExchangeOutcome {
  readonly equal: boolean;
  /** Whether the exchange proved anything; false when a retirement was adopted meanwhile. */
  readonly concluded: boolean;
  /** The peer is not itself leaving. */
  readonly staying: boolean;
  readonly keysSent: number;
  readonly keysReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** The peer durably holds or covers what this node did when its clock read this. */
  readonly offered: HlcTime;
}

/** How far an exchange is. Keys and bytes as in {@link ExchangeOutcome}. */
export interface ExchangeProgress {
  readonly keysSent: number;
  readonly keysReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Keys known to differ that are still to be sent or asked for. */
  readonly keysLeft: number;
}
