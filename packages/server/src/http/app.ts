/**
 * The fastify application: it routes, describes and closes. Bodies are read by the routes themselves, queries
 * parsed by them, answers sent by `Exchange`; so what no schema or parser of a framework may touch reaches none.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { hostname } from "node:os";
import { Readable } from "node:stream";
import fastifySwagger from "@fastify/swagger";
import fastifySwaggerUi from "@fastify/swagger-ui";
import { PROBLEMS } from "@hearsay/api";
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type HTTPMethods,
} from "fastify";
import type { Settings } from "../config/knobs.ts";
import { parseListen } from "../config/relations.ts";
import type { Operation } from "../metrics/requests.ts";
import type { Services } from "../services.ts";
import { answerClientError } from "./client-errors.ts";
import { Exchange } from "./exchange.ts";
import { HostCheck } from "./host.ts";
import { createHttpServer } from "./http-server.ts";
import { refuseForeignPages } from "./origin.ts";
import { inTurn } from "./pipeline.ts";
import { ApiProblem } from "./problem.ts";
import type { RouteDescription } from "./route-description.ts";
import { routeDescriptions } from "./routes.ts";
import { CONSUL_KEY_ROUTE, KEY_ROUTE, routedTarget } from "./target.ts";

export async function buildApp(services: Services): Promise<FastifyInstance> {
  const { settings } = services;
  const app = Fastify({
    logger: false,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    rewriteUrl: (request) => routedTarget(request.url ?? "/"),
    serverFactory: (handle) => createHttpServer(settings).on("request", handle),
    // Without any it would load those it brings along, for nothing.
    schemaController: { compilersFactory: { buildValidator: neverAsked, buildSerializer: neverAsked } },
    clientErrorHandler: (error, socket) => {
      answerClientError(error, socket, (status) => services.exchange.requests.count("unrouted", status, 0));
    },
    frameworkErrors: (error, request, reply) => {
      respond(services, "unrouted", request, reply, () => {
        throw error.code === "FST_ERR_BAD_URL"
          ? new ApiProblem("bad_request", { detail: "The request target has a bad percent escape." })
          : error;
      });
    },
  });
  // Otherwise fastify would read the bodies of some by itself.
  for (const method of app.supportedMethods)
    app.addHttpMethod(method, { hasBody: false, overrideExisting: true });
  // The routes check with the same schemas; what fastify compiled would only be run a second time.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler((error, request, reply) => {
    respond(services, "unrouted", request, reply, () => {
      throw refusedByFramework(error);
    });
  });
  continueOnceRead(app.server);
  // Others need not be met (RFC 9110, section 10.1.1). Node would refuse them by itself, without a code.
  app.server.on("checkExpectation", (request, response) => app.server.emit("request", request, response));
  await describe(app);
  const descriptions = routeDescriptions(services, () => app.swagger());
  const hosts = new HostCheck(namesOf(settings));
  for (const description of descriptions) addRoute(app, services, hosts, description);
  app.setNotFoundHandler((request, reply) => {
    respond(services, "unrouted", request, reply, () => refuseUnrouted(request, descriptions));
  });
  return app;
}

/** The application has compilers set, and so asks nobody for one. */
function neverAsked(): never {
  throw new Error("there is a compiler already");
}

/** A path that would lead out of the files behind `/docs`, say, is no fault of the node. */
function refusedByFramework(error: unknown): unknown {
  const status = error instanceof Error && "statusCode" in error ? Number(error.statusCode) : 500;
  if (status === 403 || status === 404) return new ApiProblem("route_not_found");
  return status < 500 ? new ApiProblem("bad_request", { detail: String(error) }) : error;
}

/**
 * `Expect: 100-continue` (RFC 9110, section 10.1.1): the client is told to go on only once its body is read, and sends none
 * that is refused by its head alone. Such a connection ends, as nobody can tell whether the body comes all the same.
 */
function continueOnceRead(server: FastifyInstance["server"]): void {
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    response.shouldKeepAlive = false;
    request.once("resume", () => {
      if (response.headersSent) return;
      response.shouldKeepAlive = true;
      response.writeContinue();
    });
    server.emit("request", request, response);
  });
}

