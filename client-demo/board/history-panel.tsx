import { useCallback, useDeferredValue, useEffect, useId, useState } from "react";
import type { Blame, NamedVersion, Properties } from "../../client/index.ts";
import { messageOf, useNotices } from "../app/notices.tsx";
import { wordsOf } from "../app/property-words.ts";
import { ago } from "../app/time.ts";
import { Thumbnail } from "../gallery/thumbnail.tsx";
import type { OpenBoard } from "./open-board.ts";
import { mayEdit } from "./use-board.ts";

/** The board as it was: a slider over its versions, named moments, bringing one back, who changed what. */
export function HistoryPanel(props: {
  readonly opened: OpenBoard;
  selection(): readonly string[];
  onClose(): void;
}) {
  const { opened, selection, onClose } = props;
  const { board, rest } = opened;
  const notices = useNotices();
  const [newest] = useState(() => board.version);
  const [version, setVersion] = useState(newest);
  const shown = useDeferredValue(version);
  const [elements, setElements] = useState<Readonly<Record<string, Properties>>>();
  const [problem, setProblem] = useState<string>();
  const [moments, setMoments] = useState<readonly NamedVersion[]>([]);
  const slider = useId();

  useEffect(() => {
    let left = false;
    rest
      .contentAt(shown)
      .then((content) => {
        if (left) return;
        setElements(content.elements);
        setProblem(undefined);
      })
      .catch((error: unknown) => left || setProblem(messageOf(error)));
    return () => {
      left = true;
    };
  }, [rest, shown]);

  const loadMoments = useCallback(
    () =>
      rest.versions({ limit: 50 }).then(
        (page) => setMoments(page.items),
        () => {},
      ),
    [rest],
  );
  useEffect(() => void loadMoments(), [loadMoments]);

  const attempt = async (work: () => Promise<unknown>, done: string): Promise<void> => {
    try {
      await work();
      notices.show(done);
    } catch (error) {
      notices.show(messageOf(error), { tone: "warning" });
    }
  };
  const count = Object.keys(elements ?? {}).length;

  return (
    <aside className="panel" id="history" aria-label="History">
      <header>
        <h2>History</h2>
        <button type="button" className="icon" aria-label="Close the history" onClick={onClose}>
          ×
        </button>
      </header>
      <span className="picture large">
        {problem === undefined ? (
          <Thumbnail elements={elements ?? {}} />
        ) : (
          <span className="quiet">{problem}</span>
        )}
        {problem === undefined && elements !== undefined && count === 0 && (
          <span className="quiet">Nothing drawn yet</span>
        )}
      </span>
      <label htmlFor={slider}>
        Version {version} of {newest}
      </label>
      <input
        id={slider}
        type="range"
        min={0}
        max={newest}
        value={version}
        onChange={(event) => setVersion(Number(event.target.value))}
      />
      <p className="row">
        <button
          type="button"
          className="primary"
          disabled={!mayEdit(board) || version === board.version}
          onClick={() =>
            void attempt(
              () => rest.restore(version),
              `Version ${version} is back. Nothing is lost: it is a new version.`,
            )
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
        {moments.map((moment) => (
          <li key={moment.name}>
            <button
              type="button"
              disabled={moment.version > newest}
              onClick={() => setVersion(moment.version)}
            >
              {moment.name}{" "}
              <span className="quiet">
                version {moment.version}, {ago(moment.createdAt)}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <WhoChanged opened={opened} selection={selection} />
    </aside>
  );
}

/** Who wrote the selected element's properties last. */
function WhoChanged({ opened, selection }: { readonly opened: OpenBoard; selection(): readonly string[] }) {
  const { board, rest } = opened;
  const [lines, setLines] = useState<readonly (readonly [string, string, string])[]>();
  const [text, setText] = useState("");
  const look = async (): Promise<void> => {
    const [element] = selection();
    if (element === undefined) {
      setLines(undefined);
      setText("Select something on the board first.");
      return;
    }
    try {
      const blame = await rest.blame(element);
      setLines(linesOf(blame.elements[element] ?? {}, (id) => nameOfUser(opened, id)));
      setText("");
    } catch (error) {
      setText(messageOf(error));
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

function nameOfUser({ board }: OpenBoard, id: string): string {
  if (id === board.user?.id) return "You";
  const session = [...board.presence.others.values()].find(({ user }) => user.id === id);
  return session?.user.name ?? id;
}
