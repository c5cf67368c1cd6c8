import { expect, it } from "vitest";
import { SentAgain } from "./sent-again.ts";

it("warns of all that was sent again, however many batches, in one line", () => {
  const again = new SentAgain();
  expect(again.warning).toBeUndefined();
  again.add({ records: 2, firstLine: 5, lastLine: 6 });
  again.add({ records: 1, firstLine: 3, lastLine: 3 });
  expect(again.warning).toMatch(/^of lines 3 to 6, 3 records had to be sent twice/);
});