function namesOf({ listen, advertise, "security.hosts": names }: Settings): string[] {
  const own = [listen, advertise].filter((address) => address !== "");
  return [hostname(), ...own.map((address) => parseListen(address).host), ...names];
}

function addRoute(app: FastifyInstance, services: Services, hosts: HostCheck, route: RouteDescription): void {
  const { body, ...schema } = route.schema;
  const changes = route.method !== "GET" && route.method !== "HEAD";
  const handle: RouteDescription["handle"] = (exchange) => {
    hosts.admit(exchange.headers, exchange.raw.socket);
    if (changes) refuseForeignPages(exchange.headers);
    return route.handle(exchange);
  };
  app.route({
    method: route.method,
    url: route.url,
    schema,
    config: { body },
    handler: (request, reply) => respond(services, route.operation, request, reply, handle),
  });
}

function respond(
  services: Services,
  operation: Operation,
  request: FastifyRequest,
  reply: FastifyReply,
  handle: (exchange: Exchange) => undefined | Promise<void> | void,
): void {
  reply.hijack();
  const exchange = new Exchange(services.exchange, operation, request.raw, reply.raw);
  inTurn(reply.raw, () => {
    try {
      refuseUnlessOneHost(request.raw);
      handle(exchange)?.catch((error: unknown) => exchange.fail(error));
    } catch (error) {
      exchange.fail(error);
    }
  });
}

/**
 * RFC 9112, section 3.2. Node would answer by itself where there is none, without a code, and of several take the first, where
 * what stands in between may take another one.
 * @throws ApiProblem `bad_request`
 */
function refuseUnlessOneHost({ rawHeaders, httpVersion }: IncomingMessage): void {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i];
    if (name?.length === 4 && name.toLowerCase() === "host") hosts += 1;
  }
  if (hosts === 1 || (hosts === 0 && httpVersion === "1.0")) return;
  const detail = hosts === 0 ? "The Host header is missing." : "There are several Host headers.";
  throw new ApiProblem("bad_request", { detail });
}

const KEY_ROUTES: ReadonlyMap<string, string> = new Map([
  [routedTarget("/kv/"), KEY_ROUTE],
  [routedTarget("/v1/kv/"), CONSUL_KEY_ROUTE],
]);

function refuseUnrouted(request: FastifyRequest, descriptions: readonly RouteDescription[]): never {
  const [path = ""] = (request.raw.url ?? "").split("?");
  const routed = KEY_ROUTES.get(path) ?? path;
  const allowed = new Set<HTTPMethods>();
  for (const { url, method } of descriptions) if (isRoute(url, routed)) allowed.add(method);
  if (allowed.size === 0) throw new ApiProblem("route_not_found");
  throw new ApiProblem("method_not_allowed", {
    detail: PROBLEMS.method_not_allowed.title,
    headers: ["Allow", [...allowed].join(", ")],
  });
}

function isRoute(url: string, path: string): boolean {
  return url.endsWith("/*") ? path.startsWith(url.slice(0, -1)) : url === path;
}

async function describe(app: FastifyInstance): Promise<void> {
  await app.register(fastifySwagger, {
    exposeHeadRoutes: true,
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Hearsay",
        description: "An eventually consistent, replicated key-value store that knows what it holds.",
        version: "0.1.0",
        license: { name: "Apache-2.0", url: "https://www.apache.org/licenses/LICENSE-2.0" },
      },
    },
    transform: ({ schema, url, route }) => {
      const body: unknown =
        route.config !== undefined && "body" in route.config ? route.config.body : undefined;
      return { schema: body === undefined ? schema : { ...schema, body }, url };
    },
  });
  await app.register((docs, _, done) => {
    // What waits behind another answer hears when the reader goes away: a file that is open already is closed.
    docs.addHook("onRequest", (_request, reply, next) => inTurn(reply.raw, next));
    docs.addHook("onSend", (_request, reply, payload, next) => {
      if (!reply.raw.destroyed) return next(null, payload);
      // It was opened when the reader had gone away already, which fastify does not hear of any more.
      if (payload instanceof Readable) payload.destroy();
    });
    docs.register(fastifySwaggerUi, {
      routePrefix: "/docs",
      // Everything the page needs comes from the node itself, which may well be reached without TLS.
      staticCSP:
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
    });
    done();
  });
}
