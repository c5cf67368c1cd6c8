import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it, vi } from "vitest";
import { patientFetch } from "./patient-fetch.ts";

afterEach(() => vi.useRealTimers());

it("waits for an answer and its parts for longer than Node's fetch does, where the client is ready to", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const request = once(server, "request");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const { signal } = new AbortController();
  const answer = patientFetch(`http://127.0.0.1:${port}/`, {
    method: "PUT",
    body: new Uint8Array([1]),
    headers: {},
    redirect: "error",
    signal,
    timeoutMs: 3_600_000,
  });
  answer.catch(() => undefined);
  const [, response] = (await request) as [unknown, ServerResponse];
  await vi.advanceTimersByTimeAsync(900_000);
  response.write("a");
  const { body } = await answer;
  const reader = body?.getReader();
  expect((await reader?.read())?.value).toEqual(new Uint8Array([97]));
  await vi.advanceTimersByTimeAsync(900_000);
  response.end("b");
  expect((await reader?.read())?.value).toEqual(new Uint8Array([98]));
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
