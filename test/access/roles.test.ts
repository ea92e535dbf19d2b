import { expect, test } from "vitest";
import type { Identity } from "../../server/access/identity.ts";
import { includesRole, roleOf } from "../../server/access/roles.ts";
import type { Role } from "../../shared/protocol/messages.ts";

const docId = "0197a3c2-7c1e-7a00-8000-000000000001";
const lists = { docId, owner: "o", editors: ["e"], viewers: ["v", "e"], public: false };
const who = (userId: string, role?: Role): Identity => ({
  userId,
  expiresAt: 0,
  ...(role === undefined ? {} : { docs: new Map([[docId, role]]) }),
});

test.each<[string, Identity | undefined, boolean, Role | undefined]>([
  ["the owner", who("o"), false, "owner"],
  ["an editor, who is a viewer too", who("e"), false, "editor"],
  ["a viewer", who("v"), false, "viewer"],
  ["a stranger", who("s"), false, undefined],
  ["nobody", undefined, false, undefined],
  ["a stranger, public", who("s"), true, "viewer"],
  ["nobody, public", undefined, true, "viewer"],
  ["an editor, public", who("e"), true, "editor"],
  ["a stranger with a grant", who("s", "editor"), false, "editor"],
  ["the owner with a lesser grant", who("o", "viewer"), false, "owner"],
  ["a viewer with a higher grant", who("v", "owner"), false, "owner"],
])("[roles] %s", (_title, identity, isPublic, role) => {
  expect(roleOf({ ...lists, public: isPublic }, identity)).toBe(role);
});

test("[roles] a grant for another document gives nothing", () => {
  expect(
    roleOf({ ...lists, docId: "0197a3c2-7c1e-7a00-8000-000000000002" }, who("s", "owner")),
  ).toBeUndefined();
});

test("[roles] owner includes editor includes viewer", () => {
  const roles: Role[] = ["viewer", "editor", "owner"];
  for (const [a, role] of roles.entries()) {
    for (const [b, needed] of roles.entries()) expect(includesRole(role, needed)).toBe(a >= b);
  }
});
