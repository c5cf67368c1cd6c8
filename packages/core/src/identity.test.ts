import fc from "fast-check";
import { expect, test } from "vitest";
import { isNodeId, isNodeName, mintNodeId, NODE_NAME_MAX_LENGTH, nodeName } from "./identity.ts";

const uniform = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const name = fc.stringMatching(/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/);

test("an identity minted for any name and randomness is well-formed and gives the name back", () => {
  fc.assert(
    fc.property(name, fc.array(uniform, { minLength: 10, maxLength: 10 }), (wanted, draws) => {
      let draw = 0;
      const id = mintNodeId(wanted, () => draws[draw++] ?? 0);
      expect(draw).toBe(10);
      expect(isNodeName(wanted)).toBe(true);
      expect(isNodeId(id)).toBe(true);
      expect(nodeName(id)).toBe(wanted);
    }),
  );
});

test("the edges of the randomness are the edges of the alphabet", () => {
  expect(mintNodeId("a", () => 0)).toBe("a~0000000000");
  expect(mintNodeId("a", () => 1 - Number.EPSILON / 2)).toBe("a~zzzzzzzzzz");
});

test.each(["a", "A9", "node-1.eu_west", "x".repeat(NODE_NAME_MAX_LENGTH)])("%s is a name", (text) => {
  expect(isNodeName(text)).toBe(true);
});

test.each(["", "-a", "a-", ".", "a b", "a~b", "a,b", 'a"', "é", "a\n", "x".repeat(NODE_NAME_MAX_LENGTH + 1)])(
  "%j is no name",
  (text) => {
    expect(isNodeName(text)).toBe(false);
    expect(isNodeId(`${text}~0123456789`)).toBe(false);
  },
);

test.each(["a", "a~", "a~012345678", "a~01234567890", "a~012345678A", "a~0123456789\n", "~0123456789"])(
  "%j is no identity",
  (text) => {
    expect(isNodeId(text)).toBe(false);
  },
);
