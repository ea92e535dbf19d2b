import { useCallback, useState } from "react";
import { BoardPage } from "../board/board-page.tsx";
import { GalleryPage } from "../gallery/gallery-page.tsx";
import { TokenNeeded } from "./account.ts";
import { account } from "./beginning.ts";
import { messageOf, NoticesProvider } from "./notices.tsx";
import { Problem, TokenForm } from "./problem.tsx";
import { CallError } from "./server-calls.ts";

type Trouble =
  | { readonly kind: "none" }
  | { readonly kind: "token"; readonly text: string }
  | { readonly kind: "missing" }
  | { readonly kind: "failed"; readonly text: string };

/** The whole page: what the address names, or what stands in the way of it. */
export function App() {
  const [trouble, setTrouble] = useState<Trouble>({ kind: "none" });
  const fail = useCallback((error: unknown) => {
    const refused = error instanceof CallError && error.status === 401;
    if (refused || error instanceof TokenNeeded) {
      account.forget();
      setTrouble({ kind: "token", text: refused ? new TokenNeeded(true).message : error.message });
    } else if (error instanceof CallError && [400, 403, 404].includes(error.status)) {
      setTrouble({ kind: "missing" });
    } else setTrouble({ kind: "failed", text: messageOf(error) });
  }, []);
  const documentId = new URLSearchParams(location.search).get("doc") ?? "";
  return (
    <NoticesProvider>
      {trouble.kind === "token" && (
        <TokenForm
          text={trouble.text}
          onToken={(token) => {
            account.paste(token);
            setTrouble({ kind: "none" });
          }}
        />
      )}
      {trouble.kind === "missing" && (
        <Problem
          title="This board is not here"
          text="It may have been deleted, the link may be incomplete, or it is not shared with you."
        />
      )}
      {trouble.kind === "failed" && <Problem title="That did not work" text={trouble.text} />}
      {trouble.kind === "none" && documentId === "" && <GalleryPage account={account} onFailure={fail} />}
      {trouble.kind === "none" && documentId !== "" && (
        <BoardPage account={account} documentId={documentId} onFailure={fail} />
      )}
    </NoticesProvider>
  );
}
