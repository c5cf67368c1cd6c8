import { lookup, resolveSrv } from "node:dns/promises";

const DNS_PREFIX = "dns:";

/** What a name is asked of. */
export interface NameService {
  /** As every program of this machine finds names: search domains and /etc/hosts included. */
  lookup(name: string, options: { readonly all: true }): Promise<readonly { readonly address: string }[]>;
  /** Of DNS alone: the name in full. */
  resolveSrv(name: string): Promise<readonly { readonly name: string; readonly port: number }[]>;
}

/**
 * The addresses a `join` entry stands for: itself, or for `dns:NAME:PORT` whatever SRV, A and AAAA records of the name
 * say at this moment. A name that resolves to nothing now is looked up again with the next attempt to join.
 */
export async function seedAddresses(
  entry: string,
  names: NameService = { lookup, resolveSrv },
): Promise<readonly string[]> {
  if (!entry.startsWith(DNS_PREFIX)) return [entry];
  const colon = entry.lastIndexOf(":");
  const name = entry.slice(DNS_PREFIX.length, colon);
  const port = entry.slice(colon + 1);
  const [services, hosts] = await Promise.all([
    found(names.resolveSrv(name)),
    found(names.lookup(name, { all: true })),
  ]);
  return [
    ...services.map((service) => `${service.name}:${service.port}`),
    ...hosts.map(({ address }) => (address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`)),
  ];
}

/** A name without records of a kind, or a server that does not answer, is no seed for now. */
async function found<T>(lookup: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await lookup;
  } catch {
    return [];
  }
}
