import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toCurl } from "./curl.ts";

const base = { redirect: "error", signal: new AbortController().signal, timeoutMs: 1_000 } as const;

/** What a shell makes of the command, with a curl that writes its arguments and its input back. */
function asShellSeesIt(command: string): { readonly args: string[]; readonly input: string } {
  const script = `curl() { for a in "$@"; do printf '%s' "$a" | base64 -w0; echo; done; case " $* " in *" @- "*) printf 'input '; base64 -w0;; esac; }\n${command}`;
  const lines = execFileSync("sh", ["-c", script], { encoding: "utf8", input: "" }).split("\n");
  const input = lines.find((line) => line.startsWith("input "))?.slice(6) ?? "";
  const args = lines.filter((line) => line !== "" && !line.startsWith("input "));
  return { args: args.map((arg) => Buffer.from(arg, "base64").toString()), input };
}

describe("a curl command", () => {
  it("is bare for a plain read", () => {
    expect(toCurl("http://n:1/kv/a%20b", { ...base, method: "GET", headers: {} }, undefined)).toBe(
      "curl -sS http://n:1/kv/a%20b",
    );
  });

  it("gives the shell exactly the headers and the text, whatever they hold", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", minLength: 1 }),
        fc.string({ minLength: 1 }),
        (text, header) => {
          const init = { ...base, method: "PUT", headers: { "X-A": header }, body: Buffer.from(text) };
          const { args } = asShellSeesIt(toCurl("http://n:1/kv/k?a=1&b=2", init, undefined));
          expect(args).toEqual([
            "-sS",
            "-X",
            "PUT",
            "-H",
            `X-A: ${header}`,
            "--data-raw",
            text,
            "http://n:1/kv/k?a=1&b=2",
          ]);
        },
      ),
      { numRuns: 25 },
    );
  });

  it("pipes bytes that are no text", () => {
    const body = Buffer.from([0, 0xff, 0x27, 0x0a]);
    const command = toCurl("http://n:1/kv/k", { ...base, method: "PUT", headers: {}, body }, undefined);
    expect(Buffer.from(asShellSeesIt(command).input, "base64")).toEqual(body);
  });

  it("names the file a streamed body comes from, and sends empty headers", () => {
    const init = { ...base, method: "POST", headers: { A: "" }, body: new ReadableStream<Uint8Array>() };
    expect(toCurl("http://n:1/restore?mode=exact", init, "my file")).toBe(
      "curl -sS -X POST -H 'A;' --data-binary '@my file' 'http://n:1/restore?mode=exact'",
    );
  });
});
