/**
 * Which addresses this node talks to as peers. Addresses come from other nodes, so without a bound a peer could
 * make this node send requests to whatever it can reach.
 */
import { type LookupAddress, type LookupAllOptions, lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { SWIM_DEFAULTS } from "@hearsay/core";

/**
 * Never peers: link-local (where clouds keep their metadata services), unspecified, multicast and broadcast; link-local also
 * as IPv6 has it within its own addresses: IPv4-compatible (RFC 4291, 2.5.5.1), NAT64 (RFC 6052) and 6to4 (RFC 3056).
 */
const NEVER: readonly (readonly [string, number, "ipv4" | "ipv6"])[] = [
  ["169.254.0.0", 16, "ipv4"],
  ["0.0.0.0", 8, "ipv4"],
  ["224.0.0.0", 4, "ipv4"],
  ["255.255.255.255", 32, "ipv4"],
  ["fe80::", 10, "ipv6"],
  ["ff00::", 8, "ipv6"],
  ["::", 128, "ipv6"],
  ["::169.254.0.0", 112, "ipv6"],
  ["64:ff9b::169.254.0.0", 112, "ipv6"],
  ["2002:a9fe::", 32, "ipv6"],
];

export class AddressRefused extends Error {
  readonly code = "peer_address_refused";
  readonly address: string;

  constructor(address: string) {
    super(`${address} is outside the ranges peers may have`);
    this.name = "AddressRefused";
    this.address = address;
  }
}

/** Addresses whose verdict is remembered: as many as a member table holds. Reaching it forgets all of them. */
const VERDICTS_MAX: number = SWIM_DEFAULTS.membersMax;

type NameLookup = (
  name: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void;

export class AddressPolicy {
  readonly #never: BlockList = new BlockList();
  readonly #allowed: BlockList = new BlockList();
  /** Origins of addresses that were found allowed. Judging one costs as much as encoding a message to it. */
  readonly #origins: Map<string, string> = new Map();

  /** What names are asked of, each time a connection is opened: neither it nor this remembers where one leads. */
  readonly #names: NameLookup;

  /** @param ranges in CIDR notation, as `parseRange` accepts */
  constructor(ranges: readonly string[], names: NameLookup = lookup) {
    this.#names = names;
    for (const [net, prefix, family] of NEVER) this.#never.addSubnet(net, prefix, family);
    for (const range of ranges) {
      const parsed = parseRange(range);
      if (parsed !== undefined) this.#allowed.addSubnet(parsed.net, parsed.prefix, parsed.family);
    }
  }

  /** Addresses whose origin is remembered. */
  get remembered(): number {
    return this.#origins.size;
  }

  /** @param ip a literal address */
  allows(ip: string): boolean {
    const family = isIP(ip) === 6 ? "ipv6" : "ipv4";
    return !this.#never.check(ip, family) && this.#allowed.check(ip, family);
  }

  /**
   * The origin that a peer's `HOST:PORT` stands for. The host is judged as a URL has it, where `2852039166` and
   * `0xa9fe.43518` are 169.254.169.254 like any other way to write it. Names are judged when they are looked up.
   * @throws AddressRefused when the host is a literal address that is refused, or the text is no address
   */
  origin(address: string): string {
    const known = this.#origins.get(address);
    if (known !== undefined) return known;
    const origin = this.#judge(address);
    if (this.#origins.size >= VERDICTS_MAX) this.#origins.clear();
    this.#origins.set(address, origin);
    return origin;
  }

  #judge(address: string): string {
    const url = URL.canParse(`http://${address}`) ? new URL(`http://${address}`) : undefined;
    // A URL leaves out tabs, line ends and spaces at its ends.
    const isHostAndPort = url?.href === `${url?.origin}/` && /^\S+:\d{1,5}$/.test(address);
    if (url === undefined || !isHostAndPort) throw new AddressRefused(address);
    const host = url.hostname.replace(/^\[|\]$/g, "");
    if (isIP(host) !== 0 && !this.allows(host)) throw new AddressRefused(address);
    return url.origin;
  }

  /** A lookup for sockets that yields allowed addresses only, so that a name cannot lead where an address may not. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#names(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      const allowed = found.filter(({ address }) => this.allows(address));
      const [first] = allowed;
      if (first === undefined) callback(new AddressRefused(hostname), []);
      else answer(options.all === true, allowed, first, callback);
    });
  };
}

function answer(
  all: boolean,
  allowed: LookupAddress[],
  first: LookupAddress,
  callback: Parameters<LookupFunction>[2],
): void {
  if (all) callback(null, allowed);
  else callback(null, first.address, first.family);
}

/** Undefined when the text is not a network in CIDR notation. */
export function parseRange(
  range: string,
): { readonly net: string; readonly prefix: number; readonly family: "ipv4" | "ipv6" } | undefined {
  const [, net, prefixText] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(range) ?? [];
  if (net === undefined || prefixText === undefined) return undefined;
  const version = isIP(net);
  const prefix = Number(prefixText);
  if (version === 0 || prefix > (version === 6 ? 128 : 32)) return undefined;
  return { net, prefix, family: version === 6 ? "ipv6" : "ipv4" };
}
