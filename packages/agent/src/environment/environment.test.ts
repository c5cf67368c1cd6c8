import { describe, expect, it } from "vitest";
import { environmentOf, variableName } from "./environment.ts";

const values = (entries: Readonly<Record<string, string | Uint8Array>>) => [
  {
    prefix: "app/",
    values: new Map(Object.entries(entries).map(([key, value]) => [key, Buffer.from(value)])),
  },
];

describe("values as environment", () => {
  it("have names of capitals, digits and underscores", () => {
    expect(["db/url", "a-b.c", "9lives", "über", "X_1"].map(variableName)).toEqual([
      "DB_URL",
      "A_B_C",
      "_9LIVES",
      "_BER",
      "X_1",
    ]);
    expect(environmentOf(values({ "app/db/url": "x=y\nz", "app/e": "" }))).toEqual({
      variables: { DB_URL: "x=y\nz", E: "" },
    });
  });

  it("of a later prefix go before those of an earlier one", () => {
    const [common] = values({ "app/level": "info", "app/zone": "a" });
    const own = { prefix: "own/", values: new Map([["own/level", Buffer.from("debug")]]) };
    expect(environmentOf(common === undefined ? [] : [common, own])).toEqual({
      variables: { LEVEL: "debug", ZONE: "a" },
    });
  });

  it("are refused as a whole with everything that no variable can have", () => {
    const found = environmentOf(
      values({
        "app/a-b": "1",
        "app/a.b": "2",
        "app/nul": "a\0b",
        "app/": "x",
        "app/huge": "x".repeat(200_000),
        "app/bytes": Uint8Array.of(255),
      }),
    );
    const faults = "fault" in found && found.fault.code === "environment_invalid" ? found.fault.faults : [];
    expect(faults).toEqual([
      `"app/a.b" is A_B, and so is "app/a-b"`,
      `"app/nul" has a NUL byte in its value`,
      `"app/" is the prefix itself, which names no variable`,
      expect.stringContaining(`"app/huge" has more than`),
      `"app/bytes" has a value that is not UTF-8`,
    ]);
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`app/${i}`, "x".repeat(100_000)]));
    expect(environmentOf(values(many))).toMatchObject({
      fault: { faults: [expect.stringContaining("all values together")] },
    });
  });
});
