/** `user:group`, `user` or `1000:1000` as numbers, by /etc/passwd and /etc/group: Node has no call for it. */
import { readFile } from "node:fs/promises";
import { AgentError } from "../fault.ts";
import type { Ownership } from "./staged-file.ts";

/** @throws AgentError `owner_unknown`, also when the files cannot be read */
export async function resolveOwner(owner: string): Promise<Ownership> {
  const [user = "", group] = owner.split(":");
  const account = /^\d+$/.test(user) ? { uid: Number(user), gid: undefined } : await accountOf(user);
  const gid = group === undefined ? account?.gid : await groupOf(group);
  if (account === undefined || gid === undefined) throw new AgentError({ code: "owner_unknown", owner });
  return { uid: account.uid, gid };
}

async function accountOf(name: string): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  const fields = await entryOf("/etc/passwd", name);
  return fields === undefined ? undefined : { uid: Number(fields[2]), gid: Number(fields[3]) };
}

async function groupOf(name: string): Promise<number | undefined> {
  if (/^\d+$/.test(name)) return Number(name);
  const fields = await entryOf("/etc/group", name);
  return fields === undefined ? undefined : Number(fields[2]);
}

async function entryOf(path: string, name: string): Promise<readonly string[] | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  return text
    .split("\n")
    .map((line) => line.split(":"))
    .find((fields) => fields[0] === name && fields.length > 2);
}
