import { useCallback, useEffect, useId, useRef, useState } from "react";
import {
  type Blame,
  type DocumentRest,
  type NamedVersion,
  type Properties,
  RestError,
  type SequencedOperation,
} from "../../client/index.ts";
import { nameOfUser } from "../app/known-names.ts";
import { messageOf, useNotices } from "../app/notices.tsx";
import { wordsOf } from "../app/property-words.ts";
import { ago, exactTime } from "../app/time.ts";
import { Thumbnail } from "../gallery/thumbnail.tsx";
import { focusBoard } from "./focus-board.ts";
import type { OpenBoard } from "./open-board.ts";
import { mayEdit, useBoardEvents } from "./use-board.ts";

/** While the slider is dragged, nothing is asked for: only where it rests for this long. */
const restMs = 150;
const noLongerKept = "What led to this version is archived: it can no longer be shown or restored.";

/** What one person did without such a pause is one step of the two buttons. */
const pauseMs = 3_000;
/** Of a longer step, a part. */
const mostInStep = 200;

/** The board at one version, and the operation that led there; none at the oldest that is kept. */
interface Seen {
  readonly version: number;
  readonly elements: Readonly<Record<string, Properties>>;
  readonly operation: SequencedOperation | undefined;
}

/** The board as it was: a slider over its versions, named moments, bringing one back, who changed what. */
export function HistoryPanel(props: {
  readonly opened: OpenBoard;
  selection(): readonly string[];
  /** Calls back when the selection is another, perhaps. */
  onSelection(listener: () => void): () => void;
  onClose(): void;
}) {
  const { opened, selection, onSelection, onClose } = props;
  const { board, rest } = opened;
  const notices = useNotices();
  useBoardEvents(board, ["progress", "change", "status"], 500);
  // What could not be had without a connection is asked for again when it is back.
  const isLive = board.connection.state === "live";
  const newest = board.version;
  const [openedAt] = useState(newest);
  const [version, setVersion] = useState(newest);
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    panel.current?.focus();
    return focusBoard;
  }, []);
  const shown = useRested(version, restMs);
  const [oldest, setOldest] = useState<number>();
  const [seen, setSeen] = useState<Seen>();
  const [problem, setProblem] = useState<string>();
  const [moments, setMoments] = useState<readonly NamedVersion[]>([]);
  const slider = useId();

  useEffect(() => {
    let left = false;
    setProblem(undefined);
    see(rest, shown).then(
      (found) => left || setSeen(found),
      (error: unknown) => left || setProblem(sentenceOf(error)),
    );
    return () => {
      left = true;
    };
  }, [rest, shown, isLive]);

  useEffect(() => {
    let left = false;
    oldestKept(rest, openedAt)
      .catch(() => 0) // What cannot be shown says so itself.
      .then((found) => left || setOldest(found));
    return () => {
      left = true;
    };
  }, [rest, openedAt, isLive]);

  const loadMoments = useCallback(
    () =>
      rest.versions({ limit: 50 }).then(
        (page) => setMoments(page.items),
        () => {},
      ),
    [rest],
  );
  useEffect(() => void loadMoments(), [loadMoments, isLive]);

  const attempt = async (work: () => Promise<unknown>, done: string): Promise<void> => {
    try {
      await work();
      notices.show(done, { topic: "history" });
    } catch (error) {
      notices.show(sentenceOf(error), { tone: "warning", topic: "history" });
    }
  };
  const step = async (order: "asc" | "desc"): Promise<void> => {
    try {
      setVersion(await stepFrom(rest, version, order));
    } catch (error) {
      notices.show(sentenceOf(error), { tone: "warning", topic: "history" });
    }
  };
  const isSeen = problem === undefined && seen?.version === version;
  const told = isSeen ? originOf(opened, seen) : "";

  return (
    <aside
      ref={panel}
      className="panel"
      id="history"
      aria-label="History"
      tabIndex={-1}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        onClose();
      }}
    >
      <header>
        <h2>History</h2>
        <button type="button" className="icon" aria-label="Close the history" onClick={onClose}>
          ×
        </button>
      </header>
      <span className="picture large">
        {problem === undefined ? (
          <Thumbnail elements={seen?.elements ?? {}} />
        ) : (
          <span className="quiet">{problem}</span>
        )}
        {isSeen && Object.keys(seen.elements).length === 0 && (
          <span className="quiet">Nothing drawn yet</span>
        )}
      </span>
      <label htmlFor={slider}>
        Version {version} of {newest}
      </label>
      <input
        id={slider}
        type="range"
        min={oldest ?? 0}
        max={newest}
        value={version}
        aria-valuetext={`Version ${version}${told === "" ? "" : `, ${told}`}`}
        onChange={(event) => setVersion(Number(event.target.value))}
      />
      <p className="quiet origin">{told}</p>
      <p className="row">
        <button
          type="button"
          aria-label="Earlier step"
          title="Before what this person did at a time"
          disabled={version <= (oldest ?? 0)}
          onClick={() => void step("desc")}
        >
          ‹
        </button>
        <button
          type="button"
          aria-label="Later step"
          title="After what the next person did at a time"
          disabled={version >= newest}
          onClick={() => void step("asc")}
        >
          ›
        </button>
        <button
          type="button"
          className="primary"
          disabled={!isSeen || !mayEdit(board) || version === board.version}
          onClick={() =>
            void attempt(async () => {
              const restored = await rest.restore(version);
              setVersion(restored.version);
            }, `Version ${version} is back. Nothing is lost: it is a new version.`)
          }
        >
          Restore this
        </button>
      </p>
      {mayEdit(board) && (
        <form
          className="row"
          onSubmit={(event) => {
            event.preventDefault();
            const form = event.currentTarget;
            const name = String(new FormData(form).get("name")).trim();
            if (name === "") return;
            void attempt(async () => {
              await rest.nameVersion(name, version);
              form.reset();
              await loadMoments();
            }, `“${name}” is remembered.`);
          }}
        >
          <input
            name="name"
            aria-label="A name for this moment"
            placeholder="Name this moment"
            maxLength={100}
            autoComplete="off"
          />
          <button type="submit">Save</button>
        </form>
      )}
      <ul className="moments">
        {moments.map((moment) => {
          const isArchived = moment.version < (oldest ?? 0);
          return (
            <li key={moment.name}>
              <button
                type="button"
                disabled={isArchived || moment.version > newest}
                title={isArchived ? noLongerKept : undefined}
                onClick={() => setVersion(moment.version)}
              >
                {moment.name}{" "}
                <span className="quiet">
                  version {moment.version}, {ago(moment.createdAt)}
                  {isArchived && ", archived"}
                </span>
              </button>
            </li>
          );
        })}
      </ul>
      <WhoChanged opened={opened} selection={selection} onSelection={onSelection} />
    </aside>
  );
}

