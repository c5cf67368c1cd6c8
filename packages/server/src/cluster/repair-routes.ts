/** `GET /cluster/diff`, which only looks, and `POST /cluster/repair`, which exchanges now and tells how it goes. */
import { DiffQuery, type DiffReport, MEDIA_TYPES, type RepairLine, RepairRequest } from "@hearsay/api";
import { compareKeys, type HlcTime, hlcToMs, type Member, nodeName } from "@hearsay/core";
import { type ClusterMember, type ExchangeProgress, type KeyDifference, PeerFault } from "@hearsay/node";
import type { Exchange } from "../http/exchange.ts";
import { jsonBodyReader } from "../http/json-body.ts";
import { parsePageLimit, queryValidator } from "../http/query.ts";
import { isoTime } from "../http/render.ts";
import { pour } from "../http/stream.ts";
import { targetQuery } from "../http/target.ts";
import type { Services } from "../services.ts";
import { livePeerNamed, peerProblem } from "./naming.ts";

const diffQuery = queryValidator(DiffQuery);
const repairRequest = jsonBodyReader(RepairRequest);

export async function sendDiff(services: Services, exchange: Exchange): Promise<void> {
  const leave = services.gate.enterScan();
  try {
    const query = targetQuery(exchange.target);
    diffQuery.check(query);
    const { member } = services.cluster;
    const peer = livePeerNamed(member, query.get("peer") ?? "");
    const { keys, differences } = await member.repair
      .compare(peer, parsePageLimit(query.get("limit")))
      .catch((error: unknown) => {
        throw peerProblem(error, peer);
      });
    const report: DiffReport = {
      peer: peer.id,
      name: nodeName(peer.id),
      equal: keys === 0,
      keys,
      items: differences.map(diffItem).sort((a, b) => compareKeys(a.key, b.key)),
    };
    exchange.json(200, report);
  } finally {
    leave();
  }
}

function diffItem({ key, here, there }: KeyDifference): DiffReport["items"][number] {
  const iso = (time: HlcTime | null): string | null => (time === null ? null : isoTime(hlcToMs(time)));
  const newer = here === there ? "same" : (here ?? -1) > (there ?? -1) ? "here" : "there";
  return { key, newer, here: iso(here), there: iso(there) };
}

export async function postRepair(services: Services, exchange: Exchange): Promise<void> {
  const leave = services.gate.enterScan();
  try {
    const { peer } = await repairRequest(services, exchange);
    const { member } = services.cluster;
    const peers = peer === undefined ? member.membership.livePeers() : [livePeerNamed(member, peer)];
    exchange.begin(200, ["Content-Type", MEDIA_TYPES.ndjson]);
    await pour(
      exchange.response,
      texts(repairLines(member, peers)),
      services.settings["limits.slowReaderTimeoutMs"],
    );
  } finally {
    leave();
  }
}

async function* texts(lines: AsyncIterable<RepairLine>): AsyncGenerator<string> {
  for await (const line of lines) yield `${JSON.stringify(line)}\n`;
}

const NOTHING_MOVED = { keysSent: 0, keysReceived: 0, bytesSent: 0, bytesReceived: 0 };
type Moved = typeof NOTHING_MOVED;

/** One peer after the other, so that what one has is handed on to the next. */
async function* repairLines(member: ClusterMember, peers: readonly Member[]): AsyncGenerator<RepairLine> {
  let total: Moved = NOTHING_MOVED;
  let failed = 0;
  for (const peer of peers) {
    for await (const line of exchangeLines(member, peer)) {
      if (line.event === "failed") failed += 1;
      if (line.event === "done") total = sum(total, line);
      yield line;
    }
  }
  yield { event: "end", members: peers.length, failed, ...total };
}

/** Progress that comes faster than it is read is told by its newest state. An exchange runs on without a reader. */
async function* exchangeLines(member: ClusterMember, peer: Member): AsyncGenerator<RepairLine> {
  const who = { peer: peer.id, name: nodeName(peer.id) };
  yield { event: "begin", ...who };
  const now: { progress: ExchangeProgress | undefined; end: RepairLine | undefined; wake: () => void } = {
    progress: undefined,
    end: undefined,
    wake: () => undefined,
  };
  const running = outcomeLine(member, peer, (progress) => {
    now.progress = progress;
    now.wake();
  }).then((line) => {
    now.end = line;
  });
  running.catch(() => undefined);
  while (now.end === undefined) {
    const woken = new Promise<void>((resolve) => {
      now.wake = resolve;
    });
    if (now.progress === undefined) await Promise.race([woken, running]);
    if (now.progress !== undefined) yield { event: "progress", ...who, ...now.progress };
    now.progress = undefined;
  }
  yield now.end;
}

async function outcomeLine(
  member: ClusterMember,
  peer: Member,
  onProgress: (progress: ExchangeProgress) => void,
): Promise<RepairLine> {
  const who = { peer: peer.id, name: nodeName(peer.id) };
  try {
    const outcome = await member.exchange(peer, onProgress);
    return { event: "done", ...who, equal: outcome.equal, ...sum(NOTHING_MOVED, outcome) };
  } catch (error) {
    if (!(error instanceof PeerFault)) throw error;
    const { reason } = error;
    return { event: "failed", ...who, code: reason.code === "refused" ? reason.reason : reason.code };
  }
}

function sum(a: Moved, b: Moved): Moved {
  return {
    keysSent: a.keysSent + b.keysSent,
    keysReceived: a.keysReceived + b.keysReceived,
    bytesSent: a.bytesSent + b.bytesSent,
    bytesReceived: a.bytesReceived + b.bytesReceived,
  };
}
