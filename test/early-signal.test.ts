/** A command that is asked to end while it is still loading. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { hearsay, temporaryDirectory } from "./cli-process.ts";

const directory = temporaryDirectory();
afterAll(() => directory.remove());

/** Sends the process a signal when its commands are about to be loaded. */
function signalledOnLoad(signal: NodeJS.Signals): string {
  const hooks = `export async function load(url, context, next) {
    if (url.endsWith("/cli/dist/run.js")) process.kill(process.pid, "${signal}");
    return await next(url, context);
  }`;
  const register = `import { register } from "node:module"; register(${JSON.stringify(toUrl(hooks))});`;
  return `--import=${toUrl(register)}`;
}

function toUrl(source: string): string {
  return `data:text/javascript;base64,${Buffer.from(source).toString("base64")}`;
}

it("serve ends with 0, and has begun nothing", async () => {
  const data = join(directory.path, "n1");
  const { code, out, err } = await hearsay(["serve", "--data", data, "--listen", "127.0.0.1:0"], {
    env: { NODE_OPTIONS: signalledOnLoad("SIGTERM") },
  });
  expect({ code, out: out.toString(), err }).toEqual({ code: 0, out: "", err: "" });
  expect(existsSync(data)).toBe(false);
});

it.each([
  ["SIGTERM", 143],
  ["SIGINT", 130],
] as const)("a command ends by %s with %i, and asks no node", async (signal, code) => {
  const finished = await hearsay(["get", "k", "--endpoint", "http://127.0.0.1:9"], {
    env: { NODE_OPTIONS: signalledOnLoad(signal) },
  });
  expect(finished).toMatchObject({ code, text: "", err: "" });
});
