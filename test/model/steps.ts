/** What may happen in a run of the model: plain data, so that a failing run shrinks and can be pinned as it stands. */
import fc from "fast-check";
import type { ConflictPolicy } from "../../shared/protocol/messages.ts";

/** Two documents live beside each other in every run. */
export const documentCount = 2;
export const elementCount = 3;
export const instanceCount = 3;

/** Who takes part in each document; the first one owns it. Ben has two tabs; those that store come back as themselves. */
export const cast = [
  { user: "ada", role: "owner", stores: false },
  { user: "ben", role: "editor", stores: true },
  { user: "ben", role: "editor", stores: false },
  { user: "cas", role: "editor", stores: true },
  { user: "dan", role: "viewer", stores: false },
] as const;
/** The users whose rights the owner changes. */
export const guests = ["ben", "cas", "dan"] as const;

export interface Edit {
  readonly kind: "move" | "set" | "unset" | "type" | "overwrite" | "append" | "delete";
  readonly element: number;
  readonly value: number;
}

interface On {
  readonly document: number;
  readonly who: number;
}

export type Step =
  | (On & { readonly do: "edit"; readonly edits: readonly Edit[] })
  | (On & { readonly do: "undo" | "redo" | "kill" | "expire" })
  | (On & { readonly do: "show"; readonly value: number })
  | (On & { readonly do: "close"; readonly settled: boolean })
  | (On & { readonly do: "come"; readonly instance: number; readonly wait: boolean })
  | (On & {
      readonly do: "lock";
      readonly element: number | null;
      readonly ttlMs: number;
      readonly renew: boolean;
      readonly wait: boolean;
    })
  | (On & { readonly do: "release"; readonly element: number | null; readonly wait: boolean })
  | (On & {
      readonly do: "resolve";
      readonly choose: "current" | "incoming" | "set";
      readonly which: number;
      readonly wait: boolean;
    })
  | (On & { readonly do: "script"; readonly edit: Edit; readonly instance: number; readonly wait: boolean })
  | (On & {
      readonly do: "restore" | "revert";
      readonly back: number;
      readonly instance: number;
      readonly wait: boolean;
    })
  | {
      readonly do: "rights";
      readonly document: number;
      readonly user: (typeof guests)[number];
      readonly as: "editor" | "viewer" | "none";
      readonly instance: number;
      readonly wait: boolean;
    }
  | {
      readonly do: "state";
      readonly document: number;
      readonly state: "active" | "archived";
      readonly instance: number;
      readonly wait: boolean;
    }
  | {
      readonly do: "policy";
      readonly document: number;
      readonly policy: ConflictPolicy;
      readonly instance: number;
      readonly wait: boolean;
    }
  | { readonly do: "settle"; readonly document: number };

const document = fc.nat(documentCount - 1);
const who = fc.nat(cast.length - 1);
const instance = fc.nat(instanceCount - 1);
const element = fc.nat(elementCount - 1);
const wait = fc.boolean();
const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom(
    "move",
    "move",
    "move",
    "set",
    "unset",
    "type",
    "type",
    "overwrite",
    "append",
    "delete",
  ),
  element,
  value: fc.nat(5),
});
/** The whole document (null) more seldom than an element: it stops everybody else. */
const scope = fc.option(element, { freq: 5 });

const weighted = <T>(weight: number, arbitrary: fc.Arbitrary<T>) => ({ weight, arbitrary });

const step: fc.Arbitrary<Step> = fc.oneof(
  weighted(
    50,
    fc.record({
      do: fc.constant("edit"),
      document,
      who,
      edits: fc.array(edit, { minLength: 1, maxLength: 3 }),
    }),
  ),
  weighted(5, fc.record({ do: fc.constantFrom("undo", "redo"), document, who })),
  weighted(5, fc.record({ do: fc.constant("kill"), document, who })),
  weighted(1, fc.record({ do: fc.constant("expire"), document, who })),
  weighted(3, fc.record({ do: fc.constant("show"), document, who, value: fc.nat(9) })),
  weighted(3, fc.record({ do: fc.constant("close"), document, who, settled: fc.boolean() })),
  weighted(6, fc.record({ do: fc.constant("come"), document, who, instance, wait })),
  weighted(
    8,
    fc.record({
      do: fc.constant("lock"),
      document,
      who,
      element: scope,
      ttlMs: fc.integer({ min: 1_000, max: 1_300 }),
      renew: fc.boolean(),
      wait,
    }),
  ),
  weighted(4, fc.record({ do: fc.constant("release"), document, who, element: scope, wait })),
  weighted(
    6,
    fc.record({
      do: fc.constant("resolve"),
      document,
      who,
      choose: fc.constantFrom("current", "incoming", "set"),
      which: fc.nat(2),
      wait,
    }),
  ),
  weighted(3, fc.record({ do: fc.constant("script"), document, who, edit, instance, wait })),
  weighted(
    3,
    fc.record({
      do: fc.constantFrom("restore", "revert"),
      document,
      who,
      back: fc.integer({ min: 1, max: 12 }),
      instance,
      wait,
    }),
  ),
  weighted(
    5,
    fc.record({
      do: fc.constant("rights"),
      document,
      user: fc.constantFrom(...guests),
      as: fc.constantFrom("editor", "editor", "viewer", "none"),
      instance,
      wait,
    }),
  ),
  weighted(
    3,
    fc.record({
      do: fc.constant("state"),
      document,
      state: fc.constantFrom("active", "active", "archived"),
      instance,
      wait,
    }),
  ),
  weighted(
    5,
    fc.record({
      do: fc.constant("policy"),
      document,
      policy: fc.constantFrom("manual", "manual", "lww", "merge", "strict"),
      instance,
      wait,
    }),
  ),
  weighted(7, fc.record({ do: fc.constant("settle"), document })),
);

/** A run: enough for people to get into each other's way. */
export const steps: fc.Arbitrary<Step[]> = fc.array(step, { minLength: 40, maxLength: 120, size: "max" });
