import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiProblem } from "../http/problem.ts";
import { type Harness, harness } from "../testing/harness.ts";

// What a node without a cluster has caught up with is another matter.
vi.mock("../consul/leadership.ts", () => ({ demandLeader: () => undefined }));

let h: Harness;
beforeEach(async () => {
  h = await harness();
});
afterEach(() => h.close());

describe("a node that begins to leave while the body of a write is on its way", () => {
  it.each([
    ["PUT", "/kv/k", "text/plain", "value"],
    ["POST", "/kv", "application/json", '{"operations":[{"op":"put","key":"k","value":"dmFsdWU="}]}'],
    ["PUT", "/v1/kv/k", "text/plain", "value"],
    ["PUT", "/v1/txn", "application/json", '[{"KV":{"Verb":"set","Key":"k","Value":"dmFsdWU="}}]'],
  ] as const)(
    "takes no %s %s any more: what it has, it has handed over",
    async (method, url, type, payload) => {
      const asked = vi.spyOn(h.services.cluster, "admitWrite").mockImplementation(() => {
        if (asked.mock.calls.length > 1) throw new ApiProblem("leaving");
      });
      const answer = await h.app.inject({ method, url, payload, headers: { "content-type": type } });
      expect([asked.mock.calls.length, answer.statusCode]).toEqual([2, 503]);
      expect(h.services.node.latest("k")).toBeUndefined();
    },
  );
});
