/** `/livez` and `/readyz`: about this process and its store, never about peers. */
import { type Readiness, ReadinessQuery } from "@hearsay/api";
import type { Exchange } from "../http/exchange.ts";
import { queryValidator } from "../http/query.ts";
import { targetQuery } from "../http/target.ts";
import type { Services } from "../services.ts";

const readinessQuery = queryValidator(ReadinessQuery);

export function livez(exchange: Exchange): void {
  exchange.json(200, { ready: true } satisfies Readiness);
}

export function readyz(services: Services, exchange: Exchange): void {
  const query = targetQuery(exchange.target);
  readinessQuery.check(query);
  const checks = services.checks();
  const ready = checks.every(({ ok, needed }) => ok || !needed);
  const shown = checks.map(({ name, ok, detail }) => ({ name, ok, detail }));
  exchange.json(ready ? 200 : 503, {
    ready,
    ...(query.has("verbose") ? { checks: shown } : {}),
  } satisfies Readiness);
}
