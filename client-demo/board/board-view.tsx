import { MainMenu } from "@excalidraw/excalidraw";
import type { ExcalidrawImperativeAPI } from "@excalidraw/excalidraw/types";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { type DocumentReplica, LockHeldError, type SessionInfo } from "../../client/index.ts";
import type { Account } from "../app/account.ts";
import { mayDecide } from "../app/join.ts";
import { messageOf, useNotices } from "../app/notices.tsx";
import { rememberBoard } from "../app/stored-boards.ts";
import { applyTheme, onSystemTheme, resolveTheme, storedTheme, type ThemeChoice } from "../app/theme.ts";
import type { Binding, Editor } from "../binding/index.ts";
import icon from "../icon.svg";
import { addBox } from "./add-box.ts";
import { assetStore } from "./asset-store.ts";
import { Banner } from "./banner.tsx";
import { ConflictsPanel } from "./conflicts-panel.tsx";
import { HistoryPanel } from "./history-panel.tsx";
import { LockButton } from "./lock-button.tsx";
import { LockMarks } from "./lock-marks.tsx";
import { NameDialog } from "./name-dialog.tsx";
import type { OpenBoard } from "./open-board.ts";
import { PeopleList } from "./people-list.tsx";
import { SettingsDialog } from "./settings-dialog.tsx";
import { ShareDialog } from "./share-dialog.tsx";
import { StatusLine } from "./status-line.tsx";
import { UndoButtons } from "./undo-buttons.tsx";
import { mayEdit, useBoardEvents } from "./use-board.ts";
import { showLocked, useNews } from "./use-news.ts";
import { Whiteboard } from "./whiteboard.tsx";

declare global {
  interface Window {
    /** The editor, for people with the console open, and for tests. */
    aetherflow?: { readonly board: DocumentReplica; readonly editor: ExcalidrawImperativeAPI };
  }
}

/** What is ours on the page, besides dialogs. */
const ownParts = ".top-bar, .panel, .notices";

/**
 * The editor hears keys at the document and takes Space, Enter and letters from whatever has the focus: those pressed in
 * our own parts end before it, behind the handlers of React, which are at the page's root.
 */
function keepOwnKeys(event: KeyboardEvent): void {
  const { target } = event;
  if (event.ctrlKey || event.metaKey || !(target instanceof Element)) return;
  if (target.closest(ownParts) !== null) event.stopPropagation();
}

/** After a click with the pointer the next key is for the board again, not for the button. */
function giveKeysBack(event: MouseEvent): void {
  const { activeElement } = document;
  if (event.detail === 0 || !(activeElement instanceof HTMLElement)) return;
  if (activeElement.closest(".top-bar, #conflicts, .notices") !== null) activeElement.blur();
}

