import { recordToTuple } from "@hearsay/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodePlain } from "../plain.ts";
import { MsgpackWriter } from "../writer.ts";
import { keyRecord } from "./arbitraries.contract.ts";
import { record } from "./terms.ts";

test("a record is written as the codec writes its tuple, byte for byte", () => {
  const writer = new MsgpackWriter();
  fc.assert(
    fc.property(keyRecord, (given) => {
      writer.begin();
      record.write(writer, given);
      expect(Buffer.compare(writer.take(), encodePlain(recordToTuple(given)))).toBe(0);
    }),
  );
});
