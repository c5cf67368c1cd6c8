/**
 * After a message sends to everyone who has asked, in blocks of a delivery's size, whenever the last one has been taken;
 * and does nothing else.
 */
import { createServer, type Socket } from "node:net";

/** 200 events of a put of 100 bytes. */
const BLOCK = Buffer.alloc(200 * 277, "v");

const sockets: Socket[] = [];
const server = createServer((socket) => {
  socket.on("error", () => undefined);
  socket.once("data", () => {
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    sockets.push(socket);
  });
});

function send(): void {
  for (const socket of sockets) if (socket.writableLength === 0) socket.write(BLOCK);
  setImmediate(send);
}

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  process.send?.(`http://127.0.0.1:${address.port}`);
  process.once("message", send);
});
