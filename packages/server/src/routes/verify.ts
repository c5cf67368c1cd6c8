/**
 * `GET /verify`: whether this node's records, index and fingerprints agree, while it is in use. `POST /verify?repair=true`
 * also has what is damaged fetched from the others.
 */
import { setTimeout as pause } from "node:timers/promises";
import { MEDIA_TYPES, type VerifyLine, VerifyQuery, VerifyRepairQuery } from "@hearsay/api";
import { PeerFault } from "@hearsay/node";
import { StoreError, VERIFY_MAX_LISTED, type VerifyReport } from "@hearsay/store";
import type { Exchange } from "../http/exchange.ts";
import { queryValidator } from "../http/query.ts";
import { pour } from "../http/stream.ts";
import { targetQuery } from "../http/target.ts";
import type { Services } from "../services.ts";

const verifyQuery = queryValidator(VerifyQuery);
const verifyRepairQuery = queryValidator(VerifyRepairQuery);

const PROGRESS_INTERVAL_MS = 200;

interface Wish {
  readonly deep: boolean;
  readonly repair: boolean;
}

/** Only looks. What it finds damaged is set aside, as by any read. */
export async function getVerify(services: Services, exchange: Exchange): Promise<void> {
  const query = targetQuery(exchange.target);
  verifyQuery.check(query);
  await sendLines(services, exchange, { deep: query.get("deep") === "true", repair: false });
}

export async function postVerify(services: Services, exchange: Exchange): Promise<void> {
  const query = targetQuery(exchange.target);
  verifyRepairQuery.check(query);
  const wish = { deep: query.get("deep") === "true", repair: query.get("repair") === "true" };
  await sendLines(services, exchange, wish);
}

async function sendLines(services: Services, exchange: Exchange, wish: Wish): Promise<void> {
  const leave = services.gate.enterScan();
  try {
    exchange.begin(200, ["Content-Type", MEDIA_TYPES.ndjson]);
    const lines = texts(verifyLines(services, wish));
    await pour(exchange.response, lines, services.settings["limits.slowReaderTimeoutMs"]);
  } finally {
    leave();
  }
}

async function* texts(lines: AsyncIterable<VerifyLine>): AsyncGenerator<string> {
  for await (const line of lines) yield `${JSON.stringify(line)}\n`;
}

async function* verifyLines(services: Services, { deep, repair }: Wish): AsyncGenerator<VerifyLine> {
  const { store } = services;
  const now: { entries: number; done: boolean; left: boolean } = { entries: 0, done: false, left: false };
  const running = store
    .verify({
      deep,
      onProgress: (entries) => {
        if (now.left) throw new Error("Nobody waits for it any more.");
        now.entries = entries;
      },
    })
    .then(
      (report) => ({ report }),
      (error: unknown) => ({ error }),
    )
    .finally(() => {
      now.done = true;
    });
  try {
    while (!now.done) {
      await Promise.race([running, pause(PROGRESS_INTERVAL_MS)]);
      if (!now.done) yield { event: "progress", entries: now.entries };
    }
  } finally {
    // A reader that has gone leaves the loop by its yield.
    now.left = true;
  }
  const ended = await running;
  if ("error" in ended) {
    yield failedLine(ended.error);
    return;
  }
  const { report } = ended;
  const damaged = await store.damaged(VERIFY_MAX_LISTED);
  const isSound = report.consistent && report.damaged === 0;
  yield {
    event: "end",
    ...report,
    differingKeys: [...report.differingKeys],
    damagedKeys: damaged.map(({ key }) => key),
    repair: repair && !isSound ? await repaired(services, report) : null,
  };
}

function failedLine(error: unknown): VerifyLine {
  if (!(error instanceof StoreError)) throw error;
  return { event: "failed", code: error.fault.code, detail: error.message };
}

/** Damaged records are missing from the listings, so an exchange fetches them as it does any that are missing. */
async function repaired(
  services: Services,
  report: VerifyReport,
): Promise<Extract<VerifyLine, { event: "end" }>["repair"]> {
  const member = services.cluster.attached;
  const peers = report.damaged === 0 ? [] : (member?.membership.livePeers() ?? []);
  let failed = 0;
  for (const peer of peers) {
    try {
      await member?.exchange(peer);
    } catch (error) {
      if (!(error instanceof PeerFault)) throw error;
      failed += 1;
    }
  }
  if (!report.consistent) services.restart("accounts_differ");
  const { damaged } = services.store.stats();
  return { exchanges: peers.length, failed, damaged, restarting: !report.consistent };
}
