/** What an error of `fetch` says of the connection it failed by. */

/** System calls of Node's fetch before there is a connection. */
const CONNECTING = new Set(["connect", "getaddrinfo"]);

/** Errors of it before a request is sent: no connection in time, or a certificate that is refused. */
const NEVER_CONNECTED = new Set([
  "UND_ERR_CONNECT_TIMEOUT",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "CERT_REVOKED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);

/** Fetch asks nothing of ports that belong to other protocols. */
const BAD_PORT = "bad port";
const TLS_NEVER_CAME = "Client network socket disconnected before secure TLS connection was established";

/**
 * Whether nothing was sent for certain. Of other failures of TLS Node does not say whether they came before the request or
 * after it, and a browser does not say why a connection failed: then it may have been sent.
 */
export function neverConnected(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { cause } = error;
  // Of a name with several addresses, each of which was tried.
  if (cause instanceof AggregateError) return true;
  if (!(cause instanceof Error)) return false;
  if ("syscall" in cause && CONNECTING.has(String(cause.syscall))) return true;
  const isKnown = NEVER_CONNECTED.has(causeCode(error) ?? "");
  return isKnown || cause.message === BAD_PORT || cause.message === TLS_NEVER_CAME;
}

function causeCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !(error.cause instanceof Error)) return undefined;
  const code: unknown = "code" in error.cause ? error.cause.code : undefined;
  return typeof code === "string" ? code : undefined;
}

function causeMessage(error: unknown): string | undefined {
  return error instanceof Error && error.cause instanceof Error ? error.cause.message : undefined;
}

/** In the words of what it was caused by, where fetch tells. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (causeMessage(error) === BAD_PORT) return "its port belongs to another protocol, and fetch refuses it";
  return error.cause instanceof Error ? (causeCode(error) ?? error.cause.message) : error.message;
}
