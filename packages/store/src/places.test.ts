import { RecordHasher } from "@hearsay/core";
import { expect, it } from "vitest";
import { hashing } from "./backend.contract.ts";
import { Places } from "./places.ts";

it("answers as the hasher does, hashes a key once, and forgets it after 4,096 others", () => {
  let hashed = 0;
  const counting = {
    ...hashing,
    sha256Text: (bytes: Uint8Array): string => {
      hashed += 1;
      return hashing.sha256Text(bytes);
    },
  };
  const digestKey = new Uint8Array(32).fill(7);
  const places = new Places(new RecordHasher(counting, digestKey));
  const hasher = new RecordHasher(hashing, digestKey);
  expect(places.of("first")).toEqual(hasher.place("first"));
  places.of("first");
  expect(hashed).toBe(1);
  for (let i = 0; i < 4096; i++) expect(places.of(`key${i}`)).toEqual(hasher.place(`key${i}`));
  expect(places.of("first")).toEqual(hasher.place("first"));
  expect(hashed).toBe(1 + 4096 + 1);
});
