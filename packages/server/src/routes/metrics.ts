import type { Exchange } from "../http/exchange.ts";
import type { Services } from "../services.ts";

/** `GET /metrics`, in the text format of Prometheus. */
export async function sendMetrics(services: Services, exchange: Exchange): Promise<void> {
  const { contentType, body } = await services.metrics();
  exchange.send(200, ["Content-Type", contentType, "Content-Length", String(Buffer.byteLength(body))], body);
}
