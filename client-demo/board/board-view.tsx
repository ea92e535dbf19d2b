import { MainMenu } from "@excalidraw/excalidraw";
import type { ExcalidrawImperativeAPI } from "@excalidraw/excalidraw/types";
import { useEffect, useState } from "react";
import type { DocumentReplica, SessionInfo } from "../../client/index.ts";
import { messageOf, useNotices } from "../app/notices.tsx";
import { applyTheme, onSystemTheme, resolveTheme, storedTheme, type ThemeChoice } from "../app/theme.ts";
import icon from "../icon.svg";
import { Banner } from "./banner.tsx";
import { NameDialog } from "./name-dialog.tsx";
import { PeopleList } from "./people-list.tsx";
import { ShareDialog } from "./share-dialog.tsx";
import { StatusLine } from "./status-line.tsx";
import { mayEdit, useBoardEvents } from "./use-board.ts";
import { useNews } from "./use-news.ts";
import { Whiteboard } from "./whiteboard.tsx";

declare global {
  interface Window {
    /** The editor, for people with the console open, and for tests. */
    aetherflow?: { readonly board: DocumentReplica; readonly editor: ExcalidrawImperativeAPI };
  }
}

/** A board that is open: the bar above, the editor, the line below. */
export function BoardView(props: {
  readonly board: DocumentReplica;
  readonly name: string;
  onName(name: string): void;
}) {
  const { board, name, onName } = props;
  const notices = useNotices();
  useBoardEvents(board, ["role", "document", "status"]);
  useNews(board, notices);
  const [open, setOpen] = useState<"share" | "name">();
  const [followed, setFollowed] = useState<SessionInfo>();
  const [themeChoice, setThemeChoice] = useState<ThemeChoice>(storedTheme);
  const [theme, setTheme] = useState(() => resolveTheme(themeChoice));
  useEffect(() => {
    setTheme(resolveTheme(themeChoice));
    return onSystemTheme(() => setTheme(resolveTheme(themeChoice)));
  }, [themeChoice]);
  const title = board.documentMetadata?.name ?? "Board";
  useEffect(() => {
    document.title = `${title} · AetherFlow`;
  }, [title]);

  return (
    <div className="board-page">
      <header className="top-bar">
        <a href="/" className="home" title="All boards">
          <img src={icon} alt="All boards" width="28" height="28" />
        </a>
        <h1 id="title">{title}</h1>
        <PeopleList board={board} followed={followed?.sessionId} onFollow={setFollowed} />
        <button type="button" id="name-button" title="Change your name" onClick={() => setOpen("name")}>
          {name}
        </button>
        <button type="button" id="share" className="primary" onClick={() => setOpen("share")}>
          Share
        </button>
      </header>
      <main aria-label="Whiteboard">
        <Whiteboard
          board={board}
          readOnly={!mayEdit(board)}
          theme={theme}
          themeChoice={themeChoice}
          followed={followed}
          onTheme={(choice) => {
            applyTheme(choice);
            setThemeChoice(choice);
          }}
          onUnfollow={() => setFollowed(undefined)}
          onRefused={(error) => notices.show(`Not possible: ${messageOf(error)}`, { tone: "warning" })}
          onReady={(editor) => {
            window.aetherflow = { board, editor };
          }}
        >
          <MainMenu.Item onSelect={() => setOpen("share")}>Invite others …</MainMenu.Item>
          <MainMenu.ItemLink href="/">All boards</MainMenu.ItemLink>
        </Whiteboard>
        <Banner board={board} />
      </main>
      <StatusLine board={board} />
      {open === "share" && (
        <ShareDialog viewersOnly={sharedForViewing(board)} onClose={() => setOpen(undefined)} />
      )}
      {open === "name" && <NameDialog name={name} onName={onName} onClose={() => setOpen(undefined)} />}
    </div>
  );
}

/** The board belongs to one person: others with the link can only look. */
function sharedForViewing(board: DocumentReplica): boolean {
  return board.documentMetadata?.owner !== "everybody";
}
