/**
 * By what name a page in a browser reached a node that only its own machine can reach.
 *
 * Whoever owns a name can have it lead to 127.0.0.1 once his page is loaded (DNS rebinding). To the browser page and node then
 * are one origin, so that it lets the page read and write; but it names the host, which no page can change (RFC 9110, section
 * 7.2). Programs are not asked: one that reaches the node here runs on this machine, or behind a proxy on it that may hand on the
 * name it was called by. docs/decisions/0015 has what else was possible.
 */
import type { IncomingHttpHeaders } from "node:http";
import { isIP, type Socket } from "node:net";
import { ApiProblem } from "./problem.ts";

/** Hosts as they were given that are remembered as known; clients use few. */
const REMEMBERED_MAX = 64;

export class HostCheck {
  readonly #names: ReadonlySet<string>;
  readonly #takesAll: boolean;
  readonly #remembered: Set<string> = new Set();

  /** @param names of the node beside localhost and addresses; `*` for every name */
  constructor(names: readonly string[]) {
    this.#names = new Set(names.map((name) => name.toLowerCase()));
    this.#takesAll = this.#names.has("*");
  }

  /**
   * @param socket that the request came over
   * @throws ApiProblem `host_refused`
   */
  admit(headers: IncomingHttpHeaders, socket: Pick<Socket, "localAddress">): void {
    const { host } = headers;
    if (host === undefined || this.#takesAll || this.#remembered.has(host)) return;
    if (this.#isKnown(host)) {
      if (this.#remembered.size >= REMEMBERED_MAX) this.#remembered.clear();
      this.#remembered.add(host);
      return;
    }
    if (!isLoopback(socket.localAddress) || !isOfBrowser(headers)) return;
    throw new ApiProblem("host_refused", { detail: `The page calls this node ${JSON.stringify(host)}.` });
  }

  #isKnown(host: string): boolean {
    const name = host.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
    if (isIP(name.replace(/^\[(.*)\]$/, "$1")) > 0) return true;
    return name === "localhost" || name.endsWith(".localhost") || this.#names.has(name);
  }
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && /^(?:::ffff:)?127\.|^::1$/.test(address);
}

/**
 * A page can alter some of these, but take away none. Fetch Metadata is not sent to a name that is not trusted; of what
 * programs send, that of Node's fetch looks most like a browser's, and has one of its headers alone.
 */
function isOfBrowser(headers: IncomingHttpHeaders): boolean {
  if (headers.origin !== undefined || headers["sec-fetch-site"] !== undefined) return true;
  if (headers["user-agent"]?.startsWith("Mozilla/")) return true;
  return headers["accept-language"] !== undefined && headers["sec-fetch-mode"] === undefined;
}
