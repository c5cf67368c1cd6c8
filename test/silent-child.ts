/** Watches a server that has said something once, collects the garbage, and then ends the watching. Run with --expose-gc. */
import { once } from "node:events";
import { createServer } from "node:http";
import { Client } from "@hearsay/client";

const server = createServer((_, response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.write(": hearsay\n\n");
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
const port = typeof address === "object" ? address?.port : undefined;

const ending = new AbortController();
const client = new Client({ endpoints: [`http://127.0.0.1:${port}`] });
const watching = (async () => {
  for await (const event of client.watch({ signal: ending.signal })) process.stdout.write(event.kind);
})();
const collect = (): void => {
  for (let i = 0; i < 10; i++) globalThis.gc?.();
};
setTimeout(collect, 300);
setTimeout(() => {
  collect();
  ending.abort(new Error("enough"));
}, 600);
watching.catch((error: unknown) => {
  process.stdout.write(error instanceof Error ? error.message : "");
  process.exit(0);
});
