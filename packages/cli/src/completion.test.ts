import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { completionScript } from "./completion.ts";
import { processIo } from "./io.ts";
import { buildProgram } from "./program.ts";

const script = completionScript(buildProgram(processIo()), "bash");

/** What bash offers for the last of the words. */
function offered(...words: readonly string[]): string[] {
  const line = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hearsay; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync("bash", ["-c", `${script}${line}`, "bash", "hearsay", ...words]).toString();
  return out.split("\n").filter((word) => word !== "");
}

describe.runIf(existsSync("/bin/bash"))("completion", () => {
  it("offers commands, those below a command, and options of the command that is meant", () => {
    expect(offered("ge")).toEqual(["get"]);
    expect(offered("")).toEqual(expect.arrayContaining(["serve", "snapshot", "completion", "--version"]));
    expect(offered("snapshot", "")).toEqual(expect.arrayContaining(["save", "restore", "inspect"]));
    expect(offered("snapshot", "restore", "--mo")).toEqual(["--mode"]);
    expect(offered("put", "get", "--if-")).toEqual(["--if-match", "--if-absent"]);
  });

  it("offers neither what is hidden nor anything for a value", () => {
    expect(offered("serve", "--with")).toEqual([]);
    expect(offered("get", "some")).toEqual([]);
  });
});
