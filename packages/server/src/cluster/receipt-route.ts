/**
 * `GET /cluster/receipt`: which members hold a version. With `wait=all` it answers when all of them do, and otherwise
 * when the time is over; the answer then has the same form, with `everywhere` false: what was found out is an answer.
 */
import { ReceiptQuery, type ReceiptReport } from "@hearsay/api";
import { formatVersion, keyFault, parseVersion } from "@hearsay/core";
import { type Receipt, receiptOf, receiptOnceEverywhere } from "@hearsay/node";
import type { Exchange } from "../http/exchange.ts";
import { ApiProblem } from "../http/problem.ts";
import { parseTimeout, queryValidator } from "../http/query.ts";
import { targetQuery } from "../http/target.ts";
import type { Services } from "../services.ts";
import { memberRef, throughIso } from "./naming.ts";

const receiptQuery = queryValidator(ReceiptQuery);

/** Each asks all members again and again. */
const MAX_WAITING = 64;

export class ReceiptRoute {
  readonly #services: Services;
  #waiting = 0;

  constructor(services: Services) {
    this.#services = services;
  }

  async handle(exchange: Exchange): Promise<void> {
    const query = targetQuery(exchange.target);
    receiptQuery.check(query);
    const key = query.get("key") ?? "";
    if (keyFault(key) !== undefined) throw new ApiProblem("invalid_key");
    const text = query.get("version") ?? "";
    const version = parseVersion(text.replace(/^"(.*)"$/, "$1"));
    if (version === undefined) {
      throw new ApiProblem("invalid_query", {
        detail: '"version" is one that a node has given out, as in ETag.',
      });
    }
    const timeoutMs = parseTimeout(query.get("timeout"));
    const { member } = this.#services.cluster;
    const receipt = query.has("wait")
      ? await this.#waited(() =>
          receiptOnceEverywhere(member, key, version, {
            timeoutMs,
            isCancelled: () => exchange.response.destroyed,
          }),
        )
      : await receiptOf(member, key, version, timeoutMs);
    exchange.json(200, receiptReport(key, formatVersion(version), receipt));
  }

  async #waited(ask: () => Promise<Receipt>): Promise<Receipt> {
    if (this.#waiting >= MAX_WAITING) {
      throw new ApiProblem("overloaded", { detail: `${this.#waiting} requests wait for receipts.` });
    }
    this.#waiting += 1;
    try {
      return await ask();
    } finally {
      this.#waiting -= 1;
    }
  }
}

function receiptReport(key: string, version: string, receipt: Receipt): ReceiptReport {
  return {
    key,
    version,
    everywhere: receipt.everywhere,
    complete: receipt.complete,
    watermark: throughIso(receipt.watermark),
    holders: receipt.holders.map(memberRef),
    lacking: receipt.lacking.map(memberRef),
    unknown: receipt.unknown.map(memberRef),
  };
}
