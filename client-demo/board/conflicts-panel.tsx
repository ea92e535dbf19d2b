import { useEffect, useRef, useState } from "react";
import { AlreadyResolvedError, type ConflictInfo, type Json, type Properties } from "../../client/index.ts";
import { nameOfUser } from "../app/known-names.ts";
import { messageOf, useNotices } from "../app/notices.tsx";
import { wordsOf, writtenNames } from "../app/property-words.ts";
import { useHandOnFocus } from "../app/use-hand-on-focus.ts";
import { Thumbnail } from "../gallery/thumbnail.tsx";
import { focusBoard } from "./focus-board.ts";
import type { OpenBoard } from "./open-board.ts";
import { mayEdit, useBoardEvents } from "./use-board.ts";

/** The next come when these are decided. */
const mostShown = 20;

/** Edits that were held back because two people changed one thing: both sides as pictures, and the choice. */
export function ConflictsPanel(props: {
  readonly opened: OpenBoard;
  /** Shows on the board which element is meant; `intoView`: wherever the person is. */
  onPoint(element: string, intoView: boolean): void;
}) {
  const { opened, onPoint } = props;
  const { board, rest } = opened;
  const notices = useNotices();
  const [isOpen, setOpen] = useState(true);
  const [busy, setBusy] = useState(false);
  useBoardEvents(board, ["conflicts", "change", "role", "document"], 200);
  useEffect(() => {
    const load = (): void => {
      if (board.connection.state !== "live" || board.documentMetadata?.conflictPolicy !== "manual") return;
      board.conflicts.load(() => rest.conflicts({ state: "unresolved" })).catch(() => {});
    };
    load();
    return board.on("status", load);
  }, [board, rest]);
  const { unresolved } = board.conflicts;
  if (unresolved.length === 0) return null;
  const chooseAll = async (side: "current" | "incoming"): Promise<void> => {
    setBusy(true);
    let done = 0;
    try {
      for (const { id } of unresolved) {
        await board.conflicts.resolve(id, side).catch((error: unknown) => {
          if (!(error instanceof AlreadyResolvedError)) throw error;
        });
        done += 1;
      }
      notices.show(
        side === "current" ? `${done} kept as they are.` : `${done} held-back edits were applied.`,
      );
    } catch (error) {
      notices.show(`${done} of ${unresolved.length} are decided. ${messageOf(error)}`, { tone: "warning" });
    }
    setBusy(false);
    focusBoard();
  };
  return (
    <aside className="panel" id="conflicts" aria-label="Conflicts">
      <header>
        <h2>
          {unresolved.length === 1
            ? "One edit waits for a decision"
            : `${unresolved.length} edits wait for a decision`}
        </h2>
        <button
          type="button"
          className="icon"
          aria-label={isOpen ? "Fold the conflicts" : "Unfold the conflicts"}
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
        >
          {isOpen ? "−" : "+"}
        </button>
      </header>
      {isOpen && unresolved.length > 1 && (
        <p className="row">
          <button type="button" disabled={busy || !mayEdit(board)} onClick={() => void chooseAll("current")}>
            Keep all
          </button>
          <button type="button" disabled={busy || !mayEdit(board)} onClick={() => void chooseAll("incoming")}>
            Use all
          </button>
        </p>
      )}
      {isOpen && (
        <ul>
          {unresolved.slice(0, mostShown).map((conflict) => (
            <Choice key={conflict.id} conflict={conflict} opened={opened} onPoint={onPoint} />
          ))}
        </ul>
      )}
    </aside>
  );
}

function Choice(props: {
  readonly conflict: ConflictInfo;
  readonly opened: OpenBoard;
  onPoint(element: string, intoView: boolean): void;
}) {
  const { conflict, opened, onPoint } = props;
  const { board, rest } = opened;
  const notices = useNotices();
  const [wanted, setWanted] = useState<{ readonly fields: Properties; readonly by: string }>();
  const busy = useRef(false);
  const item = useRef<HTMLLIElement>(null);
  useHandOnFocus(item, focusBoard);
  const count = conflict.operations.length;
  useEffect(() => {
    let left = false;
    rest
      .conflict(conflict.id)
      .then(({ operations }) => {
        if (left) return;
        const held = operations.filter(({ status }) => status === "conflict");
        const fields = Object.assign({}, ...held.map(({ set, props }) => set ?? props ?? {})) as Record<
          string,
          Json
        >;
        const author = held[0]?.user;
        setWanted({ fields, by: author === undefined ? "Somebody" : nameOfUser(board, author) });
      })
      .catch(() => {}); // The choice is there without its picture.
    return () => {
      left = true;
    };
  }, [board, conflict.id, count, rest]);
  const choose = async (side: "current" | "incoming"): Promise<void> => {
    // The button is not disabled meanwhile: it would lose the focus.
    if (busy.current) return;
    busy.current = true;
    try {
      await board.conflicts.resolve(conflict.id, side);
      notices.show(side === "current" ? "Kept as it is." : "The held-back edit was applied.");
    } catch (error) {
      notices.show(messageOf(error), { tone: "warning" });
      busy.current = false;
    }
  };
  const current = board.get(conflict.element);
  const incoming = wanted && { ...current, ...wanted.fields };
  const written = writtenNames(conflict.properties, current);
  const names = conflict.properties.length === 0 ? "the whole element" : wordsOf(written) || "text";
  const moved = conflict.properties.some((name) => name === "x" || name === "y");
  return (
    <li
      ref={item}
      onPointerEnter={() => onPoint(conflict.element, false)}
      onFocus={() => onPoint(conflict.element, true)}
    >
      <p className="quiet">About: {names}</p>
      <div className="sides">
        <Side
          label="As it is now"
          fields={current}
          otherPlace={moved ? { fields: incoming } : undefined}
          disabled={!mayEdit(board)}
          onChoose={() => void choose("current")}
          button="Keep"
        />
        <Side
          label={wanted === undefined ? "Held back" : `${wanted.by} wanted`}
          fields={incoming}
          otherPlace={moved ? { fields: current } : undefined}
          disabled={!mayEdit(board)}
          onChoose={() => void choose("incoming")}
          button="Use this"
        />
      </div>
    </li>
  );
}

function Side(props: {
  readonly label: string;
  readonly fields: Properties | undefined;
  /** The other side, where the places differ: one picture alone does not show where something is. */
  readonly otherPlace: { readonly fields: Properties | undefined } | undefined;
  readonly button: string;
  readonly disabled: boolean;
  onChoose(): void;
}) {
  const { x, y } = props.fields ?? {};
  const other = props.otherPlace?.fields;
  return (
    <figure>
      <figcaption>{props.label}</figcaption>
      <span className="picture">
        {props.fields === undefined ? (
          <span className="quiet">deleted</span>
        ) : (
          <Thumbnail
            elements={{ element: props.fields }}
            {...(other === undefined ? {} : { ghosts: { element: other } })}
          />
        )}
      </span>
      {props.otherPlace !== undefined && typeof x === "number" && typeof y === "number" && (
        <span className="quiet">
          at {Math.round(x)}, {Math.round(y)}
        </span>
      )}
      <button type="button" disabled={props.disabled} onClick={props.onChoose}>
        {props.button}
      </button>
    </figure>
  );
}
