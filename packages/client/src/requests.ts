/** Requests that are answered with JSON of the contract. */
import { understood } from "./answers.ts";
import { parseAs } from "./schema.ts";
import type { Answer, Call, Transport } from "./transport.ts";

export interface Answered<T> {
  readonly answer: Answer;
  readonly value: T;
}

/** As `understood`; behind an answer that is no node's the next call begins at the next endpoint. */
export function understoodOf<T>(transport: Transport, answer: Answer, call: Call, read: () => T): T {
  try {
    return understood(answer, call, read);
  } catch (error) {
    transport.moveOn(answer.endpoint);
    throw error;
  }
}

/** @throws HearsayError, among others `bad_answer` for JSON of another shape */
export async function requestJson<T>(
  transport: Transport,
  call: Call,
  has: (value: unknown) => value is T,
): Promise<Answered<T>> {
  const answer = await transport.send(call);
  return { answer, value: understoodOf(transport, answer, call, () => parseAs(answer.body, has)) };
}
