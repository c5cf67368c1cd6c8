import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareKeys, decodeUtf8, encodeUtf8, KEY_MAX_BYTES, keyFault } from "./key.ts";

const text = fc.string({ unit: "binary", maxLength: 20 });
/** Texts over few characters from both sides of the surrogates, so that comparisons go deep. */
const close = fc.string({
  unit: fc.constantFrom("a", "\u007f", "\u0080", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}"),
  maxLength: 4,
});

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}

describe("the order of keys", () => {
  test.each([
    ["any texts", text],
    ["texts around the surrogates", close],
  ])("is that of their UTF-8 bytes: %s", (_, keys) => {
    fc.assert(
      fc.property(keys, keys, (a, b) => {
        expect(Math.sign(compareKeys(a, b))).toBe(compareBytes(encodeUtf8(a), encodeUtf8(b)));
      }),
      { numRuns: 2000 },
    );
  });

  test("is not that of JavaScript's strings", () => {
    expect("\uffff" < "\u{10000}").toBe(false);
    expect(compareKeys("\uffff", "\u{10000}")).toBeLessThan(0);
  });
});

describe("a key", () => {
  test.each([
    ["one byte", "a"],
    ["a zero byte", "\0"],
    ["slashes and dots", "/../."],
    ["composed and decomposed letters", "é e\u0301"],
    ["a byte order mark", "\ufeff"],
    ["1,024 bytes of one each", "a".repeat(KEY_MAX_BYTES)],
    ["1,024 bytes of two each", "é".repeat(KEY_MAX_BYTES / 2)],
    ["1,023 bytes of three each", "€".repeat(341)],
    ["1,024 bytes of four each", "\u{1f5dd}".repeat(KEY_MAX_BYTES / 4)],
  ])("may be %s", (_, key) => {
    expect(keyFault(key)).toBeUndefined();
  });

  test.each([
    ["empty", ""],
    ["too_long", "a".repeat(KEY_MAX_BYTES + 1)],
    ["too_long", `${"é".repeat(KEY_MAX_BYTES / 2)}a`],
    ["too_long", "€".repeat(342)],
    ["too_long", `${"\u{1f5dd}".repeat(KEY_MAX_BYTES / 4)}a`],
    ["not_utf8", "\ud800"],
    ["not_utf8", "a\udc00b"],
    ["not_utf8", "\udc00\ud800"],
  ])("is refused as %s", (fault, key) => {
    expect(keyFault(key)).toBe(fault);
  });

  test("is refused exactly when its bytes are none, too many or not its own", () => {
    const any = fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)), maxLength: 600 });
    fc.assert(
      fc.property(fc.oneof(any, text), (key) => {
        const bytes = encodeUtf8(key);
        const sound = bytes.length > 0 && bytes.length <= KEY_MAX_BYTES && decodeUtf8(bytes) === key;
        expect(keyFault(key) === undefined).toBe(sound);
      }),
    );
  });
});

describe("texts and UTF-8", () => {
  test("stand for each other one to one", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 8 }), text.map(encodeUtf8)), (bytes) => {
        const decoded = decodeUtf8(bytes);
        if (decoded !== undefined) expect(compareBytes(encodeUtf8(decoded), bytes)).toBe(0);
      }),
    );
    fc.assert(
      fc.property(text, (key) => {
        expect(decodeUtf8(encodeUtf8(key))).toBe(key);
      }),
    );
  });

  test.each([[[0xff]], [[0xc0, 0x80]], [[0xed, 0xa0, 0x80]], [[0xf4, 0x90, 0x80, 0x80]], [[0xe2, 0x82]]])(
    "bytes %j are no text",
    (bytes) => {
      expect(decodeUtf8(Uint8Array.from(bytes))).toBeUndefined();
    },
  );

  test("a byte order mark in front is part of the text", () => {
    expect(decodeUtf8(Uint8Array.from([0xef, 0xbb, 0xbf, 0x61]))).toBe("\ufeffa");
  });
});
