import { expect, it } from "vitest";
import { type NameService, seedAddresses } from "./seeds.ts";

const fails = (): Promise<never> => Promise.reject(new Error("ENOTFOUND"));

it("takes an address for itself, and asks nobody", async () => {
  expect(await seedAddresses("n1:7171", { lookup: fails, resolveSrv: fails })).toEqual(["n1:7171"]);
});

it("finds a short name where the machine does, with its search domains", async () => {
  const lookup: NameService["lookup"] = async (name) =>
    name === "hearsay-nodes" ? [{ address: "10.0.0.7" }, { address: "fd00::7" }] : fails();
  expect(await seedAddresses("dns:hearsay-nodes:7171", { lookup, resolveSrv: fails })).toEqual([
    "10.0.0.7:7171",
    "[fd00::7]:7171",
  ]);
});

it("takes the ports of SRV records, and nothing for a name that leads nowhere", async () => {
  const resolveSrv: NameService["resolveSrv"] = async () => [{ name: "a.example", port: 8000 }];
  expect(await seedAddresses("dns:_hearsay._tcp.example:7171", { lookup: fails, resolveSrv })).toEqual([
    "a.example:8000",
  ]);
  expect(await seedAddresses("dns:nowhere:7171", { lookup: fails, resolveSrv: fails })).toEqual([]);
});
