/**
 * Cuts connections whose peer takes nothing of what was answered. Large answers are watched one by one (`cutIfUnread`);
 * of small ones, which go out many together, a look at all connections now and then finds those that are stuck.
 */
import type { Server } from "node:http";
import type { Socket } from "node:net";

/** Looks in the time that a reader has: one that is stuck is cut after that time and a quarter. */
const LOOKS = 4;

/** @param slowReaderMs in which a reader has to take something */
export function cutUnread(server: Server, slowReaderMs: number): void {
  const sockets = new Set<Socket>();
  /** Those with a time-out of ours; Node sets others while nothing is asked on a connection. */
  const watched = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => {
      sockets.delete(socket);
      watched.delete(socket);
    });
  });
  const look = (): void => {
    for (const socket of sockets) {
      const isStuck = socket.writableLength > 0;
      if (isStuck && !socket.timeout) {
        socket.setTimeout(slowReaderMs);
        watched.add(socket);
      } else if (!isStuck && watched.delete(socket) && socket.timeout === slowReaderMs) socket.setTimeout(0);
    }
  };
  server.once("listening", () => {
    const timer = setInterval(look, Math.ceil(slowReaderMs / LOOKS));
    timer.unref();
    server.once("close", () => clearInterval(timer));
  });
}
