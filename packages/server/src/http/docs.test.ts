import { expect, it } from "vitest";
import { harness, listen } from "../testing/harness.ts";

it("shows the description over plain HTTP: nothing tells the browser to ask for it over TLS, or elsewhere", async () => {
  const node = await harness();
  const { url } = await listen(node.app);
  try {
    for (const path of ["/docs", "/docs/static/index.html", "/docs/static/swagger-initializer.js"]) {
      const answer = await fetch(url + path);
      const policy = answer.headers.get("content-security-policy") ?? "";
      expect(answer.status, path).toBe(200);
      expect(policy, path).toContain("default-src 'self'");
      expect(policy, path).not.toContain("upgrade-insecure-requests");
      expect(policy, path).not.toContain("https:");
      expect(answer.headers.get("strict-transport-security"), path).toBeNull();
      for (const link of (await answer.text()).matchAll(/(?:src|href)="([^"]+)"/g)) {
        expect(link[1], path).not.toMatch(/^https?:/);
      }
    }
  } finally {
    await node.close();
  }
});
