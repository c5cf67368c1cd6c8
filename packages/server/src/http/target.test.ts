import { KEY_MAX_BYTES, keyFault } from "@hearsay/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseKeyTarget, routedTarget, targetQuery } from "./target.ts";

const key = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 60 })
  .filter((text) => keyFault(text) === undefined);

/** Every byte escaped, or only those that need it. */
function escaped(text: string, all: boolean): string {
  let target = "";
  for (const byte of Buffer.from(text)) {
    const plain = !all && byte > 0x20 && byte < 0x7f && byte !== 0x23 && byte !== 0x25 && byte !== 0x3f;
    target += plain ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, "0")}`;
  }
  return target;
}

describe("a key target", () => {
  it("gives back every key, however much of it was escaped, in the path and in the query", () => {
    fc.assert(
      fc.property(key, fc.boolean(), (text, all) => {
        expect(parseKeyTarget(`/kv/${escaped(text, all)}`)).toEqual({ key: text, parameters: undefined });
        expect(parseKeyTarget(`/kv/${escaped(text, all)}?ack=1`).key).toBe(text);
        expect(parseKeyTarget(`/kv?x=1&key=${escaped(text, true)}`).key).toBe(text);
      }),
    );
  });

  it("has the parameters of its own query, whatever queries came before", () => {
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 100; i++) {
        const { parameters } = parseKeyTarget(`/kv/a?ack=${i}&timeout=${i}s`);
        expect([...(parameters ?? [])]).toEqual([
          ["ack", `${i}`],
          ["timeout", `${i}s`],
        ]);
      }
      expect(() => parseKeyTarget("/kv/a?ack=1&ack=2")).toThrow("given twice");
      expect(() => parseKeyTarget("/kv/a?key=b")).toThrow("given twice");
    }
  });

  it("is a key or a refusal, whatever bytes it is made of", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii", maxLength: 40 }), (text) => {
        let parsed: string;
        try {
          parsed = parseKeyTarget(`/kv/${text}`).key;
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^invalid_/) });
          return;
        }
        expect(keyFault(parsed)).toBeUndefined();
      }),
    );
  });

  it("takes the longest key with every byte escaped", () => {
    const longest = "\u00e9".repeat(KEY_MAX_BYTES / 2);
    expect(parseKeyTarget(`/kv/${escaped(longest, true)}`).key).toBe(longest);
  });
});

describe("routing", () => {
  it.each([
    ["/kv/a/b?x", "/kv/key"],
    ["/kv/", "/kv/key"],
    ["/kv/%zz", "/kv/key"],
    ["/kv?key=a", "/kv/key"],
    ["/kv?prefix=a&key=b", "/kv/key"],
    ["/kv?prefix=key=", "/kv?prefix=key="],
    ["/kv", "/kv"],
    ["http://host:1/kv/a", "/kv/key"],
    ["HTTP://host", "/"],
    ["/livez", "/livez"],
    ["*", "*"],
  ])("sends %s to %s", (target, routed) => {
    expect(routedTarget(target)).toBe(routed);
  });
});

describe("a query", () => {
  it("is decoded as strictly as a key, and no name counts twice", () => {
    expect([...targetQuery("/kv?prefix=a%2Fb+c&&keys")]).toEqual([
      ["prefix", "a/b c"],
      ["keys", ""],
    ]);
    expect(() => targetQuery("/kv?prefix=%ff")).toThrow("UTF-8");
    expect(() => targetQuery("/kv?a=1&a=2")).toThrow("twice");
  });
});
