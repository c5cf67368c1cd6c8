import { resolve4, resolve6, resolveSrv } from "node:dns/promises";

const DNS_PREFIX = "dns:";

/**
 * The addresses a `join` entry stands for: itself, or for `dns:NAME:PORT` whatever SRV, A and AAAA records of the name
 * say at this moment. A name that resolves to nothing now is looked up again with the next attempt to join.
 */
export async function seedAddresses(entry: string): Promise<readonly string[]> {
  if (!entry.startsWith(DNS_PREFIX)) return [entry];
  const colon = entry.lastIndexOf(":");
  const name = entry.slice(DNS_PREFIX.length, colon);
  const port = entry.slice(colon + 1);
  const [services, v4, v6] = await Promise.all([
    found(resolveSrv(name)),
    found(resolve4(name)),
    found(resolve6(name)),
  ]);
  return [
    ...services.map((service) => `${service.name}:${service.port}`),
    ...v4.map((address) => `${address}:${port}`),
    ...v6.map((address) => `[${address}]:${port}`),
  ];
}

/** A name without records of a kind, or a server that does not answer, is no seed for now. */
async function found<T>(lookup: Promise<T[]>): Promise<T[]> {
  try {
    return await lookup;
  } catch {
    return [];
  }
}
