import { once } from "node:events";
import { createServer } from "node:net";
import { parseListen } from "../config/relations.ts";
import { listenError } from "../start-error.ts";

/**
 * Listens, and stops at once.
 * @param listen HOST:PORT
 * @throws StartError where nobody can listen there now
 */
export async function tryListening(listen: string): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  try {
    await once(server.listen(parseListen(listen)), "listening");
  } catch (error) {
    throw listenError(error, listen);
  }
  await new Promise((resolve) => server.close(resolve));
}