/** A value once it stayed the same for that long; the first at once. */
function useRested(value: number, afterMs: number): number {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), afterMs);
    return () => clearTimeout(timer);
  }, [value, afterMs]);
  return rested;
}

async function see(rest: DocumentRest, version: number): Promise<Seen> {
  const [{ elements }, operations] = await Promise.all([
    rest.contentAt(version),
    rest.operations({ from: version, to: version, limit: 1 }),
  ]);
  return { version, elements, operation: operations.items[0] };
}

/** The version before the first change that the log has. Edits that wait in a conflict stay in it, older than all else. */
async function oldestKept(rest: DocumentRest, newest: number): Promise<number> {
  let [first] = (await rest.operations({ limit: 1 })).items;
  if (first?.status === "conflict") [first] = (await rest.operations({ limit: 1, status: "applied" })).items;
  return first === undefined ? newest : Math.min(first.version - 1, newest);
}

/** The version before what led to this one, or after what follows it: all that one person did without a pause. */
async function stepFrom(rest: DocumentRest, version: number, order: "asc" | "desc"): Promise<number> {
  const range = order === "desc" ? { to: version } : { from: version + 1 };
  const { items } = await rest.operations({ ...range, order, limit: mostInStep, status: "applied" });
  let last = items[0];
  if (last === undefined) return version;
  for (const next of items) {
    const pause = Math.abs(Date.parse(next.at) - Date.parse(last.at));
    if (next.user !== last.user || pause > pauseMs) break;
    last = next;
  }
  return order === "desc" ? last.version - 1 : last.version;
}

/** Who made the change that led to a version, and when. */
function originOf(opened: OpenBoard, { version, operation }: Seen): string {
  if (operation !== undefined)
    return `${nameOfUser(opened.board, operation.user)}, ${exactTime(operation.at)}`;
  return version === 0 ? "Before the first change" : "The oldest version that is kept";
}

function sentenceOf(error: unknown): string {
  if (!(error instanceof RestError)) return "The server cannot be reached.";
  return error.code === "base_too_old" ? noLongerKept : messageOf(error);
}

/** Who wrote the selected element's properties last. */
function WhoChanged(props: {
  readonly opened: OpenBoard;
  selection(): readonly string[];
  onSelection(listener: () => void): () => void;
}) {
  const { opened, selection, onSelection } = props;
  const { board, rest } = opened;
  const [lines, setLines] = useState<readonly (readonly [string, string, string])[]>();
  const [text, setText] = useState("");
  // About something that is not selected any more, the answer would be taken for one about what is.
  const isAnswered = lines !== undefined || text !== "";
  useEffect(() => {
    if (!isAnswered) return undefined;
    const [asked] = selection();
    return onSelection(() => {
      if (selection()[0] === asked) return;
      setLines(undefined);
      setText("");
    });
  }, [isAnswered, selection, onSelection]);
  const look = async (): Promise<void> => {
    const [element] = selection();
    if (element === undefined) {
      setLines(undefined);
      setText("Select something on the board first.");
      return;
    }
    try {
      const blame = await rest.blame(element);
      setLines(linesOf(blame.elements[element] ?? {}, (id) => nameOfUser(board, id)));
      setText("");
    } catch (error) {
      setText(sentenceOf(error));
    }
  };
  return (
    <section>
      <button type="button" disabled={board.connection.state !== "live"} onClick={() => void look()}>
        Who changed the selection?
      </button>
      <p className="quiet" role="status">
        {text}
      </p>
      {lines !== undefined && (
        <table>
          <tbody>
            {lines.map(([who, what, when]) => (
              <tr key={`${who} ${what}`}>
                <th scope="row">{who}</th>
                <td>{what}</td>
                <td className="quiet">{when}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** One line for what somebody wrote at one time, the newest first. */
function linesOf(
  properties: Blame["elements"][string],
  name: (user: string) => string,
): (readonly [string, string, string])[] {
  const groups = new Map<string, { readonly user: string; readonly at: string; readonly names: string[] }>();
  for (const [property, { user, at, version }] of Object.entries(properties)) {
    const key = `${version} ${user}`;
    const group = groups.get(key) ?? { user, at, names: [] };
    groups.set(key, group);
    group.names.push(property);
  }
  return [...groups.values()]
    .sort((one, other) => (one.at < other.at ? 1 : -1))
    .map(({ user, at, names }) => [
      name(user),
      // Only what makes an element says of what type it is.
      names.includes("type") ? "made it" : wordsOf(names),
      ago(at),
    ]);
}
