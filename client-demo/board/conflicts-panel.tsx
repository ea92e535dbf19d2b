import { useEffect, useRef, useState } from "react";
import {
  AlreadyResolvedError,
  type ConflictInfo,
  type DocumentRest,
  type Properties,
  type SequencedOperation,
} from "../../client/index.ts";
import { nameOfUser } from "../app/known-names.ts";
import { messageOf, useNotices } from "../app/notices.tsx";
import { wordsOf, writtenNames } from "../app/property-words.ts";
import { useHandOnFocus } from "../app/use-hand-on-focus.ts";
import { toScene } from "../binding/index.ts";
import { Thumbnail } from "../gallery/thumbnail.tsx";
import { focusBoard } from "./focus-board.ts";
import { afterHeldBack } from "./held-back.ts";
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
  const [wanted, setWanted] = useState<Wanted>();
  const busy = useRef(false);
  const item = useRef<HTMLLIElement>(null);
  useHandOnFocus(item, focusBoard);
  const count = conflict.operations.length;
  const current = board.get(conflict.element);
  const isGone = current === undefined;
  useEffect(() => {
    let left = false;
    Promise.all([rest.conflict(conflict.id), isGone ? beforeDeletion(rest, conflict.element) : {}])
      .then(([{ operations }, last]) => {
        if (left) return;
        const held = operations.filter(({ status }) => status === "conflict");
        const author = held[0]?.user;
        setWanted({ held, last, by: author === undefined ? "Somebody" : nameOfUser(board, author) });
      })
      .catch(() => {}); // The choice is there without its picture.
    return () => {
      left = true;
    };
  }, [board, conflict.id, conflict.element, count, isGone, rest]);
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
  const incoming = wanted && afterHeldBack(wanted.held, current, wanted.last);
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
          isKnown={wanted !== undefined}
          otherPlace={moved ? { fields: current } : undefined}
          disabled={!mayEdit(board)}
          onChoose={() => void choose("incoming")}
          button="Use this"
        />
      </div>
    </li>
  );
}

/** The edits that wait, and what the element was if it is deleted by now. */
interface Wanted {
  readonly held: readonly SequencedOperation[];
  readonly last: Properties;
  readonly by: string;
}

/** What an element that is deleted here was last; nothing where the log does not say any more. */
async function beforeDeletion(rest: DocumentRest, element: string): Promise<Properties> {
  // The deletion may be on its way there.
  const stored = (await rest.contentAt()).elements[element];
  if (stored !== undefined) return stored;
  const filter = { element, type: "delete", status: "applied", order: "desc", limit: 1 } as const;
  const [deletion] = (await rest.operations(filter)).items;
  if (deletion === undefined) return {};
  return (await rest.contentAt(deletion.version - 1)).elements[element] ?? {};
}

function Side(props: {
  readonly label: string;
  /** Undefined: the element is deleted on this side. */
  readonly fields: Properties | undefined;
  /** Default: true. While not, nothing is said of this side. */
  readonly isKnown?: boolean;
  /** The other side, where the places differ: one picture alone does not show where something is. */
  readonly otherPlace: { readonly fields: Properties | undefined } | undefined;
  readonly button: string;
  readonly disabled: boolean;
  onChoose(): void;
}) {
  const { x, y } = props.fields ?? {};
  const other = props.otherPlace?.fields;
  const words = props.isKnown === false ? "" : wordsInstead(props.fields);
  return (
    <figure>
      <figcaption>{props.label}</figcaption>
      <span className="picture">
        {words === undefined ? (
          <Thumbnail
            elements={{ element: props.fields ?? {} }}
            {...(other === undefined ? {} : { ghosts: { element: other } })}
          />
        ) : (
          <span className="quiet">{words}</span>
        )}
      </span>
      {props.otherPlace !== undefined && (
        <span className="quiet">
          {/* Without a place the line stays: both buttons are at one height. */}
          {typeof x === "number" && typeof y === "number"
            ? `at ${Math.round(x)}, ${Math.round(y)}`
            : "\u00a0"}
        </span>
      )}
      <button type="button" disabled={props.disabled} onClick={props.onChoose}>
        {props.button}
      </button>
    </figure>
  );
}

/** What is said where there is no picture. */
function wordsInstead(fields: Properties | undefined): string | undefined {
  if (fields === undefined) return "deleted";
  return toScene("element", fields, { version: 1, versionNonce: 1 }) === undefined ? "no picture" : undefined;
}
