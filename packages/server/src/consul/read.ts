/** `GET /v1/kv/{key}`: a key, or all that begin with it. */
import type { Exchange } from "../http/exchange.ts";
import { pour } from "../http/stream.ts";
import { parseConsulTarget } from "../http/target.ts";
import { scanWhole } from "../routes/scan-whole.ts";
import { enterWatch } from "../routes/watch.ts";
import type { Services } from "../services.ts";
import type { Target } from "../watch/waiters.ts";
import { ConsulRefusal, indexHeaders } from "./answers.ts";
import { type Indexes, type Newest, parseBlock } from "./blocking.ts";
import { type Entry, entryJson, entryOf } from "./entry.ts";
import { contactOf, demandLeader } from "./leadership.ts";

/** Records read at one time. */
const SCAN_ENTRIES = 256;

export async function readConsulKey(services: Services, indexes: Indexes, exchange: Exchange): Promise<void> {
  services.gate.admitRead();
  const { key, parameters = new Map<string, string>() } = parseConsulTarget(exchange.target);
  const isList = parameters.has("keys");
  const isPrefix = isList || parameters.has("recurse");
  if (key === "" && !isPrefix) throw new ConsulRefusal(400, "Missing key name");
  if (!parameters.has("stale")) demandLeader(services);
  const target: Target = { key, isPrefix };
  const index = await settledIndex(services, indexes, exchange, target, parameters);
  if (exchange.response.destroyed) return;
  const headers = indexHeaders(index, contactOf(services));
  // Consul's own API had the word misspelt at first, and takes both.
  const separator = parameters.get("separator") ?? parameters.get("seperator") ?? "";
  if (isList) await sendKeys(services, exchange, key, separator, headers);
  else await sendEntries(services, exchange, target, parameters.has("raw") && !isPrefix, headers);
}

/** The index of what is there, after the wait that was asked for. */
async function settledIndex(
  services: Services,
  indexes: Indexes,
  exchange: Exchange,
  target: Target,
  parameters: ReadonlyMap<string, string>,
): Promise<number> {
  const block = parseBlock(parameters);
  if (block === undefined) return indexes.of(target);
  const leave = enterWatch(services);
  try {
    return await indexes.after(target, block, await newestOf(services, target), exchange.response);
  } finally {
    leave();
  }
}

/** Without its value, which would be kept for as long as the wait. */
async function newestOf(services: Services, target: Target): Promise<Newest | undefined> {
  let newest: Newest | undefined;
  for await (const { key, modifyIndex } of entries(services, target)) {
    if (newest === undefined || modifyIndex > newest.modifyIndex) newest = { key, modifyIndex };
  }
  return newest;
}

async function sendEntries(
  services: Services,
  exchange: Exchange,
  target: Target,
  isRaw: boolean,
  headers: readonly string[],
): Promise<void> {
  const found = entries(services, target);
  const first = await found.next();
  if (first.done === true) return exchange.send(404, [...headers, "Content-Length", "0"], undefined);
  if (isRaw) {
    const { bytes } = first.value;
    const raw = ["Content-Type", "text/plain", "Content-Length", String(bytes.length)];
    // A browser is not to run what somebody has stored.
    raw.push("Content-Security-Policy", "sandbox", "X-Content-Type-Options", "nosniff");
    return exchange.send(200, [...headers, ...raw], bytes);
  }
  await sendArray(services, exchange, headers, first.value, found, entryJson);
}

async function sendKeys(
  services: Services,
  exchange: Exchange,
  prefix: string,
  separator: string,
  headers: readonly string[],
): Promise<void> {
  const found = keys(services, prefix, separator);
  const first = await found.next();
  if (first.done === true) {
    // There always is a root, which may be empty.
    if (prefix === "") {
      const empty = ["Content-Type", "application/json", "Content-Length", "2"];
      return exchange.send(200, [...headers, ...empty], "[]");
    }
    return exchange.send(404, [...headers, "Content-Length", "0"], undefined);
  }
  await sendArray(services, exchange, headers, first.value, found, JSON.stringify);
}

/** @param rest follows the first, and is ended in any case: the reader may be gone before it begins */
async function sendArray<T>(
  services: Services,
  exchange: Exchange,
  headers: readonly string[],
  first: T,
  rest: AsyncGenerator<T>,
  toJson: (item: T) => string,
): Promise<void> {
  exchange.begin(200, [...headers, "Content-Type", "application/json"]);
  const parts = async function* (): AsyncGenerator<string> {
    try {
      yield `[${toJson(first)}`;
      for await (const item of rest) yield `,${toJson(item)}`;
      yield "]";
    } finally {
      await rest.return(undefined);
    }
  };
  await pour(exchange.response, parts(), services.settings["limits.slowReaderTimeoutMs"]);
}

/** Keys up to and with the first separator behind the prefix, each once. */
async function* keys(services: Services, prefix: string, separator: string): AsyncGenerator<string> {
  let last: string | undefined;
  for await (const { key } of entries(services, { key: prefix, isPrefix: true })) {
    const at = separator === "" ? -1 : key.indexOf(separator, prefix.length);
    const shown = at === -1 ? key : key.slice(0, at + separator.length);
    if (shown !== last) yield shown;
    last = shown;
  }
}

export async function* entries(services: Services, { key, isPrefix }: Target): AsyncGenerator<Entry> {
  const { clock, node, store, gate } = services;
  if (!isPrefix) {
    const entry = entryOf(key, node.get(key), clock.nowMs());
    if (entry !== undefined) yield entry;
    return;
  }
  const leave = gate.enterScan();
  try {
    let after: string | undefined;
    do {
      const chunk = await scanWhole(store, { prefix: key, after, limit: SCAN_ENTRIES });
      for (const found of chunk.entries) {
        const entry = entryOf(found.key, found.record, clock.nowMs());
        if (entry !== undefined) yield entry;
      }
      after = chunk.next;
    } while (after !== undefined);
  } finally {
    leave();
  }
}
