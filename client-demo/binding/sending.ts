/** From the scene to the document: what this person did, and what becomes of it when it is refused. */
import { makeChange, type SceneChange } from "./difference.ts";
import type { Known } from "./known.ts";
import { type Board, type SceneElement, toWire } from "./model.ts";

/** How long after typing a person's page measures a text again that others typed into. */
const typedRecentlyMs = 5_000;

export class Sending {
  readonly #board: Board;
  readonly #known: Known;
  readonly #now: () => number;
  readonly #refusal: (element: string) => Error | undefined;
  readonly #onRefused: (error: unknown, partly: boolean) => void;
  readonly #typedAt = new Map<string, number>();
  #active = false;

  constructor(options: {
    readonly board: Board;
    readonly known: Known;
    readonly now: () => number;
    readonly refusal: (element: string) => Error | undefined;
    readonly onRefused: (error: unknown, partly: boolean) => void;
  }) {
    this.#board = options.board;
    this.#known = options.known;
    this.#now = options.now;
    this.#refusal = options.refusal;
    this.#onRefused = options.onRefused;
  }

  /** The document is changing by what is being sent. */
  get active(): boolean {
    return this.#active;
  }

  /** This person typed into that text a moment ago. */
  typedRecently(id: string): boolean {
    return this.#now() - (this.#typedAt.get(id) ?? Number.NEGATIVE_INFINITY) <= typedRecentlyMs;
  }

  /** Sends what the scene has and the document was not known to have. `scene` is asked again after sending. */
  flush(scene: () => readonly SceneElement[]): void {
    const made = this.#known.changesIn(scene());
    // The server takes all of a submit or nothing: what it will not take stays here.
    const errors = new Map(made.map((change) => [change, this.#refusal(change.element)]));
    const changes = made.filter((change) => errors.get(change) === undefined);
    for (const [{ element }, error] of errors) {
      if (error === undefined) continue;
      this.#known.stale.add(element);
      this.#onRefused(error, changes.length > 0);
    }
    if (changes.length === 0) return;
    // Together, so that nobody sees a shape without its text; one by one when something among them is refused.
    const refused =
      this.#send(changes) === undefined ? [] : changes.filter((change) => this.#isRefused(change));
    const elements = new Map(scene().map((element) => [element.id, element]));
    for (const change of changes) {
      if (refused.includes(change)) continue;
      const element = elements.get(change.element);
      if (change.type === "delete" || element === undefined) this.#known.forget(change.element);
      else this.#known.agree(change.element, toWire(element));
      if (change.type === "write" && Object.keys(change.texts).length > 0) {
        this.#typedAt.set(change.element, this.#now());
        this.#known.stale.add(change.element); // Merged, perhaps, with what the scene does not show yet.
      }
    }
  }

  #isRefused(change: SceneChange): boolean {
    const error = this.#send([change]);
    if (error === undefined) return false;
    this.#known.stale.add(change.element);
    this.#onRefused(error, false);
    return true;
  }

  /** What was thrown, if anything was. */
  #send(changes: readonly SceneChange[]): unknown {
    this.#active = true;
    try {
      this.#board.transact((transaction) => {
        for (const change of changes) {
          if (!makeChange(transaction, change)) this.#known.stale.add(change.element);
        }
      });
      return undefined;
    } catch (error) {
      return error;
    } finally {
      this.#active = false;
    }
  }
}
