/**
 * Watchers in a process of their own: opens so many watches, says so, and on the next message tells how many puts the
 * first of them was told of, how many bytes came to it, to the one that got least and to all of them, in how many seconds, and when
 * the last event came. Plain sockets, so that they take little from the node.
 */
import { connect, type Socket } from "node:net";

const [url = "", count = "0", prefix = ""] = process.argv.slice(2);
const { hostname, port } = new URL(url);
const bytesOf: number[] = [];
let puts = 0;
let lastEventMs = 0;

function open(at: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(Number(port), hostname);
    const own = encodeURIComponent(prefix.replace("%d", String(at)));
    socket.write(`GET /watch?since=now&prefix=${own} HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`);
    socket.once("data", () => resolve());
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`watcher ${at} was cut off`)));
    socket.on("data", (chunk: Buffer) => {
      bytesOf[at] = (bytesOf[at] ?? 0) + chunk.length;
      if (chunk.includes("event: ")) lastEventMs = Date.now();
      if (at === 0) puts += chunk.toString("latin1").split("event: put").length - 1;
    });
  });
}

for (let at = 0; at < Number(count); at++) await open(at);
bytesOf.fill(0);
const begun = performance.now();
process.on("message", () => {
  const bytes = bytesOf.reduce((sum, some) => sum + some, 0);
  const least = Math.min(...bytesOf);
  const seconds = (performance.now() - begun) / 1_000;
  process.send?.({ puts, bytes, first: bytesOf[0], least, seconds, lastEventMs });
});
process.send?.("ready");
