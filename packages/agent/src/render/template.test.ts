import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { AgentError } from "../fault.ts";
import { type Rendered, renderTemplate } from "./template.ts";

const scope = (values: Readonly<Record<string, string | Uint8Array>>) => ({
  prefixes: ["app/"],
  values: new Map(
    Object.entries(values).map(([key, value]) => [
      key,
      typeof value === "string" ? Buffer.from(value) : value,
    ]),
  ),
});

function render(text: string, values: Readonly<Record<string, string | Uint8Array>> = {}): Rendered {
  return renderTemplate({ path: "/templates/t.eta", text }, scope(values));
}

function failure(text: string, values: Readonly<Record<string, string | Uint8Array>> = {}): unknown {
  try {
    render(text, values);
  } catch (error) {
    return error instanceof AgentError ? error.fault : error;
  }
  return undefined;
}

describe("a template", () => {
  it("reads values, lists and JSON, without escaping them", () => {
    const text = `<%= it.get("app/a") %> <% for (const {name, value} of it.list("app/hosts/")) { %>[<%= name %>=<%= value %>]<% } %> <%= it.json("app/j").n %> <%= it.names("app/").join() %>`;
    const values = { "app/a": `<&">`, "app/hosts/b": "2", "app/hosts/a": "1", "app/j": `{"n":7}` };
    expect(render(text, values)).toEqual({ text: `<&"> [a=1][b=2] 7 a,hosts,j`, missing: [] });
  });

  it("keeps line feeds behind tags, unless the tag says otherwise", () => {
    const text = `a <%= it.get("app/a") %>\n<% for (const n of [1, 2]) { -%>\nn <%= n %>\n<% } -%>\nend\n`;
    expect(render(text, { "app/a": "1" }).text).toBe("a 1\nn 1\nn 2\nend\n");
  });

  it("names the keys that have no value and no default", () => {
    const text = `<%= it.get("app/x") %><%= it.get("app/y", "d") %><%= it.json("app/z", 1) %><%= it.get("app/x") %><%= it.bytes("app/b") %>`;
    expect(render(text)).toEqual({ text: "d1", missing: ["app/x", "app/b"] });
    expect(render(`<%= it.has("app/x") %>`)).toEqual({ text: "false", missing: [] });
  });

  it("gives bytes as base64, and refuses to take them for text", () => {
    expect(render(`<%= it.bytes("app/b") %>`, { "app/b": Uint8Array.of(255, 0) }).text).toBe("/wA=");
    expect(failure(`<%= it.get("app/b") %>`, { "app/b": Uint8Array.of(255) })).toMatchObject({
      code: "template_failed",
      reason: expect.stringContaining("not UTF-8"),
    });
  });

  it("may list what has values that are not UTF-8, and only not ask for these", () => {
    const values = { "app/b": Uint8Array.of(255), "app/t": "x" };
    expect(render(`<%= it.names("app/") %> <%= it.list("app/").at(-1).value %>`, values).text).toBe("b,t x");
    expect(failure(`<%= it.list("app/")[0].value %>`, values)).toMatchObject({
      reason: expect.stringContaining("not UTF-8"),
    });
  });

  it("may not ask for what lies outside its prefixes", () => {
    expect(failure(`<%= it.get("other/x") %>`)).toMatchObject({ reason: expect.stringContaining("other/x") });
    expect(failure(`<%= it.list("") %>`)).toMatchObject({ code: "template_failed" });
  });

  it("that does not parse, throws, or reads bad JSON says why", () => {
    expect(failure("<% if ( %>")).toMatchObject({ code: "template_failed", path: "/templates/t.eta" });
    expect(failure("<% throw new Error('on purpose') %>")).toMatchObject({
      reason: expect.stringContaining("on purpose"),
    });
    expect(failure(`<%= it.json("app/j") %>`, { "app/j": "{" })).toMatchObject({
      reason: expect.stringContaining("app/j"),
    });
  });

  it("includes partials beside it", () => {
    const directory = mkdtempSync(join(tmpdir(), "hearsay-test-"));
    try {
      writeFileSync(join(directory, "part.eta"), `part of <%= it.get("app/a") %>`);
      const template = { path: join(directory, "t.eta"), text: `<%~ include("./part", it) %>!` };
      expect(renderTemplate(template, scope({ "app/a": "x" })).text).toBe("part of x!");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
