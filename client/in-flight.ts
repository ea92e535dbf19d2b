/** A submit that was sent, or is being sent, and is not answered. */

import { own, type Properties } from "../shared/document/json.ts";
import type { Operation } from "../shared/document/operation.ts";
import { differenceSplice, moveSplice } from "../shared/document/splice.ts";
import { overwrites, withSplice } from "./fold.ts";
import type { StoredSubmit } from "./storage/storage.ts";

/** One operation of it that has not appeared in `ops` yet. */
export interface InFlightOperation {
  /** As sent; repeated unchanged. */
  readonly wire: Operation;
  /** What it does on top of the confirmed state: typing moved past what came in meanwhile. */
  effect: Operation;
}

/** Everything of one submit: a repetition has the same operations under the same base. */
export interface InFlightSubmit {
  readonly base: number;
  readonly operations: readonly Operation[];
  /** The operations' JSON, in order. */
  readonly texts: readonly string[];
  /** What is left of it by operation id, in order. Empty: acknowledged. */
  readonly left: Map<string, InFlightOperation>;
  /** All of them by element, in order: a submit may hold a thousand. */
  readonly byElement: ReadonlyMap<string, readonly InFlightOperation[]>;
  /** How often its changes were made anew after a refusal. */
  readonly attempt: number;
}

/** A submit of these operations with nothing acknowledged. */
export function inFlightSubmit(
  base: number,
  operations: readonly Operation[],
  texts: readonly string[],
  attempt: number,
): InFlightSubmit {
  const left = new Map<string, InFlightOperation>();
  const byElement = new Map<string, InFlightOperation[]>();
  for (const wire of operations) {
    const operation = { wire, effect: wire };
    left.set(wire.id, operation);
    const others = byElement.get(wire.element);
    if (others === undefined) byElement.set(wire.element, [operation]);
    else others.push(operation);
  }
  return { base, operations, texts, left, byElement, attempt };
}

/** A submit as it was stored: some of it may be acknowledged, and its typing moved. */
export function restoredSubmit({ base, operations, left, attempt }: StoredSubmit): InFlightSubmit {
  const texts = operations.map((operation) => JSON.stringify(operation));
  const submit = inFlightSubmit(base, operations, texts, attempt);
  const effects = new Map(left.map((effect) => [effect.id, effect]));
  for (const [id, operation] of submit.left) {
    const effect = effects.get(id);
    if (effect === undefined) submit.left.delete(id);
    else operation.effect = effect;
  }
  return submit;
}

/** What is left of it for one element, in order. */
export function inFlightOf(
  submit: InFlightSubmit | undefined,
  element: string,
): readonly InFlightOperation[] {
  const operations = submit?.byElement.get(element);
  return operations?.filter((operation) => submit?.left.has(operation.wire.id)) ?? [];
}

/**
 * Somebody else overwrote a property: typing on it that is in flight will have no effect, unless this submit overwrites
 * the property itself before.
 */
export function dropTyping(layers: readonly InFlightOperation[], property: string): void {
  for (const layer of layers) {
    if (overwrites(layer.effect, property)) return;
    layer.effect = withSplice(layer.effect, property, undefined);
  }
}

/** A snapshot replaced the state below: typing is moved past the difference, or has no effect where the text is gone. */
export function moveTypingPast(
  layers: readonly InFlightOperation[],
  before: Properties | undefined,
  after: Properties | undefined,
): void {
  for (const [index, layer] of layers.entries()) {
    for (const [property, edits] of Object.entries(layer.effect.splice ?? {})) {
      if (layers.slice(0, index).some((lower) => overwrites(lower.effect, property))) continue;
      const was = own(before, property);
      const is = own(after, property);
      if (was === is) continue;
      const moved =
        typeof was === "string" && typeof is === "string"
          ? moveSplice(edits, differenceSplice(was, is))
          : undefined;
      layer.effect = withSplice(layer.effect, property, moved);
    }
  }
}
