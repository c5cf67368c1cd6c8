/** Node's fetch may forget a signal once it has answered, when the garbage is collected. */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

it("ends a watching of a silent node when it is told to, also after the garbage was collected", () => {
  const child = fileURLToPath(new URL("dist/silent-child.js", import.meta.url));
  const out = execFileSync(process.execPath, ["--expose-gc", child], { encoding: "utf8", timeout: 20_000 });
  expect(out).toBe("enough");
});
