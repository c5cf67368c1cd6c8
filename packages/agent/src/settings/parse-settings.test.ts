import { describe, expect, it } from "vitest";
import { AgentError } from "../fault.ts";
import { parseSettings } from "./parse-settings.ts";

const WHOLE = `
endpoints: [http://n1:7171, http://n2:7171]
state: /var/lib/hearsay-agent
status: 127.0.0.1:7180
startWait: 3s
debounce: { min: 10ms, max: 1s }
splay: 5s
retry: { base: 100ms, cap: 10s }
guard: { maxShrinkPercent: 20 }
failOnMissing: true
files:
  - path: out/site.conf
    template: site.conf.eta
    prefixes: [nginx/, common/]
    mode: "0640"
    owner: root:root
    check: [nginx, -t, -c, "{staged}"]
    checkTimeout: 1s
    reload: nginx -s reload
    backup: false
    splay: 30s
    guard: { maxShrinkPercent: 90 }
  - path: /etc/raw
    key: raw/value
`;

function faultsOf(text: string): readonly string[] {
  try {
    parseSettings(text, "/etc/agent.yaml");
  } catch (error) {
    if (error instanceof AgentError && error.fault.code === "settings_invalid") return error.fault.faults;
    throw error;
  }
  return [];
}

describe("agent.yaml", () => {
  it("gives all settings, with paths from its own directory and a file's own over the shared ones", () => {
    const settings = parseSettings(WHOLE, "/etc/hearsay/agent.yaml");
    expect(settings).toMatchObject({
      endpoints: ["http://n1:7171", "http://n2:7171"],
      state: "/var/lib/hearsay-agent",
      status: { host: "127.0.0.1", port: 7180 },
      startWaitMs: 3_000,
      failOnMissing: true,
    });
    const timing = { minMs: 10, maxMs: 1_000, splayMs: 5_000, retryBaseMs: 100, retryCapMs: 10_000 };
    expect(settings.files).toEqual([
      {
        path: "/etc/hearsay/out/site.conf",
        content: { kind: "template", path: "/etc/hearsay/site.conf.eta" },
        prefixes: ["nginx/", "common/"],
        mode: 0o640,
        owner: "root:root",
        check: { command: ["nginx", "-t", "-c", "{staged}"], timeoutMs: 1_000 },
        reload: { command: "nginx -s reload", timeoutMs: 30_000 },
        backup: false,
        timing: { ...timing, splayMs: 30_000 },
        maxShrinkPercent: 90,
      },
      {
        path: "/etc/raw",
        content: { kind: "key", key: "raw/value" },
        prefixes: ["raw/value"],
        mode: undefined,
        owner: undefined,
        check: undefined,
        reload: undefined,
        backup: true,
        timing,
        maxShrinkPercent: 20,
      },
    ]);
  });

  it("keeps words of a list that look like numbers as they stand", () => {
    const { files } = parseSettings(
      "files: [{ path: f, key: k, check: [install, -m, 0644, 1.10] }]",
      "/etc/a.yaml",
    );
    expect(JSON.stringify(files[0]?.check)).toContain('["install","-m","0644","1.10"]');
  });

  it("that is wrong is refused with every fault and its line", () => {
    const faults = faultsOf(`endpoints: [http://a:1, "ftp://b", "http://c:99999"]
splat: 1s
debounce: { min: 2s, max: 1s }
status: nowhere
files:
  - path: /a
    template: t
    mode: "0999"
    checkTimeout: 5s
  - path: /a
    key: k
    template: t
    prefixes: [p/]
    guard: { maxShrinkPercent: 101 }
  - key: k
    prefixes: [other/]
    reload: []
`);
    expect(faults.map((fault) => fault.replace("/etc/agent.yaml:", ""))).toEqual([
      "3: debounce.max is not less than debounce.min",
      '1: endpoints: "ftp://b" is no http or https URL',
      '1: endpoints: "http://c:99999" is no URL',
      "4: status is HOST:PORT or [IPV6]:PORT",
      "6: a template has prefixes: the keys it may use",
      '8: mode is three octal digits, such as "0640"',
      "9: checkTimeout needs check",
      "10: a file has either a key or a template",
      "14: files[1].guard.maxShrinkPercent is a whole number from 0 to 100",
      "15: a file has a path",
      "16: the key lies below one of the prefixes",
      "17: reload is a command",
      "6: /a is there twice; a file has one entry",
      expect.stringMatching(/^2: there is no setting splat; there are .*splay/),
    ]);
  });

  it("may not name a file that is the backup of another", () => {
    const both = (backup: string): readonly string[] =>
      faultsOf(`files: [{ path: /f, key: k${backup} }, { path: /f.bak, key: k }]`);
    expect(both("")).toEqual(["/etc/agent.yaml:1: /f.bak is the backup of /f; set its backup to false"]);
    expect(both(", backup: false")).toEqual([]);
  });

  it("that is no YAML, no map, empty or huge is refused", () => {
    expect(faultsOf("a: [1")[0]).toMatch(/^\/etc\/agent.yaml:1: /);
    expect(faultsOf("endpoints: []")).toContain("/etc/agent.yaml:1: endpoints has at least one entry");
    expect(faultsOf("- 1")).toContain("/etc/agent.yaml:1: the file is a map of settings");
    expect(faultsOf("")).toEqual(["/etc/agent.yaml:1: files has at least one entry"]);
    expect(faultsOf("#".repeat(2_000_000))).toEqual(["larger than 1048576 bytes; this is no configuration"]);
  });
});