/** A board that is open: the bar above, the editor, the line below. */
export function BoardView(props: {
  readonly account: Account;
  readonly opened: OpenBoard;
  readonly name: string;
  onName(name: string): void;
}) {
  const { account, opened, name, onName } = props;
  const { board, token } = opened;
  const notices = useNotices();
  useBoardEvents(board, ["role", "document", "status", "locks"]);
  useNews(board, notices);
  const [open, setOpen] = useState<"share" | "name" | "history" | "settings">();
  const [waitingImages, setWaitingImages] = useState(0);
  const [editor, setEditor] = useState<ExcalidrawImperativeAPI>();
  const binding = useRef<Binding>();
  const assets = useMemo(() => assetStore(board.documentId, token), [board, token]);
  const flush = useCallback(() => binding.current?.flush(), []);
  const selection = useCallback(() => selectionOf(editor), [editor]);
  const onSelection = useCallback(
    (listener: () => void) => editor?.onChange(listener) ?? (() => {}),
    [editor],
  );
  const point = useCallback(
    (id: string, intoView: boolean) => {
      const element = editor?.getSceneElements().find((one) => one.id === id);
      if (editor === undefined || element === undefined || editor.getAppState().editingTextElement) return;
      editor.updateScene({ appState: { selectedElementIds: { [id]: true } } });
      if (intoView) editor.scrollToContent(element, { animate: true });
    },
    [editor],
  );
  const current = useRef<ExcalidrawImperativeAPI>();
  const insertBox = useCallback(() => {
    if (current.current === undefined || !mayEdit(board)) return;
    addBox(board, current.current as never, () => binding.current?.apply());
  }, [board]);
  useEffect(() => {
    const pressed = (event: KeyboardEvent): void => {
      if (event.key !== "n" || event.ctrlKey || event.metaKey || event.altKey) return;
      const { target } = event;
      const elsewhere = `input, textarea, dialog, .dropdown-menu, ${ownParts}`;
      if (target instanceof HTMLElement && target.closest(elsewhere) !== null) return;
      event.preventDefault();
      insertBox();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [insertBox]);
  useEffect(() => {
    const { body } = document;
    body.addEventListener("keydown", keepOwnKeys);
    body.addEventListener("click", giveKeysBack);
    return () => {
      body.removeEventListener("keydown", keepOwnKeys);
      body.removeEventListener("click", giveKeysBack);
    };
  }, []);
  const [followed, setFollowed] = useState<SessionInfo>();
  const [themeChoice, setThemeChoice] = useState<ThemeChoice>(storedTheme);
  const [theme, setTheme] = useState(() => resolveTheme(themeChoice));
  useEffect(() => {
    setTheme(resolveTheme(themeChoice));
    return onSystemTheme(() => setTheme(resolveTheme(themeChoice)));
  }, [themeChoice]);
  const metadata = board.documentMetadata;
  const maySettle = metadata !== undefined && mayDecide(account, metadata, board.role);
  const title = board.documentMetadata?.name ?? "Board";
  useEffect(() => {
    document.title = `${title} · AetherFlow`;
    rememberBoard({ id: board.documentId, name: title });
  }, [board, title]);

  // Kept while it says the same: see `Whiteboard`.
  const menu = useMemo(
    () => (
      <>
        <MainMenu.Item onSelect={() => setOpen("share")}>Invite others …</MainMenu.Item>
        <MainMenu.Item shortcut="N" onSelect={insertBox}>
          Add a box
        </MainMenu.Item>
        <MainMenu.Item onSelect={() => setOpen("history")}>History …</MainMenu.Item>
        {maySettle && <MainMenu.Item onSelect={() => setOpen("settings")}>Board settings …</MainMenu.Item>}
        <MainMenu.Item onSelect={() => setOpen("name")}>Your name …</MainMenu.Item>
        <MainMenu.ItemLink href="/">All boards</MainMenu.ItemLink>
      </>
    ),
    [insertBox, maySettle],
  );

  return (
    <div className="board-page">
      <header className="top-bar">
        <a href="/" className="home" title="All boards">
          <img src={icon} alt="All boards" width="28" height="28" />
        </a>
        <h1 id="title" title={title}>
          {title}
        </h1>
        <PeopleList board={board} followed={followed?.sessionId} onFollow={setFollowed} />
        <UndoButtons board={board} beforeUndo={flush} />
        <LockButton board={board} selection={selection} />
        <button
          type="button"
          id="name-button"
          title={`${name}: change your name`}
          onClick={() => setOpen("name")}
        >
          {name}
        </button>
        <button type="button" id="share" className="primary" onClick={() => setOpen("share")}>
          Share
        </button>
      </header>
      <main aria-label="Whiteboard">
        <Whiteboard
          board={board}
          assets={assets}
          readOnly={!mayEdit(board) || board.locks.blocks(null)?.element === null}
          theme={theme}
          themeChoice={themeChoice}
          followed={followed}
          onTheme={(choice) => {
            applyTheme(choice);
            setThemeChoice(choice);
          }}
          onUnfollow={() => setFollowed(undefined)}
          onRefused={(error, partly) => {
            if (error instanceof LockHeldError) showLocked(notices, error.lock, partly);
            else notices.show(`Not possible: ${messageOf(error)}`, { tone: "warning" });
          }}
          onWaitingImages={setWaitingImages}
          onRefusedImage={(reason) =>
            notices.show(`Only you see this image: ${reason}.`, { tone: "warning" })
          }
          onReady={(api, bound) => {
            binding.current = bound;
            current.current = api;
            setEditor(api);
            window.aetherflow = { board, editor: api };
          }}
        >
          {menu}
        </Whiteboard>
        {editor !== undefined && (
          <LockMarks board={board} editor={editor as unknown as Editor & MarkedView} />
        )}
        <div className="panels">
          <ConflictsPanel opened={opened} onPoint={point} />
          {open === "history" && (
            <HistoryPanel
              opened={opened}
              selection={selection}
              onSelection={onSelection}
              onClose={() => setOpen(undefined)}
            />
          )}
        </div>
        <Banner board={board} />
      </main>
      <StatusLine board={board} waitingImages={waitingImages} />
      {open === "share" && (
        <ShareDialog viewersOnly={sharedForViewing(board)} onClose={() => setOpen(undefined)} />
      )}
      {open === "settings" && (
        <SettingsDialog board={board} account={account} onClose={() => setOpen(undefined)} />
      )}
      {open === "name" && <NameDialog name={name} onName={onName} onClose={() => setOpen(undefined)} />}
    </div>
  );
}

/** The part of the editor's state that places what lies over it. */
interface MarkedView {
  getAppState(): {
    readonly scrollX: number;
    readonly scrollY: number;
    readonly zoom: { readonly value: number };
  };
}

function selectionOf(editor: ExcalidrawImperativeAPI | undefined): string[] {
  const selected = editor?.getAppState().selectedElementIds ?? {};
  return Object.keys(selected).filter((id) => selected[id]);
}

/** The board belongs to one person: others with the link can only look. */
function sharedForViewing(board: DocumentReplica): boolean {
  return board.documentMetadata?.owner !== "everybody";
}
