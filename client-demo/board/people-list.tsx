import { useId } from "react";
import type { DocumentReplica, SessionInfo } from "../../client/index.ts";
import { colourOf, initialsOf, nameOf } from "../app/people.ts";
import { useNarrow } from "../app/use-narrow.ts";
import { useBoardEvents } from "./use-board.ts";

/** More than these are a number. */
const mostShown = 6;

interface PeopleProps {
  readonly self: Pick<SessionInfo, "user">;
  readonly others: readonly SessionInfo[];
  readonly followed: string | undefined;
  onFollow(session: SessionInfo | undefined): void;
}

/** Who is here. A click follows somebody's view; another one ends it. */
export function PeopleList(props: {
  readonly board: DocumentReplica;
  readonly followed: string | undefined;
  onFollow(session: SessionInfo | undefined): void;
}) {
  const { board, followed, onFollow } = props;
  useBoardEvents(board, ["presence", "status"], 200);
  const people = {
    self: { user: board.user ?? { id: board.clientId } },
    others: [...board.presence.others.values()],
    followed,
    onFollow,
  };
  return useNarrow() ? <PeopleCount {...people} /> : <Avatars {...people} />;
}

function Avatars({ self, others, followed, onFollow }: PeopleProps) {
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
        return (
          <li key={session.sessionId}>
            <button
              type="button"
              className="avatar"
              style={{ background: colourOf(session) }}
              aria-pressed={isFollowed}
              title={`${described(session)}: ${isFollowed ? "stop following" : "follow"}`}
              onClick={() => onFollow(isFollowed ? undefined : session)}
            >
              <span aria-hidden="true">{initialsOf(nameOf(session))}</span>
              <span className="visually-hidden">Follow {described(session)}</span>
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

/** On a phone, how many: who they are is behind it, and the board's name has the room. */
function PeopleCount({ self, others, followed, onFollow }: PeopleProps) {
  const id = useId();
  const count = others.length + 1;
  return (
    <div>
      <button
        type="button"
        className="avatar more"
        aria-label={count === 1 ? "One person here" : `${count} people here`}
        {...{ popovertarget: id }}
      >
        {count}
      </button>
      <ul className="people-here" id={id} aria-label="People here" {...{ popover: "auto" }}>
        <li className="self">
          <Avatar of={self} />
          {nameOf(self)} (you)
        </li>
        {others.map((session) => {
          const isFollowed = session.sessionId === followed;
          return (
            <li key={session.sessionId}>
              <button
                type="button"
                aria-pressed={isFollowed}
                title={isFollowed ? "Stop following" : "Follow"}
                onClick={() => onFollow(isFollowed ? undefined : session)}
                {...{ popovertarget: id }}
              >
                <Avatar of={session} />
                {described(session)}
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function Avatar({ of }: { readonly of: Pick<SessionInfo, "user"> }) {
  return (
    <span className="avatar" style={{ background: colourOf(of) }} aria-hidden="true">
      {initialsOf(nameOf(of))}
    </span>
  );
}

function described(session: SessionInfo): string {
  return `${nameOf(session)}${session.role === "viewer" ? " (looks on)" : ""}`;
}
