/** A request's body on one attempt. */
import type { FetchInit } from "./platform.ts";

/** The bytes, or what opens a stream of them: once for each attempt. */
export type Body = Uint8Array | (() => ReadableStream<Uint8Array>);

/** Tells a source that cannot be read from a connection that breaks: fetch fails with the same words on both. */
export class SentBody {
  readonly #body: Body | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(body: Body | undefined) {
    this.#body = body;
  }

  /** Why the source could not be read; undefined as long as it can. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure;
  }

  init(): Pick<FetchInit, "body" | "duplex"> {
    if (this.#body === undefined) return {};
    if (typeof this.#body !== "function") return { body: this.#body };
    return { body: this.#watched(this.#body()), duplex: "half" };
  }

  #watched(source: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
    const reader = source.getReader();
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const { done, value } = await reader.read().catch((error: unknown) => {
            this.#failure = { error };
            throw error;
          });
          if (done) controller.close();
          else controller.enqueue(value);
        },
        cancel: (reason) => reader.cancel(reason),
      },
      { highWaterMark: 0 },
    );
  }
}
