import { expect, it } from "vitest";
import { HeldTimers, rest } from "../testing/held-timers.ts";
import { LATE_ANSWER_KEPT_MS } from "./questions.ts";
import { ANSWER_MS, type NameService, Seeds, SRV_MS } from "./seeds.ts";

const ENTRY = "dns:hearsay-nodes:7171";
const fails = (): Promise<never> => Promise.reject(new Error("ENOTFOUND"));
const isSilent = (): Promise<never> => new Promise(() => undefined);
const host = async (): Promise<readonly { readonly address: string }[]> => [{ address: "10.0.0.7" }];

const cancel = (): void => undefined;

function addressesOf(entry: string, names: Omit<NameService, "cancel">): Promise<readonly string[]> {
  return new Seeds(new HeldTimers(), { ...names, cancel }).addresses(entry);
}

/** Counts its questions, and answers them when the test says so. */
class SlowNames<T> {
  asked = 0;
  #answer: (found: readonly T[]) => void = () => undefined;

  readonly ask = (): Promise<readonly T[]> => {
    this.asked += 1;
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  };

  async answer(...found: readonly T[]): Promise<void> {
    this.#answer(found);
    await rest();
  }
}

/** What a look-up has come to; undefined as long as it has not. */
async function settled<T>(lookup: Promise<T>): Promise<T | undefined> {
  let found: T | undefined;
  void lookup.then((value) => {
    found = value;
  });
  await rest();
  return found;
}

it("takes an address for itself, and asks nobody", async () => {
  expect(await addressesOf("n1:7171", { lookup: fails, resolveSrv: fails })).toEqual(["n1:7171"]);
});

it("finds a short name where the machine does, with its search domains", async () => {
  const lookup: NameService["lookup"] = async (name) =>
    name === "hearsay-nodes" ? [{ address: "10.0.0.7" }, { address: "fd00::7" }] : fails();
  expect(await addressesOf(ENTRY, { lookup, resolveSrv: fails })).toEqual([
    "10.0.0.7:7171",
    "[fd00::7]:7171",
  ]);
});

it("takes the ports of SRV records, and nothing for a name that leads nowhere", async () => {
  const resolveSrv: NameService["resolveSrv"] = async () => [{ name: "a.example", port: 8000 }];
  expect(await addressesOf("dns:_hearsay._tcp.example:7171", { lookup: fails, resolveSrv })).toEqual([
    "a.example:8000",
  ]);
  expect(await addressesOf(ENTRY, { lookup: host, resolveSrv })).toEqual(["a.example:8000", "10.0.0.7:7171"]);
  expect(await addressesOf("dns:nowhere:7171", { lookup: fails, resolveSrv: fails })).toEqual([]);
});

it("waits for SRV records a short while where there are addresses, and goes on with these", async () => {
  const timers = new HeldTimers();
  const addresses = new Seeds(timers, { lookup: host, resolveSrv: isSilent, cancel }).addresses(ENTRY);
  await rest();
  await timers.pass(SRV_MS - 1);
  expect(await settled(addresses)).toBeUndefined();
  await timers.pass(1);
  expect(await settled(addresses)).toEqual(["10.0.0.7:7171"]);
});

it("waits longer for SRV records where there is no address, and not for ever", async () => {
  const timers = new HeldTimers();
  const srv = new SlowNames<{ readonly name: string; readonly port: number }>();
  const seeds = new Seeds(timers, { lookup: fails, resolveSrv: srv.ask, cancel });
  const addresses = seeds.addresses(ENTRY);
  await rest();
  await timers.pass(ANSWER_MS - 1);
  await srv.answer({ name: "a.example", port: 8000 });
  expect(await settled(addresses)).toEqual(["a.example:8000"]);
  const later = seeds.addresses(ENTRY);
  await rest();
  await timers.pass(ANSWER_MS);
  expect(await settled(later)).toEqual([]);
});

it("gives up a name service that answers nothing, and asks it no second time meanwhile", async () => {
  const timers = new HeldTimers();
  const hosts = new SlowNames<{ readonly address: string }>();
  const seeds = new Seeds(timers, { lookup: hosts.ask, resolveSrv: isSilent, cancel });
  for (let attempt = 0; attempt < 3; attempt++) {
    const addresses = seeds.addresses(ENTRY);
    await timers.pass(2 * ANSWER_MS);
    expect(await settled(addresses)).toEqual([]);
  }
  expect(hosts.asked).toBe(1);
});

it("has an answer that came too late with the next attempt, once, and only while it is new", async () => {
  const timers = new HeldTimers();
  const hosts = new SlowNames<{ readonly address: string }>();
  const seeds = new Seeds(timers, { lookup: hosts.ask, resolveSrv: fails, cancel });
  const missed = async (address: string): Promise<void> => {
    const addresses = seeds.addresses(ENTRY);
    await timers.pass(ANSWER_MS);
    expect(await settled(addresses)).toEqual([]);
    await hosts.answer({ address });
  };
  await missed("10.0.0.7");
  await timers.pass(LATE_ANSWER_KEPT_MS - 1);
  expect(await settled(seeds.addresses(ENTRY))).toEqual(["10.0.0.7:7171"]);
  expect(hosts.asked).toBe(1);
  await missed("10.0.0.8");
  await timers.pass(LATE_ANSWER_KEPT_MS);
  const addresses = seeds.addresses(ENTRY);
  await hosts.answer({ address: "10.0.0.9" });
  expect(await settled(addresses)).toEqual(["10.0.0.9:7171"]);
  expect(hosts.asked).toBe(3);
});

it("ends what it has asked, when it is closed", async () => {
  const timers = new HeldTimers();
  let end: (error: Error) => void = () => undefined;
  const resolveSrv = (): Promise<never> =>
    new Promise((_, reject) => {
      end = reject;
    });
  const seeds = new Seeds(timers, { lookup: host, resolveSrv, cancel: () => end(new Error("ECANCELLED")) });
  const addresses = seeds.addresses(ENTRY);
  await rest();
  seeds.close();
  expect(await settled(addresses)).toEqual(["10.0.0.7:7171"]);
});
