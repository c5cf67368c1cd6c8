import type { PeerReply } from "@hearsay/core";
import { expect, test } from "vitest";
import { askingMembers } from "./asking-members.ts";
import { FRIEND } from "./lone-member.contract.ts";

test("what a member answers is heard, unless it was retired while it was asked", async () => {
  const answer: PeerReply = { kind: "holds-reply", holds: true };
  let isRetired = false;
  const retire = { now: false };
  const transport = askingMembers(
    {
      request: async () => {
        isRetired = retire.now;
        return answer;
      },
    },
    (id) => isRetired && id === FRIEND.id,
  );
  const message = { kind: "holds", key: "k", version: { time: 1, node: FRIEND.id } } as const;
  expect(await transport.request(FRIEND, message, 1)).toBe(answer);
  retire.now = true;
  await expect(transport.request(FRIEND, message, 1)).rejects.toMatchObject({ reason: { code: "retired" } });
});
