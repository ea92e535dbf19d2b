/** Who comes and goes, by person: sessions end with every reconnect and reload, and one person may have several. */
import type { SessionInfo } from "../../client/index.ts";
import { nameOf } from "../app/people.ts";

/** Whoever is back by then was not gone: a reload, a server that restarts. */
const awayMs = 5_000;
/** More are a number. */
const mostNamed = 3;

/** Says who is here that was not, and who is gone. The ones that are here when it begins are no news. */
export class Comings {
  /** Names by user id. */
  readonly #here: Map<string, string>;
  readonly #others: () => Iterable<SessionInfo>;
  readonly #self: () => string | undefined;
  readonly #tell: (sentence: string) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param options `self`: the id of this page's own user, whose other tabs are no news. */
  constructor(options: {
    readonly others: () => Iterable<SessionInfo>;
    readonly self: () => string | undefined;
    readonly tell: (sentence: string) => void;
  }) {
    this.#others = options.others;
    this.#self = options.self;
    this.#tell = options.tell;
    this.#here = this.#present();
  }

  /** Somebody's session began or ended. */
  changed(): void {
    const present = this.#present();
    const came = [...present].filter(([id]) => !this.#here.has(id)).map(([, name]) => name);
    for (const [id, name] of present) this.#here.set(id, name);
    if (came.length > 0) this.#tell(`${listOf(came)} ${came.length === 1 ? "is" : "are"} here`);
    if ([...this.#here.keys()].some((id) => !present.has(id)))
      this.#timer ??= setTimeout(() => this.#settle(), awayMs);
  }

  /** Leaves no timer. */
  close(): void {
    clearTimeout(this.#timer);
  }

  #settle(): void {
    this.#timer = undefined;
    const present = this.#present();
    const gone = [...this.#here].filter(([id]) => !present.has(id));
    for (const [id] of gone) this.#here.delete(id);
    if (gone.length > 0) this.#tell(`${listOf(gone.map(([, name]) => name))} left`);
  }

  #present(): Map<string, string> {
    const self = this.#self();
    const others = [...this.#others()].filter(({ user }) => user.id !== self);
    return new Map(others.map((session) => [session.user.id, nameOf(session)]));
  }
}

function listOf(names: readonly string[]): string {
  const more = names.length - mostNamed;
  const parts = more > 1 ? [...names.slice(0, mostNamed), `${more} others`] : names;
  return new Intl.ListFormat("en-GB", { type: "conjunction" }).format(parts);
}
