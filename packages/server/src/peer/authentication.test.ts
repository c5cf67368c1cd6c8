import { expect, test } from "vitest";
import { Authentication, type AuthenticationOptions } from "./authentication.ts";

const body = Buffer.from("body");
const secret = "a secret of sixteen or more";

function authentication(options: Partial<AuthenticationOptions> = {}): Authentication {
  return new Authentication({
    secrets: [secret],
    windowMs: 1000,
    maxNonces: 100,
    nowMs: () => 50_000,
    ...options,
  });
}

test("a signed request is accepted once, and its reply belongs to it alone", () => {
  const [a, b] = [authentication(), authentication()];
  const { header, nonce } = a.signRequest("/peer/ping", body);
  expect(b.checkRequest("/peer/ping", header, body)).toEqual({ nonce });
  expect(b.checkRequest("/peer/ping", header, body)).toEqual({ fault: "replayed" });
  const reply = b.signReply(nonce, body);
  expect(a.checkReply(nonce, reply, body)).toBeUndefined();
  expect(a.checkReply(a.signRequest("/peer/ping", body).nonce, reply, body)).toBe("auth_wrong");
});

test("a request is no reply, and a reply no request", () => {
  const a = authentication();
  const { header, nonce } = a.signRequest("/peer/ping", body);
  expect(a.checkReply(nonce, header, body)).toBe("auth_wrong");
  expect(a.checkRequest("/peer/ping", a.signReply(nonce, body), body)).toEqual({ fault: "auth_wrong" });
});

test.each([
  ["another body", "/peer/ping", Buffer.from("bodY")],
  ["another path", "/peer/fetch", body],
])("a signature does not fit %s", (_, path, otherBody) => {
  const { header } = authentication().signRequest("/peer/ping", body);
  expect(authentication().checkRequest(path, header, otherBody)).toEqual({ fault: "auth_wrong" });
});

test.each([undefined, "", "x", "1.2.3", `${"z".repeat(12)}.${"a".repeat(16)}.${"b".repeat(43)}`])(
  "a missing or misshapen signature is told from a wrong one: %s",
  (header) => {
    expect(authentication().checkRequest("/peer/ping", header, body)).toEqual({ fault: "auth_missing" });
    expect(authentication().checkReply("a".repeat(16), header, body)).toBe("auth_missing");
  },
);

test("a message from outside the time window is refused, on either side", () => {
  const { header } = authentication().signRequest("/p", body);
  for (const nowMs of [48_999, 51_001]) {
    expect(authentication({ nowMs: () => nowMs }).checkRequest("/p", header, body)).toEqual({
      fault: "auth_outside_window",
    });
  }
});

test("secrets are rotated node by node: every live one is accepted, the first signs", () => {
  const old = authentication();
  const both = authentication({ secrets: ["a new secret of sixteen", secret] });
  const renewed = authentication({ secrets: ["a new secret of sixteen"] });
  expect(both.checkRequest("/p", old.signRequest("/p", body).header, body)).toHaveProperty("nonce");
  expect(renewed.checkRequest("/p", both.signRequest("/p", body).header, body)).toHaveProperty("nonce");
  expect(renewed.checkRequest("/p", old.signRequest("/p", body).header, body)).toEqual({
    fault: "auth_wrong",
  });
});

test("nonces are remembered for as long as their time is accepted", () => {
  let nowMs = 50_000;
  const receiver = authentication({ nowMs: () => nowMs });
  const { header } = authentication({ nowMs: () => 51_000 }).signRequest("/p", body);
  expect(receiver.checkRequest("/p", header, body)).toHaveProperty("nonce");
  for (const later of [51_500, 52_000]) {
    nowMs = later;
    expect(receiver.checkRequest("/p", header, body)).toEqual({ fault: "replayed" });
  }
  nowMs = 53_000;
  expect(receiver.checkRequest("/p", header, body)).toEqual({ fault: "auth_outside_window" });
});

test("without a secret nothing is signed and nothing is asked for", () => {
  const open = authentication({ secrets: [] });
  expect(open.signRequest("/p", body).header).toBeUndefined();
  expect(open.checkRequest("/p", undefined, body)).toEqual({ nonce: "" });
  expect(open.checkReply("", undefined, body)).toBeUndefined();
});
