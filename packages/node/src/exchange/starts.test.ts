import { expect, test } from "vitest";
import { Starts } from "./starts.ts";

test("a start that is no later than the latest that was forgotten may be a copy, in whatever order they came", () => {
  const starts = new Starts(5);
  expect([starts.isNews(5), starts.isNews(6)]).toEqual([false, true]);
  starts.add("first", 100);
  starts.add("second", 50);
  for (let number = 0; number < 1024; number++) starts.add(`later ${number}`, 60);
  expect([starts.has("first"), starts.has("second"), starts.has("later 0")]).toEqual([false, false, true]);
  expect([starts.isNews(100), starts.isNews(101)]).toEqual([false, true]);
});
