import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodePlain } from "./plain.ts";
import { SCAN_DEPTH_MAX, SCAN_MAP_KEYS_MAX, type ScanFault, type ScanLimits, scanMsgpack } from "./scan.ts";

const limits: ScanLimits = {
  maxBytes: 4096,
  maxDepth: 8,
  maxItems: 1000,
  maxStringBytes: 600,
  maxBinaryBytes: 600,
  maps: "string_keys",
};

const uint32 = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255];
const ascii = (text: string) => [...text].map((char) => char.charCodeAt(0));

function codeOf(bytes: readonly number[], with_: Partial<ScanLimits> = {}): ScanFault["code"] | undefined {
  return scanMsgpack(Uint8Array.from(bytes), { ...limits, ...with_ })?.code;
}

describe("every type of the specification", () => {
  test.each<[string, number[]]>([
    ["positive and negative fixint", [0x92, 0x7f, 0xe0]],
    ["nil, false, true", [0x93, 0xc0, 0xc2, 0xc3]],
    ["uint 8, 16, 32", [0x93, 0xcc, 1, 0xcd, 1, 2, 0xce, 1, 2, 3, 4]],
    ["int 8, 16, 32", [0x93, 0xd0, 1, 0xd1, 1, 2, 0xd2, 1, 2, 3, 4]],
    ["float 64", [0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]],
    ["str 8, 16, 32", [0x93, 0xd9, 1, 0x61, 0xda, 0, 1, 0x61, 0xdb, 0, 0, 0, 1, 0x61]],
    ["bin 8, 16, 32", [0x93, 0xc4, 1, 0xff, 0xc5, 0, 1, 0xff, 0xc6, 0, 0, 0, 1, 0xff]],
    ["array 16, 32", [0xdc, 0, 1, 0xdd, 0, 0, 0, 1, 0x90]],
    ["map 16, 32", [0xde, 0, 1, 0xa1, 0x61, 0xdf, 0, 0, 0, 1, 0xa1, 0x61, 0x80]],
    ["fixstr and fixmap, empty", [0x92, 0xa0, 0x80]],
  ])("passes %s", (_, bytes) => {
    expect(codeOf(bytes)).toBeUndefined();
    expect(decodePlain(Uint8Array.from(bytes), limits)).toHaveProperty("value");
  });

  test.each<[string, number[]]>([
    ["the byte that is never used", [0xc1]],
    ["float 32", [0xca, 0, 0, 0, 0]],
    ...[0xc7, 0xc8, 0xc9].map((token): [string, number[]] => [
      `ext ${token}`,
      [token, 0, 0, 0, 0, 0x72, 0, 0, 0],
    ]),
    ...[0xd4, 0xd5, 0xd6, 0xd7, 0xd8].map((token): [string, number[]] => [
      `fixext ${token}`,
      [token, 0x72, ...Array(16).fill(0)],
    ]),
  ])("refuses %s, alone and inside", (_, bytes) => {
    expect(codeOf(bytes)).toBe("type_not_allowed");
    expect(codeOf([0x91, 0x91, ...bytes])).toBe("type_not_allowed");
    expect(codeOf([0x81, 0xa1, 0x61, ...bytes])).toBe("type_not_allowed");
  });

  test.each<[string, number[], boolean]>([
    ["uint 64 of 2^53 - 1", [0xcf, 0, 0x1f, ...Array(6).fill(0xff)], true],
    ["uint 64 of 2^53", [0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0], false],
    ["uint 64 of 2^64 - 1", [0xcf, ...Array(8).fill(0xff)], false],
    ["int 64 of 2^53 - 1", [0xd3, 0, 0x1f, ...Array(6).fill(0xff)], true],
    ["int 64 of -1", [0xd3, ...Array(8).fill(0xff)], true],
    ["int 64 of -(2^53 - 1)", [0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 1], true],
    ["int 64 of -(2^53)", [0xd3, 0xff, 0xe0, 0, 0, 0, 0, 0, 0], false],
    ["int 64 of -(2^53) - 1", [0xd3, 0xff, 0xdf, ...Array(6).fill(0xff)], false],
    ["int 64 of -(2^63)", [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], false],
  ])("%s: safe is %3$s", (_, bytes, safe) => {
    expect(codeOf(bytes)).toBe(safe ? undefined : "unsafe_integer");
  });
});

