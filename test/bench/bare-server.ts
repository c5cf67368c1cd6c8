/** The yardstick: fastify with nothing behind it, set up for speed as its documentation says. */
import fastify from "fastify";

const app = fastify();
app.removeAllContentTypeParsers();
app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
const value = Buffer.alloc(100, "v");
app.get("/constant", (_request, reply) => {
  reply.send(value);
});
app.put("/constant", (_request, reply) => {
  reply.send(value);
});
process.stdout.write(`${await app.listen({ host: "127.0.0.1", port: 0 })}\n`);
process.on("SIGTERM", () => process.exit(0));
