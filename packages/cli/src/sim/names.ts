import { CliError, EXIT } from "../failure.ts";

/** The names asked for, all of them when none is. @throws CliError for one that is not known */
export function namesOf<Name extends string>(
  what: string,
  asked: readonly string[],
  known: readonly Name[],
): readonly Name[] {
  if (asked.length === 0) return known;
  return asked.map((text) => {
    const found = known.find((name) => name === text);
    if (found !== undefined) return found;
    throw new CliError(`there is no ${what} ${JSON.stringify(text)}`, {
      code: `unknown_${what}`,
      exit: EXIT.usage,
      next: `Give one of ${known.join(", ")}.`,
    });
  });
}
