import { lookup, Resolver } from "node:dns/promises";
import type { Timers } from "@hearsay/node";
import { Questions } from "./questions.ts";

const DNS_PREFIX = "dns:";

/** What a name is asked of. */
export interface NameService {
  /** As every program of this machine finds names: search domains and /etc/hosts included. */
  lookup(name: string, options: { readonly all: true }): Promise<readonly { readonly address: string }[]>;
  /** Of DNS alone: the name in full. */
  resolveSrv(name: string): Promise<readonly { readonly name: string; readonly port: number }[]>;
  /** Ends the questions that can be ended: a process does not end before they do. */
  cancel(): void;
}

function systemNames(): NameService {
  const resolver = new Resolver();
  return {
    lookup,
    resolveSrv: (name) => resolver.resolveSrv(name),
    cancel: () => resolver.cancel(),
  };
}

/** As long as a resolver waits for one server, by default. */
export const ANSWER_MS = 5000;
/** Most names have no SRV records, and where addresses are known these alone are enough to go on. */
export const SRV_MS = 1000;

/** What `join` entries stand for. */
export class Seeds {
  readonly #names: NameService;
  readonly #hosts: Questions<{ readonly address: string }>;
  readonly #services: Questions<{ readonly name: string; readonly port: number }>;

  constructor(timers: Timers, names: NameService = systemNames()) {
    this.#names = names;
    this.#hosts = new Questions((name) => names.lookup(name, { all: true }), timers);
    this.#services = new Questions((name) => names.resolveSrv(name), timers);
  }

  close(): void {
    this.#names.cancel();
  }

  /**
   * The addresses an entry stands for: itself, or for `dns:NAME:PORT` whatever SRV, A and AAAA records of the name
   * say at this moment. A name that resolves to nothing now is looked up again with the next attempt to join.
   */
  async addresses(entry: string): Promise<readonly string[]> {
    if (!entry.startsWith(DNS_PREFIX)) return [entry];
    const colon = entry.lastIndexOf(":");
    const name = entry.slice(DNS_PREFIX.length, colon);
    const port = entry.slice(colon + 1);
    const asked = { hosts: this.#hosts.ask(name), services: this.#services.ask(name) };
    const hosts = await asked.hosts.within(ANSWER_MS);
    const services = await asked.services.within(hosts.length > 0 ? SRV_MS : ANSWER_MS);
    return [
      ...services.map((service) => `${service.name}:${service.port}`),
      ...hosts.map(({ address }) => (address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`)),
    ];
  }
}