describe("lengths", () => {
  test.each<[string, number[]]>([
    ["nothing at all", []],
    ["a string", [0xa5, 0x61]],
    ["a 4 GiB string", [0xdb, 0xff, 0xff, 0xff, 0xff, 0x61]],
    ["a 4 GiB binary", [0xc6, 0xff, 0xff, 0xff, 0xff, 0x61]],
    ["an array of 4 billion", [0xdd, 0xff, 0xff, 0xff, 0xff]],
    ["a map of 4 billion", [0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61, 0xc0]],
    ["a map without its last value", [0x81, 0xa1, 0x61]],
    ["an array whose inner one takes its items", [0x92, 0x91, 0xc0]],
    ["half a length", [0xdb, 0, 0]],
    ["half a number", [0xcb, 0, 0]],
  ])("that lie are refused: %s", (_, bytes) => {
    expect(codeOf(bytes)).toBe("truncated");
  });

  test("every proper prefix of a message is refused, and so is one byte more", () => {
    const message = [
      0x93, 0x81, 0xa1, 0x61, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0, 0xc4, 2, 1, 2, 0xd9, 2, 0xc3, 0xa9,
    ];
    expect(codeOf(message)).toBeUndefined();
    for (let end = 0; end < message.length; end++) expect(codeOf(message.slice(0, end))).toBe("truncated");
    expect(scanMsgpack(Uint8Array.from([...message, 0xc0]), limits)).toEqual({
      code: "trailing_bytes",
      at: message.length,
    });
  });
});

describe("limits", () => {
  test("hold for the message, a string and a binary, to the byte", () => {
    expect(codeOf([0xa1, 0x61], { maxBytes: 2 })).toBeUndefined();
    expect(codeOf([0xa1, 0x61], { maxBytes: 1 })).toBe("too_large");
    expect(codeOf([0xa2, 0x61, 0x61], { maxStringBytes: 2, maxBinaryBytes: 0 })).toBeUndefined();
    expect(codeOf([0xa2, 0x61, 0x61], { maxStringBytes: 1 })).toBe("too_long");
    expect(codeOf([0xc4, 2, 0, 0], { maxBinaryBytes: 2, maxStringBytes: 0 })).toBeUndefined();
    expect(codeOf([0xc4, 2, 0, 0], { maxBinaryBytes: 1 })).toBe("too_long");
  });

  test("hold for the depth, and nesting beyond the scanner's own room is refused whatever the limit", () => {
    const nested = (depth: number) => [...Array(depth - 1).fill(0x91), 0x90];
    expect(codeOf(nested(3), { maxDepth: 3 })).toBeUndefined();
    expect(codeOf(nested(4), { maxDepth: 3 })).toBe("too_deep");
    expect(codeOf([0xc0], { maxDepth: 0 })).toBeUndefined();
    expect(codeOf(nested(SCAN_DEPTH_MAX), { maxDepth: 1e9 })).toBeUndefined();
    expect(codeOf(nested(SCAN_DEPTH_MAX + 1), { maxDepth: 1e9 })).toBe("too_deep");
    expect(codeOf(Array(4096).fill(0x91), { maxDepth: 1e9 })).toBe("too_deep");
  });

  test("hold for the count of all values together, keys included", () => {
    const message = [0x92, 0x91, 0xc0, 0x81, 0xa0, 0xc0];
    expect(codeOf(message, { maxItems: 6 })).toBeUndefined();
    expect(codeOf(message, { maxItems: 5 })).toBe("too_many_items");
  });
});

