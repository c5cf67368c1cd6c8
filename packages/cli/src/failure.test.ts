import { HearsayError } from "@hearsay/client";
import { describe, expect, it } from "vitest";
import { exitOf, reportOf } from "./failure.ts";
import { Stopped } from "./io.ts";

const endpoint = "http://n:1";

function refusal(code: string, outcome: "none" | "unknown" = "none"): HearsayError {
  const problem = { status: 400, code, title: "It is refused", next: "Do better." };
  const fault = { code: "problem", endpoint, problem, retryAfterMs: undefined } as const;
  return new HearsayError(fault, { outcome, attempts: 1 });
}

describe("failures", () => {
  it.each([
    ["not_found", 3],
    ["precondition_failed", 4],
    ["ack_timeout", 6],
    ["not_yet", 6],
    ["invalid_key", 2],
    ["invalid_query", 2],
    ["invalid_header", 2],
    ["invalid_context", 2],
    ["invalid_cursor", 2],
    ["ack_exceeds_members", 2],
    ["disk_full", 1],
    ["some_code_of_a_later_version", 1],
  ])("%s exits with %s, and with the node's words", (code, exit) => {
    expect(exitOf(refusal(code))).toBe(exit);
    expect(reportOf(refusal(code))).toMatchObject({ code, message: "It is refused", next: "Do better." });
  });

  it("tell an absent node from a slow one", () => {
    const absent = { code: "unreachable", endpoint, reason: "ECONNREFUSED", sent: false } as const;
    const slow = { code: "timed_out", endpoint, afterMs: 5 } as const;
    expect(exitOf(new HearsayError(absent, { outcome: "none", attempts: 3 }))).toBe(5);
    const late = new HearsayError(slow, { outcome: "unknown", attempts: 1 });
    expect(exitOf(late)).toBe(6);
    expect(reportOf(late)).toMatchObject({ outcome: "unknown", next: expect.stringContaining("--timeout") });
  });

  it("of other packages are told by their code and next step", () => {
    const error = Object.assign(new Error("the port is in use"), {
      fault: { code: "address_in_use" },
      next: "Wait.",
    });
    expect(exitOf(Object.assign(new Error("sessions"), { fault: { code: "bad_workload" } }))).toBe(2);
    expect(reportOf(error)).toEqual({
      code: "address_in_use",
      message: "the port is in use",
      next: "Wait.",
      exit: 1,
    });
  });

  it("of the system keep their code, and our own mistakes their stack", () => {
    const missing = Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT", syscall: "open" });
    expect(reportOf(missing)).toMatchObject({ code: "enoent", exit: 1 });
    expect(reportOf(new RangeError("oops"))).toMatchObject({ code: "internal", exit: 1 });
    expect(reportOf(new RangeError("oops"))?.message).toContain("failure.test.ts");
  });

  it("say nothing when the user stopped the command", () => {
    expect(reportOf(new Stopped("SIGINT"))).toBeUndefined();
    expect([exitOf(new Stopped("SIGINT")), exitOf(new Stopped("SIGTERM"))]).toEqual([130, 143]);
  });
});
