/** The page at `/`: the list of boards, or the board that the address names (`?doc=ID`). */
import { Account, TokenNeeded } from "./account.ts";
import { openBoardPage } from "./board-page.ts";
import { askForToken, byId, messageOf } from "./page.ts";
import { CallError } from "./server-calls.ts";
import { openStartPage } from "./start-page.ts";

const account = new Account();
const documentId = new URLSearchParams(location.search).get("doc") ?? "";
document.body.dataset.page = documentId === "" ? "start" : "board";

async function open(): Promise<void> {
  byId("problem", HTMLElement).hidden = true;
  for (;;) {
    try {
      await (documentId === "" ? openStartPage(account) : openBoardPage(account, documentId));
      return;
    } catch (error) {
      for (const id of ["start", "board-page"]) byId(id, HTMLElement).hidden = true;
      const refused = error instanceof CallError && error.status === 401;
      if (!refused && !(error instanceof TokenNeeded)) {
        showProblem(error);
        return;
      }
      account.forget();
      account.paste(await askForToken(refused ? new TokenNeeded(true).message : error.message));
    }
  }
}

function showProblem(error: unknown): void {
  const missing = error instanceof CallError && [400, 403, 404].includes(error.status);
  byId("problem-title", HTMLElement).textContent = missing ? "This board is not here" : "That did not work";
  byId("problem-text", HTMLElement).textContent = missing
    ? "It may have been deleted, the link may be incomplete, or it is not shared with you."
    : messageOf(error);
  byId("problem", HTMLElement).hidden = false;
}

byId("try-again", HTMLButtonElement).addEventListener("click", () => location.reload());
void open();
