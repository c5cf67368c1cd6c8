/** How `/watch` is described. */
import { MEDIA_TYPES, Type, WatchBatch, WatchDelete, WatchPut, WatchQuery, WatchReset } from "@hearsay/api";
import { problems, type RouteDescription } from "../http/route-description.ts";
import { watch } from "../routes/watch.ts";
import type { Services } from "../services.ts";

export function watchRoute(services: Services): RouteDescription {
  return {
    method: "GET",
    url: "/watch",
    operation: "watch",
    schema: {
      summary: "What happens under a prefix: server-sent events, or with wait one answer",
      tags: ["keys"],
      querystring: WatchQuery,
      headers: Type.Object({
        "Last-Event-ID": Type.Optional(
          Type.String({ description: "A cursor; comes before the one in the query" }),
        ),
      }),
      response: {
        200: {
          description: "Events put, delete, synced and reset, with a cursor as id; or a batch of them",
          content: {
            [MEDIA_TYPES.events]: { schema: Type.Union([WatchPut, WatchDelete, WatchReset]) },
            [MEDIA_TYPES.json]: { schema: WatchBatch },
          },
        },
        ...problems,
      },
    },
    handle: (exchange) => watch(services, exchange),
  };
}
