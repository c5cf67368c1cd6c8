import { expect, it } from "vitest";
import { runAgainst } from "../against-node.contract.ts";

function readiness(isComplete: boolean): string {
  const checks = [
    { name: "joining", ok: true, detail: "no" },
    { name: "complete", ok: isComplete, detail: "catching up" },
  ];
  return JSON.stringify({ ready: true, checks });
}

it("waiting for a node that was just started begins before it takes connections", async () => {
  let asked = 0;
  const { code, err } = await runAgainst(
    (request, response) => {
      asked++;
      if (asked <= 4) request.socket.destroy();
      else response.end(readiness(asked > 5));
    },
    ["wait", "--complete"],
  );
  expect({ code, err, asked }).toEqual({ code: 0, err: "", asked: 6 });
});
