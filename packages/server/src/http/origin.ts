import type { IncomingHttpHeaders } from "node:http";
import { ApiProblem } from "./problem.ts";

/**
 * A page of any origin may have a browser send POSTs of simple types to any address, that of a node on the reader's own
 * machine included, and need not see the answer to have done harm. Browsers say where a request comes from (Fetch
 * Metadata, W3C; older ones by Origin, RFC 6454), programs say nothing.
 * @throws ApiProblem `cross_origin`
 */
export function refuseForeignPages(headers: IncomingHttpHeaders): void {
  const site = headers["sec-fetch-site"];
  const { origin, host } = headers;
  if (site === undefined && origin === undefined) return;
  const isOwn =
    site === undefined
      ? origin?.replace(/^https?:\/\//, "") === host
      : site === "same-origin" || site === "none";
  if (!isOwn)
    throw new ApiProblem("cross_origin", { detail: `The page is of ${origin ?? "another origin"}.` });
}
