/** `POST /restore`: the snapshot is spooled to disk and checked whole before anything of it is applied. */

import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { RestoreQuery, type RestoreReport } from "@hearsay/api";
import type { Exchange } from "../http/exchange.ts";
import { toProblem } from "../http/faults.ts";
import { ApiProblem } from "../http/problem.ts";
import { queryValidator } from "../http/query.ts";
import { targetQuery } from "../http/target.ts";
import { validatorOf } from "../http/validator.ts";
import { createDirectory } from "../machine/create-directory.ts";
import type { Services } from "../services.ts";
import { admitIntoEmpty, applySnapshot, type Restore, type RestoreProgress } from "../snapshot/apply.ts";

const restoreQuery = queryValidator(RestoreQuery);
const parsedQuery = validatorOf(RestoreQuery);

/** One at a time: two would undo each other's checks. */
export class RestoreRoute {
  readonly #services: Services;
  #running = false;

  constructor(services: Services) {
    this.#services = services;
  }

  async handle(exchange: Exchange): Promise<void> {
    const services = this.#services;
    services.gate.admitWrite();
    const leave = services.gate.enterScan();
    try {
      const query = targetQuery(exchange.target);
      restoreQuery.check(query);
      const checked = parsedQuery.Parse(Object.fromEntries(query));
      const revive = checked.revive === "true";
      if (revive && checked.mode !== "as-new")
        throw new ApiProblem("invalid_query", { detail: '"revive" goes with mode=as-new.' });
      refuseEncoded(exchange);
      if (checked.mode === "exact") admitIntoEmpty(services);
      if (this.#running) throw new ApiProblem("restore_running");
      const report = await this.#restore(exchange, {
        mode: checked.mode,
        dryRun: checked["dry-run"] === "true",
        revive,
      });
      services.log.info("restored", { ...report });
      exchange.json(200, report);
    } finally {
      leave();
    }
  }

  async #restore(exchange: Exchange, wanted: Omit<Restore, "path">): Promise<RestoreReport> {
    const services = this.#services;
    const path = join(services.spool, `restore-${randomUUID()}`);
    const progress: RestoreProgress = { records: 0, applied: 0, skippedHeld: 0, skippedDeleted: 0 };
    this.#running = true;
    try {
      createDirectory(services.spool);
      await spool(services, exchange, path);
      return await applySnapshot(services, { path, ...wanted }, progress);
    } catch (error) {
      throw wanted.dryRun ? error : withProgress(error, progress);
    } finally {
      await rm(path, { force: true });
      this.#running = false;
    }
  }
}

function refuseEncoded(exchange: Exchange): void {
  const encoding = exchange.headers["content-encoding"];
  if (encoding === undefined || encoding === "identity") return;
  throw new ApiProblem("unsupported_media_type", {
    detail: "A snapshot is sent as it was saved, without Content-Encoding.",
    headers: ["Accept-Encoding", "identity"],
  });
}

/** @throws ApiProblem `body_too_large`, `disk_full`, `bad_request` */
async function spool(services: Services, exchange: Exchange, path: string): Promise<void> {
  const maxBytes = services.settings["limits.maxRestoreBytes"];
  const tooLarge = new ApiProblem("body_too_large", {
    detail: `At most ${maxBytes} bytes are taken (limits.maxRestoreBytes).`,
    members: { maxBytes },
    headers: ["Connection", "close"],
  });
  if (Number(exchange.headers["content-length"] ?? 0) > maxBytes) throw tooLarge;
  let received = 0;
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      received += chunk.length;
      if (received > maxBytes) done(tooLarge);
      else done(null, chunk);
    },
  });
  try {
    await pipeline(exchange.raw, bounded, createWriteStream(path, { flags: "wx", mode: 0o600 }));
  } catch (error) {
    if (error instanceof ApiProblem) throw error;
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOSPC" || code === "EDQUOT") throw new ApiProblem("disk_full", { outcome: "none" });
    if (code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ECONNRESET") {
      throw new ApiProblem("bad_request", { detail: "The body was cut short." });
    }
    throw error;
  }
}

/** A restore that fails after it began to write says so, and how far it came. */
function withProgress(error: unknown, progress: RestoreProgress): unknown {
  if (progress.applied === 0) return error;
  const problem = toProblem(error);
  if (problem.code === "internal") return error;
  return new ApiProblem(problem.code, {
    ...problem.facts,
    outcome: "unknown",
    members: { ...problem.facts.members, applied: progress.applied },
  });
}
