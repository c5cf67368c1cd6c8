/**
 * `PUT` and `DELETE /kv/{key}`. Everything up to the commit happens in one synchronous turn, once the body is there. In that
 * turn it is asked again whether this node takes writes: one that has begun to leave meanwhile hands over no more.
 */
import { WriteQuery } from "@hearsay/api";
import { formatVersion, hlcToMs, isLive, type KeyRecord, winner } from "@hearsay/core";
import type { Content, Written } from "@hearsay/node";
import { type BodyLimit, readBody } from "../http/body.ts";
import { checkConditions, hasConditions } from "../http/conditions.ts";
import type { Exchange } from "../http/exchange.ts";
import { ApiProblem } from "../http/problem.ts";
import { clockDrift } from "../http/problems-of-node.ts";
import { type AckWish, isContentType, parseAck, parseSeen, parseTtl, queryValidator } from "../http/query.ts";
import { contextText, etagOf } from "../http/render.ts";
import { parseKeyTarget } from "../http/target.ts";
import type { Services } from "../services.ts";

const writeQuery = queryValidator(WriteQuery);

interface Wishes {
  readonly ttlMs: number | null;
  readonly ack: AckWish | undefined;
}

const NO_WISHES: Wishes = { ttlMs: null, ack: undefined };

/** What was found in parameters that requests share, and for how many members. */
const checked = new WeakMap<
  ReadonlyMap<string, string>,
  { readonly members: number; readonly wishes: Wishes }
>();

export function putKey(services: Services, exchange: Exchange): void {
  services.gate.admitWrite();
  services.cluster.admitWrite();
  const { key, parameters } = parseKeyTarget(exchange.target);
  const wishes = parameters === undefined ? NO_WISHES : parseWishes(parameters, services.cluster.size);
  const contentType = storedContentType(exchange);
  const limit: BodyLimit = {
    maxBytes: services.settings["limits.maxValueBytes"],
    knob: "limits.maxValueBytes",
  };
  readBody(exchange.raw, limit, services.budget, (problem, bytes, taken) => {
    if (problem !== undefined) {
      exchange.fail(problem);
      return;
    }
    const content: Content = { kind: "value", bytes, contentType, ttlMs: wishes.ttlMs };
    writeAndAnswer(services, exchange, { key, content, taken, ack: wishes.ack });
  });
}

export function deleteKey(services: Services, exchange: Exchange): void {
  services.gate.admitWrite();
  services.cluster.admitWrite();
  const { key, parameters } = parseKeyTarget(exchange.target);
  const wishes = parameters === undefined ? NO_WISHES : parseWishes(parameters, services.cluster.size);
  if (wishes.ttlMs !== null) throw new ApiProblem("invalid_query", { detail: '"ttl" is for values only.' });
  writeAndAnswer(services, exchange, { key, content: { kind: "tombstone" }, taken: 0, ack: wishes.ack });
}

function parseWishes(parameters: ReadonlyMap<string, string>, members: number): Wishes {
  const known = checked.get(parameters);
  if (known?.members === members) return known.wishes;
  writeQuery.check(parameters);
  const wishes = { ttlMs: parseTtl(parameters.get("ttl")), ack: parseAck(parameters, members) };
  checked.set(parameters, { members, wishes });
  return wishes;
}

const OCTETS = "application/octet-stream";

function storedContentType(exchange: Exchange): string {
  const { headers } = exchange;
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    throw new ApiProblem("unsupported_media_type", {
      detail:
        "Content-Encoding would be lost: send the value as it is to be read, or name the encoding in its type.",
      headers: ["Accept-Encoding", "identity"],
    });
  }
  // A partial PUT would replace the whole value by the part (RFC 9110, section 14.5).
  if (headers["content-range"] !== undefined) {
    throw new ApiProblem("invalid_header", { detail: "Values are written whole, without Content-Range." });
  }
  const contentType = headers["content-type"];
  if (contentType === undefined || contentType === "") return OCTETS;
  if (!isContentType(contentType)) {
    throw new ApiProblem("invalid_header", {
      detail: "Content-Type is longer than 255 bytes, or not printable.",
    });
  }
  return contentType;
}

interface KeyWrite {
  readonly key: string;
  readonly content: Content;
  /** Bytes of the body, to release from the budget once the write is settled. */
  readonly taken: number;
  readonly ack: AckWish | undefined;
}

function writeAndAnswer(services: Services, exchange: Exchange, write: KeyWrite): void {
  let written: Written;
  try {
    written = writeNow(services, exchange, write);
  } catch (error) {
    services.budget.release(write.taken);
    exchange.fail(error);
    return;
  }
  const timer = write.ack === undefined ? undefined : setTimeout(giveUp, write.ack.timeoutMs, exchange);
  written.committed.then(
    () => {
      clearTimeout(timer);
      services.budget.release(write.taken);
      const { ack } = write;
      if (ack !== undefined && ack.needed > 1) {
        answerWhenHeld(services, exchange, { write, ack, written });
        return;
      }
      services.cluster.spread(write.key);
      answerWritten(services, exchange, write, { written, acks: 1 });
    },
    (error: unknown) => {
      clearTimeout(timer);
      services.budget.release(write.taken);
      exchange.fail(error);
    },
  );
}

function giveUp(exchange: Exchange): void {
  exchange.fail(new ApiProblem("ack_timeout", { members: { acks: 0 } }));
}

function answerWhenHeld(
  services: Services,
  exchange: Exchange,
  { write, ack, written }: { write: KeyWrite; ack: AckWish; written: Written },
): void {
  const { needed, timeoutMs } = ack;
  services.cluster.acknowledged(write.key, written.version, needed, timeoutMs).then(
    ({ holders }) => {
      if (holders >= services.cluster.enoughFor(ack))
        answerWritten(services, exchange, write, { written, acks: holders });
      else exchange.fail(new ApiProblem("ack_timeout", { members: { acks: holders } }));
    },
    (error: unknown) => exchange.fail(error),
  );
}

function writeNow(services: Services, exchange: Exchange, write: KeyWrite): Written {
  const { headers } = exchange;
  services.cluster.admitWrite();
  if (hasConditions(headers)) {
    const verdict = checkConditions(headers, currentOf(services, services.node.latest(write.key)), "write");
    if (verdict !== "proceed") throw new ApiProblem("precondition_failed");
  }
  const written = services.node.write(write.key, write.content, parseSeen(headers["hearsay-context"]));
  if ("code" in written) throw clockDrift(written);
  return written;
}

function currentOf(
  services: Services,
  record: KeyRecord | undefined,
): { etag: string; modifiedMs: number } | undefined {
  if (record === undefined) return undefined;
  const sibling = winner(record);
  if (!isLive(sibling, services.clock.nowMs())) return undefined;
  return { etag: etagOf(sibling.version), modifiedMs: hlcToMs(sibling.version.time) };
}

interface Outcome {
  readonly written: Written;
  /** Replicas that durably hold it. */
  readonly acks: number;
}

function answerWritten(
  services: Services,
  exchange: Exchange,
  write: KeyWrite,
  { written, acks }: Outcome,
): void {
  const version = formatVersion(written.version);
  const context = contextText(written.context, written.version, version);
  // Versions and contexts are plain ASCII without quotes; only the key needs escaping.
  const body = `{"key":${JSON.stringify(write.key)},"version":"${version}","context":"${context}","acks":${acks}}`;
  const { previous } = written;
  const replaced = previous !== undefined && isLive(winner(previous), services.clock.nowMs());
  const status = write.content.kind === "value" && !replaced ? 201 : 200;
  exchange.jsonText(status, body, ["ETag", `"${version}"`]);
}
