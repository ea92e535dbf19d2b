/**
 * Steps of undo (or redo), and what happens to them when the document changes otherwise. The top step applies to what
 * its user sees; each below applies to what is there once those above are taken back. So a change of a text enters at
 * the top and passes down, moving what it passes and being moved by it.
 */
import { type Json, jsonEqual, own, type Properties } from "../shared/document/json.ts";
import type { SpliceEdit } from "../shared/document/operation.ts";
import { moveSplicePair } from "../shared/document/splice.ts";
import { canTakeBack, type UndoStep } from "./undo-step.ts";

export class UndoStack {
  readonly #steps: UndoStep[] = [];

  get size(): number {
    return this.#steps.length;
  }

  get top(): UndoStep | undefined {
    return this.#steps.at(-1);
  }

  /** The elements of all steps. */
  elements(): Set<string> {
    return new Set(this.#steps.flatMap(({ elements }) => [...elements.keys()]));
  }

  push(step: UndoStep, maxSteps: number): void {
    this.#steps.push(step);
    if (this.#steps.length > maxSteps) this.#steps.shift();
  }

  pop(): UndoStep | undefined {
    return this.#steps.pop();
  }

  clear(): void {
    this.#steps.length = 0;
  }

  /** Nothing of an element can be taken back any more. */
  forget(element: string): void {
    for (const { elements } of this.#steps) elements.delete(element);
    this.#sweep(element);
  }

  /** Nothing of a property can be taken back any more. */
  forgetProperty(element: string, property: string): void {
    this.#forgetBelow(element, property, this.#steps.length);
    this.#sweep(element);
  }

  /** The names of an element's properties that are in steps. */
  propertiesOf(element: string): Set<string> {
    const names = new Set<string>();
    for (const { elements } of this.#steps) {
      const undo = elements.get(element);
      if (undo?.kind === "changed") for (const name of undo.properties.keys()) names.add(name);
    }
    return names;
  }

  /**
   * Somebody else wrote to an element. What was created cannot be undone by deleting it then; what was deleted is
   * restored with what they wrote.
   */
  touched(element: string, properties: readonly string[], confirmed: Properties | undefined): void {
    for (let index = this.#steps.length - 1; index >= 0; index--) {
      const step = this.#steps[index];
      const undo = step?.elements.get(element);
      if (step === undefined || undo === undefined || undo.kind === "changed") continue;
      if (undo.kind === "created") {
        for (const lower of this.#steps.slice(0, index + 1)) lower.elements.delete(element);
        break;
      }
      const before: { [name: string]: Json } = { ...undo.before };
      for (const name of properties) {
        const value = own(confirmed, name);
        if (value === undefined) delete before[name];
        else before[name] = value;
        this.#forgetBelow(element, name, index);
      }
      undo.before = before;
      break;
    }
    this.#sweep(element);
  }

  /**
   * Somebody else wrote what a change of one's own, not yet confirmed, hides: taking that change back has to bring
   * theirs to light. Which of several own changes theirs came before is not known, so the ones below the top are given up.
   */
  hidden(element: string, property: string, theirs: Json | undefined, shown: Json | undefined): void {
    for (let index = this.#steps.length - 1; index >= 0; index--) {
      const undo = this.#steps[index]?.elements.get(element);
      if (undo?.kind !== "changed" || !undo.properties.has(property)) continue;
      undo.properties.set(property, { kind: "value", before: theirs, after: shown });
      this.#forgetBelow(element, property, index);
      break;
    }
    this.#sweep(element);
  }

  /** Whether a value is what some step would bring back. */
  wouldRestore(element: string, property: string, value: Json | undefined): boolean {
    return this.#steps.some(({ elements }) => {
      const undo = elements.get(element);
      const entry = undo?.kind === "changed" ? undo.properties.get(property) : undefined;
      return entry?.kind === "value" && jsonEqual(entry.before, value);
    });
  }

  /**
   * A text changed.
   * @param shown the text as it is now: a step that wrote it whole and would restore just this is done already.
   */
  passText(element: string, property: string, edits: readonly SpliceEdit[], shown: string): void {
    let theirs = edits;
    for (let index = this.#steps.length - 1; index >= 0 && theirs.length > 0; index--) {
      const undo = this.#steps[index]?.elements.get(element);
      if (undo === undefined) continue;
      if (undo.kind !== "changed") {
        this.#forgetBelow(element, property, index);
        break;
      }
      const entry = undo.properties.get(property);
      if (entry === undefined) continue;
      if (entry.kind === "text") {
        const pair = moveSplicePair(entry.inverse, theirs);
        theirs = pair.theirs;
        if (pair.mine.length > 0) entry.inverse = pair.mine;
        else undo.properties.delete(property);
        continue;
      }
      undo.properties.delete(property);
      if (!jsonEqual(entry.before, shown)) this.#forgetBelow(element, property, index);
      break;
    }
    this.#sweep(element);
  }

  /** A property is no text any more, for another reason than somebody's write. */
  forgetText(element: string, property: string): void {
    for (const { elements } of this.#steps) {
      const undo = elements.get(element);
      if (undo?.kind === "changed" && undo.properties.get(property)?.kind === "text")
        undo.properties.delete(property);
    }
    this.#sweep(element);
  }

  /** An element is another than its steps left it (a change was refused, say): what cannot be taken back is gone. */
  forgetLost(element: string, shown: Properties | undefined): void {
    const kept = new Set<string>();
    for (let index = this.#steps.length - 1; index >= 0; index--) {
      const elements = this.#steps[index]?.elements;
      const undo = elements?.get(element);
      if (elements === undefined || undo === undefined) continue;
      if (undo.kind !== "changed") {
        // What is below applies to what is there once this is taken back.
        if ((undo.kind === "created") === (shown !== undefined)) break;
        elements.delete(element);
        continue;
      }
      for (const [name, property] of undo.properties) {
        if (kept.has(name)) continue;
        if (canTakeBack(shown, name, property)) kept.add(name);
        else undo.properties.delete(name);
      }
    }
    this.#sweep(element);
  }

  #forgetBelow(element: string, property: string, end: number): void {
    for (const { elements } of this.#steps.slice(0, end)) {
      const undo = elements.get(element);
      if (undo?.kind === "changed") undo.properties.delete(property);
    }
  }

  /** Something of an element was taken out: steps of which nothing is left are gone. */
  #sweep(element: string): void {
    for (let index = this.#steps.length - 1; index >= 0; index--) {
      const elements = this.#steps[index]?.elements;
      if (elements === undefined) continue;
      const undo = elements.get(element);
      if (undo?.kind === "changed" && undo.properties.size === 0) elements.delete(element);
      if (elements.size === 0) this.#steps.splice(index, 1);
    }
  }
}
