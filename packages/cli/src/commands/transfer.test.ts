import { expect, it } from "vitest";
import { runAgainst } from "../against-node.contract.ts";

it("an export that breaks off is not taken up by another node, which does not know what the first lacks", async () => {
  const item = { key: "a", version: "v", contentType: "text/plain", size: 1, value: "dg==" };
  let asked = 0;
  const { code, err } = await runAgainst(
    (_, answer) => {
      const isFirst = asked++ === 0;
      answer
        .setHeader("Content-Type", "application/x-ndjson")
        .setHeader("Hearsay-Node", isFirst ? "n1" : "n2");
      if (isFirst) answer.write(`${JSON.stringify(item)}\n`, () => answer.destroy());
      else answer.end(`${JSON.stringify({ ...item, key: "b" })}\n`);
    },
    ["export"],
  );
  expect([code, err]).toEqual([1, expect.stringContaining("n1 answered first, and n2 after it")]);
});
