import { expect, it } from "vitest";
import { runAgainst } from "../against-node.contract.ts";

const status = {
  cluster: "c",
  node: "n1~0123456789",
  watermark: null,
  watermarkAgeMs: null,
  writable: true,
  notWritable: null,
  totals: { members: 1, live: 1, keys: 0, bytes: 0 },
  members: [],
};

/** Of a node of which one check fails: the exit code and what is said of it. */
async function verify(check: string): Promise<unknown> {
  const checks = [{ name: check, ok: false, detail: "why" }];
  const { code, err } = await runAgainst(
    ({ url }, answer) => {
      const body = url?.startsWith("/readyz") === true ? { ready: true, checks } : status;
      answer.setHeader("Content-Type", "application/json").end(JSON.stringify(body));
    },
    ["verify", "--json"],
  );
  return [code, err === "" ? undefined : JSON.parse(err).error.code];
}

it.each([
  ["store", 1, "damaged"],
  ["records", 1, "damaged"],
  ["silent loss", 1, "damaged"],
  ["retired", 1, "unhealthy"],
  ["clock", 1, "unhealthy"],
  ["writes", 1, "unhealthy"],
  ["joining", 0, undefined],
])("the check %s, where it fails, ends verify with %i and says %s", async (check, exit, code) => {
  expect(await verify(check)).toEqual([exit, code]);
});
