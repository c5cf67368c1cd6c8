/** Listings: by pages, or streamed entry by entry. */
import { ConflictPage, ListItem, ListPage, MEDIA_TYPES } from "@hearsay/api";
import { understood, understoodLines } from "./answers.ts";
import { HearsayError } from "./fault.ts";
import { type ListOptions, manyReadHeaders, only } from "./options.ts";
import { VALUE_LINE_MAX_LENGTH } from "./parts.ts";
import { listPath, withQuery } from "./path.ts";
import { requestJson } from "./requests.ts";
import { AnswerUnreadable, guard, parseAs } from "./schema.ts";
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
    const { value, answer } = await requestJson(transport, call, isPage);
    const next = value.next ?? undefined;
    understood(answer, call, () => mustMoveOn(after, next));
    yield value;
    after = next;
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
        const item = understood(answer, call, () => {
          const listed = parseAs(line, isListItem);
          mustMoveOn(after, listed.key);
          return listed;
        });
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

/**
 * A listing is in the order of the keys' UTF-8 bytes. One that does not go on in it would never end.
 * @throws AnswerUnreadable
 */
function mustMoveOn(after: string | undefined, next: string | undefined): void {
  if (after === undefined || next === undefined || isBehind(next, after)) return;
  throw new AnswerUnreadable("its keys do not go on behind the one that was asked for");
}

/** UTF-16 units are in that order but for surrogates, which stand for what comes last. */
function isBehind(key: string, after: string): boolean {
  const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);
  for (let i = 0; i < Math.min(key.length, after.length); i++) {
    const difference = rank(key.charCodeAt(i)) - rank(after.charCodeAt(i));
    if (difference !== 0) return difference > 0;
  }
  return key.length > after.length;
}
