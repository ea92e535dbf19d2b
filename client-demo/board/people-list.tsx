import type { DocumentReplica, SessionInfo } from "../../client/index.ts";
import { colourOf, initialsOf, nameOf } from "../app/people.ts";
import { useBoardEvents } from "./use-board.ts";

/** More than these are a number. */
const mostShown = 6;

/** Who is here. A click follows somebody's view; another one ends it. */
export function PeopleList(props: {
  readonly board: DocumentReplica;
  readonly followed: string | undefined;
  onFollow(session: SessionInfo | undefined): void;
}) {
  const { board, followed, onFollow } = props;
  useBoardEvents(board, ["presence", "status"], 200);
  const others = [...board.presence.others.values()];
  const self = { user: board.user ?? { id: board.clientId }, clientId: board.clientId };
  const more = others.slice(mostShown);
  return (
    <ul className="people" aria-label="People here">
      <li>
        <span className="avatar" style={{ background: colourOf(self) }} title={`${nameOf(self)} (you)`}>
          <span aria-hidden="true">{initialsOf(nameOf(self))}</span>
          <span className="visually-hidden">{nameOf(self)} (you)</span>
        </span>
      </li>
      {others.slice(0, mostShown).map((session) => {
        const isFollowed = session.sessionId === followed;
        const name = `${nameOf(session)}${session.role === "viewer" ? " (looks on)" : ""}`;
        return (
          <li key={session.sessionId}>
            <button
              type="button"
              className="avatar"
              style={{ background: colourOf(session) }}
              aria-pressed={isFollowed}
              title={`${name}: ${isFollowed ? "stop following" : "follow"}`}
              onClick={() => onFollow(isFollowed ? undefined : session)}
            >
              <span aria-hidden="true">{initialsOf(nameOf(session))}</span>
              <span className="visually-hidden">Follow {name}</span>
            </button>
          </li>
        );
      })}
      {more.length > 0 && (
        <li>
          <span className="avatar more" title={more.map(nameOf).join(", ")}>
            +{more.length}
          </span>
        </li>
      )}
    </ul>
  );
}
