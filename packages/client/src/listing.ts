/** Listings: by pages, or streamed entry by entry. */
import { ConflictPage, ListItem, ListPage, MEDIA_TYPES } from "@hearsay/api";
import { understood, understoodLines } from "./answers.ts";
import { HearsayError } from "./fault.ts";
import { type ListOptions, manyReadHeaders, only } from "./options.ts";
import { VALUE_LINE_MAX_LENGTH } from "./parts.ts";
import { listPath, withQuery } from "./path.ts";
import { requestJson } from "./requests.ts";
import { guard, parseAs } from "./schema.ts";
import type { Call, Transport } from "./transport.ts";

const isListPage = guard<ListPage>(ListPage);
const isListItem = guard<ListItem>(ListItem);
const isConflictPage = guard<ConflictPage>(ConflictPage);

/** How often a listing that broke off is taken up again without having made progress. */
const SCAN_MAX_STALLS = 3;

export function listPages(transport: Transport, options: ListOptions): AsyncGenerator<ListPage> {
  const pathOf = (after: string | undefined): string => listPath({ ...options, after }, options.pageSize);
  return pages(transport, options, pathOf, isListPage);
}

export function conflictPages(
  transport: Transport,
  options: Omit<ListOptions, "keysOnly">,
): AsyncGenerator<ConflictPage> {
  const { prefix, pageSize: limit } = options;
  const pathOf = (after: string | undefined): string => withQuery("/conflicts", { prefix, after, limit });
  return pages(transport, options, pathOf, isConflictPage);
}

async function* pages<Page extends { readonly next: string | null }>(
  transport: Transport,
  options: Omit<ListOptions, "keysOnly">,
  pathOf: (after: string | undefined) => string,
  isPage: (value: unknown) => value is Page,
): AsyncGenerator<Page> {
  let after = options.after;
  do {
    const call: Call = {
      method: "GET",
      path: pathOf(after),
      headers: manyReadHeaders(options),
      repeat: "read",
      ...only(options),
    };
    const { value } = await requestJson(transport, call, isPage);
    yield value;
    after = value.next ?? undefined;
  } while (after !== undefined);
}

/** A stream that breaks off is taken up again behind the last entry. */
export async function* listItems(transport: Transport, options: ListOptions): AsyncGenerator<ListItem> {
  let after = options.after;
  for (let stalls = 0; ; ) {
    const call: Call = {
      method: "GET",
      path: listPath({ ...options, after }, undefined),
      headers: { ...manyReadHeaders(options), Accept: MEDIA_TYPES.ndjson },
      mediaType: MEDIA_TYPES.ndjson,
      repeat: "read",
      ...only(options),
    };
    const answer = await transport.stream(call);
    try {
      for await (const line of understoodLines(answer, call, VALUE_LINE_MAX_LENGTH)) {
        const item = understood(answer, call, () => parseAs(line, isListItem));
        after = item.key;
        stalls = 0;
        yield item;
      }
      return;
    } catch (error) {
      const broke = error instanceof HearsayError && ["unreachable", "timed_out"].includes(error.code);
      if (!broke || ++stalls > SCAN_MAX_STALLS) throw error;
      transport.moveOn(answer.endpoint);
    }
  }
}
