/**
 * The request target, read byte for byte. URL libraries decode `%2F`, rewrite `.` and `..` and replace invalid
 * UTF-8; a key has to come through as it was written, so nothing here goes through them.
 *
 * A key is everything between `/kv/` and the query, slashes included, percent-decoded to bytes that have to be
 * valid UTF-8.
 */
import { LIMITS } from "@hearsay/api";
import { decodeUtf8, keyFault } from "@hearsay/core";
import { ApiProblem } from "./problem.ts";

const KEY_PATH = "/kv/";
const LIST_PATH = "/kv";
/** What router and OpenAPI know the key route by: the router never sees a key, so it cannot decode one. */
export const KEY_ROUTE = "/kv/:key";
const KEY_ROUTE_TARGET = "/kv/key";

/** Keys of Consul's KV API, below its own path. */
const CONSUL_KEY_PATH = "/v1/kv/";
export const CONSUL_KEY_ROUTE = "/v1/kv/:key";
const CONSUL_KEY_ROUTE_TARGET = "/v1/kv/key";

const NOT_PLAIN = /[^!"$&-~]/;
const KEY_PARAMETER = /[?&]key(=|&|$)/;

/** Takes the key out of a request target before it is routed. */
export function routedTarget(target: string): string {
  if (target.startsWith(KEY_PATH)) return KEY_ROUTE_TARGET;
  if (target.startsWith("/")) {
    if (target.startsWith(CONSUL_KEY_PATH)) return CONSUL_KEY_ROUTE_TARGET;
    if (target.startsWith("/kv?") && KEY_PARAMETER.test(target)) return KEY_ROUTE_TARGET;
    return target;
  }
  const origin = originForm(target);
  return origin === target ? target : routedTarget(origin);
}

/** `http://host/path`, which a server has to accept (RFC 9112, section 3.2.2), without its first part. */
function originForm(target: string): string {
  const match = /^https?:\/\/[^/?#]*/i.exec(target);
  if (match === null) return target;
  const rest = target.slice(match[0].length);
  return rest.startsWith("/") ? rest : `/${rest}`;
}

export interface KeyTarget {
  readonly key: string;
  /**
   * Of the query, without `key`; undefined when there is no query, which is what most requests have. Requests with the
   * same query may share it.
   */
  readonly parameters: ReadonlyMap<string, string> | undefined;
}

/** @throws ApiProblem `invalid_key`, `invalid_query`, `uri_too_long` */
export function parseKeyTarget(raw: string): KeyTarget {
  if (raw.length > LIMITS.urlMaxBytes) throw new ApiProblem("uri_too_long");
  const target = raw.startsWith("/") ? raw : originForm(raw);
  const mark = target.indexOf("?");
  const path = mark === -1 ? target : target.slice(0, mark);
  if (path === LIST_PATH) {
    const parameters = parseQuery(target.slice(path.length + 1));
    const key = checkedKey(parameters.get("key") ?? "");
    parameters.delete("key");
    return { key, parameters };
  }
  const parameters = mark === -1 ? undefined : rememberedQuery(target.slice(mark + 1));
  const inQuery = parameters?.get("key");
  if (inQuery !== undefined) throw new ApiProblem("invalid_query", { detail: "The key is given twice." });
  const text = path.slice(KEY_PATH.length);
  return { key: checkedKey(NOT_PLAIN.test(text) ? decodePercent(text, KEY_SYNTAX) : text), parameters };
}

/**
 * What stands behind `/v1/kv/`, which may be empty or a prefix, and the query.
 * @throws ApiProblem `invalid_key`, `invalid_query`, `uri_too_long`
 */
export function parseConsulTarget(raw: string): Required<KeyTarget> {
  if (raw.length > LIMITS.urlMaxBytes) throw new ApiProblem("uri_too_long");
  const target = raw.startsWith("/") ? raw : originForm(raw);
  const mark = target.indexOf("?");
  const text = (mark === -1 ? target : target.slice(0, mark)).slice(CONSUL_KEY_PATH.length);
  const key = text === "" ? "" : checkedKey(decodePercent(text, KEY_SYNTAX));
  return { key, parameters: parseQuery(mark === -1 ? "" : target.slice(mark + 1)) };
}

function checkedKey(key: string): string {
  const fault = keyFault(key);
  if (fault === undefined) return key;
  const detail = {
    empty: "The key is empty.",
    too_long: `The key is longer than ${LIMITS.keyMaxBytes} bytes.`,
    not_utf8: "The key is not valid UTF-8.",
  }[fault];
  throw new ApiProblem("invalid_key", { detail });
}

interface PercentSyntax {
  readonly code: "invalid_key" | "invalid_query";
  readonly what: string;
  readonly plusIsSpace: boolean;
}

const KEY_SYNTAX: PercentSyntax = { code: "invalid_key", what: "The key", plusIsSpace: false };
const QUERY_SYNTAX: PercentSyntax = { code: "invalid_query", what: "The query", plusIsSpace: true };

function decodePercent(text: string, syntax: PercentSyntax): string {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    let byte = text.charCodeAt(at);
    if (byte === 0x25) {
      const digits = text.slice(at + 1, at + 3);
      if (!/^[0-9A-Fa-f]{2}$/.test(digits)) {
        throw new ApiProblem(syntax.code, { detail: `${syntax.what} has a bad percent escape at ${at}.` });
      }
      byte = Number.parseInt(digits, 16);
      at += 2;
    } else if (byte === 0x23 || byte < 0x21 || byte > 0x7e) {
      throw new ApiProblem(syntax.code, {
        detail: `${syntax.what} has a character that needs escaping at ${at}.`,
      });
    } else if (byte === 0x2b && syntax.plusIsSpace) {
      byte = 0x20;
    }
    bytes[length++] = byte;
  }
  const decoded = decodeUtf8(bytes.subarray(0, length));
  if (decoded === undefined)
    throw new ApiProblem(syntax.code, { detail: `${syntax.what} is not valid UTF-8.` });
  return decoded;
}

/** A client that says how it wants its writes says it with each of them. */
const REMEMBERED_MAX = 64;
const REMEMBERED_MAX_LENGTH = 128;
const remembered = new Map<string, ReadonlyMap<string, string>>();

/** The same parameters for the same text, as long as it is remembered. */
function rememberedQuery(query: string): ReadonlyMap<string, string> {
  const known = remembered.get(query);
  if (known !== undefined) return known;
  const parameters = parseQuery(query);
  if (query.length > REMEMBERED_MAX_LENGTH) return parameters;
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(query, parameters);
  return parameters;
}

/** Parameters of a query by name, decoded as strictly as keys. A name given twice is refused, not guessed about. */
function parseQuery(query: string): Map<string, string> {
  const parameters = new Map<string, string>();
  if (query === "") return parameters;
  for (const pair of query.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decodePercent(equals === -1 ? pair : pair.slice(0, equals), QUERY_SYNTAX);
    const value = equals === -1 ? "" : decodePercent(pair.slice(equals + 1), QUERY_SYNTAX);
    if (parameters.has(name)) throw new ApiProblem("invalid_query", { detail: `"${name}" is given twice.` });
    parameters.set(name, value);
  }
  return parameters;
}

/** The query of a target that is not a key's. @throws ApiProblem `invalid_query`, `uri_too_long` */
export function targetQuery(raw: string): Map<string, string> {
  if (raw.length > LIMITS.urlMaxBytes) throw new ApiProblem("uri_too_long");
  const mark = raw.indexOf("?");
  return parseQuery(mark === -1 ? "" : raw.slice(mark + 1));
}
