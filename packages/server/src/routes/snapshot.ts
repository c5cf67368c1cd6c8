/** `GET /snapshot`: a consistent stream of all records, with a checksum trailer. */
import { MEDIA_TYPES } from "@hearsay/api";
import type { Exchange } from "../http/exchange.ts";
import { refuseParameters } from "../http/query.ts";
import { pour } from "../http/stream.ts";
import type { Services } from "../services.ts";

export async function sendSnapshot(services: Services, exchange: Exchange): Promise<void> {
  refuseParameters(exchange.target);
  const leave = services.gate.enterScan();
  try {
    const day = new Date(services.clock.nowMs()).toISOString().slice(0, 10);
    const file = `hearsay-${services.settings.cluster}-${day}.snapshot`;
    exchange.begin(200, [
      "Content-Type",
      MEDIA_TYPES.snapshot,
      "Content-Disposition",
      `attachment; filename="${file}"`,
    ]);
    await pour(exchange.response, services.store.snapshot(), services.settings["limits.slowReaderTimeoutMs"]);
  } finally {
    leave();
  }
}