describe("maps", () => {
  const map = (keys: readonly string[]) => [
    0xde,
    keys.length >> 8,
    keys.length & 255,
    ...keys.flatMap((key) => [0xa0 + key.length, ...ascii(key), 0xc0]),
  ];

  test("are refused where the caller takes none, at any depth", () => {
    expect(codeOf([0x80], { maps: "refused" })).toBe("type_not_allowed");
    expect(codeOf([0x91, 0xde, 0, 0], { maps: "refused" })).toBe("type_not_allowed");
    expect(codeOf([0x91, 0xdf, 0, 0, 0, 0], { maps: "refused" })).toBe("type_not_allowed");
  });

  test("have string keys only, none twice, also when other maps lie between", () => {
    expect(codeOf(map(["a", "b", "ab"]))).toBeUndefined();
    expect(codeOf(map(["a", "b", "a"]))).toBe("duplicate_key");
    const inner = [0x82, 0xa1, 0x62, 0xc0, 0xa1, 0x61, 0xc0];
    expect(codeOf([0x82, 0xa1, 0x61, ...inner, 0xa1, 0x62, 0xc0])).toBeUndefined();
    expect(codeOf([0x82, 0xa1, 0x61, ...inner, 0xa1, 0x61, 0xc0])).toBe("duplicate_key");
    expect(codeOf([0x81, 0x01, 0xc0])).toBe("key_not_allowed");
    expect(codeOf([0x81, 0xc4, 1, 0x61, 0xc0])).toBe("key_not_allowed");
  });

  test("have keys that are the same in whichever length encoding they come", () => {
    expect(codeOf([0x82, 0xa1, 0x61, 0xc0, 0xd9, 1, 0x61, 0xc0])).toBe("duplicate_key");
  });

  test("may not hold the one key that the decoder renames", () => {
    expect(codeOf(map(["__proto__"]))).toBe("key_not_allowed");
    expect(codeOf(map(["__proto_", "constructor", "toString"]))).toBeUndefined();
  });

  test("have a bounded number of keys", () => {
    const keys = Array.from({ length: SCAN_MAP_KEYS_MAX + 1 }, (_, i) => `k${i}`);
    expect(codeOf(map(keys.slice(1)))).toBeUndefined();
    expect(codeOf(map(keys))).toBe("too_many_keys");
    const nested = Array.from({ length: SCAN_DEPTH_MAX - 1 }, () => [0x81, 0xa1, 0x61]).flat();
    expect(codeOf([...nested, ...map(keys.slice(1))], { maxDepth: SCAN_DEPTH_MAX })).toBeUndefined();
  });
});

describe("any bytes", () => {
  const token = fc.constantFrom(
    ...[0x00, 0x7f, 0x80, 0x81, 0x82, 0x90, 0x91, 0x92, 0x93, 0xa0, 0xa1, 0xa2, 0xbf, 0xc0, 0xc2, 0xc4, 0xc5],
    ...[0xc6, 0xca, 0xcb, 0xcc, 0xcf, 0xd3, 0xd4, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff, 0x61],
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.array(token, { maxLength: 60 }).map((tokens) => Uint8Array.from(tokens)),
  );

  test("get a fault inside the message or decode without an error", () => {
    let passed = 0;
    fc.assert(
      fc.property(bytes, (message) => {
        const decoded = decodePlain(message, limits);
        if ("fault" in decoded) {
          expect(decoded.fault.at).toBeGreaterThanOrEqual(0);
          expect(decoded.fault.at).toBeLessThanOrEqual(message.length);
        } else {
          passed++;
        }
      }),
      { numRuns: 20_000 },
    );
    expect(passed).toBeGreaterThan(100);
  });

  test("count as a string exactly when a strict UTF-8 decoder takes them", () => {
    const strict = new TextDecoder("utf-8", { fatal: true });
    const edge = fc.constantFrom(
      ...[
        0x00, 0x61, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed,
      ],
      ...[0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff],
    );
    const content = fc.oneof(
      fc.array(edge, { maxLength: 6 }),
      fc.string({ unit: "binary", maxLength: 12 }).map((text) => [...new TextEncoder().encode(text)]),
    );
    fc.assert(
      fc.property(content, (string) => {
        const valid = (() => {
          try {
            strict.decode(Uint8Array.from(string));
            return true;
          } catch {
            return false;
          }
        })();
        // What follows would complete a sequence that is cut off: an empty array is also a continuation byte.
        const message = [0x94, 0xdb, ...uint32(string.length), ...string, 0x90, 0x90, 0x90];
        expect(codeOf(message)).toBe(valid ? undefined : "not_utf8");
      }),
      { numRuns: 20_000 },
    );
  });
});
