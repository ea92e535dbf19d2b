import { useId } from "react";
import type { DocumentReplica, SessionInfo } from "../../client/index.ts";
import { initialsOf, type Look, looksOf, nameOf, selfOf } from "../app/people.ts";
import { useNarrow } from "../app/use-narrow.ts";
import { useBoardEvents } from "./use-board.ts";

/** More than these are a number. */
const mostShown = 6;

interface PeopleProps {
  readonly self: Pick<SessionInfo, "user">;
  readonly looks: ReadonlyMap<string, Look>;
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
  const self = selfOf(board);
  // Without a connection nobody knows who is here.
  const isConnected = board.connection.state === "live" || board.connection.state === "syncing";
  const others = isConnected ? [...board.presence.others.values()] : [];
  const people = { self, others, looks: looksOf([self, ...others]), followed, onFollow };
  return useNarrow() ? <PeopleCount {...people} /> : <Avatars {...people} />;
}

function Avatars({ self, others, looks, followed, onFollow }: PeopleProps) {
  const more = others.slice(mostShown);
  const own = looks.get(self.user.id);
  return (
    <ul className="people" aria-label="People here">
      <li>
        <span className="avatar self" style={{ background: own?.colour }} title={`${own?.name} (you)`}>
          <span aria-hidden="true">{initialsOf(nameOf(self))}</span>
          <span className="visually-hidden">{own?.name} (you)</span>
        </span>
      </li>
      {others.slice(0, mostShown).map((session) => {
        const isFollowed = session.sessionId === followed;
        const called = described(session, self, looks);
        return (
          <li key={session.sessionId}>
            <button
              type="button"
              className="avatar"
              style={{ background: looks.get(session.user.id)?.colour }}
              aria-pressed={isFollowed}
              title={`${called}: ${isFollowed ? "stop following" : "follow"}`}
              onClick={() => onFollow(isFollowed ? undefined : session)}
            >
              <span aria-hidden="true">{initialsOf(nameOf(session))}</span>
              <span className="visually-hidden">Follow {called}</span>
            </button>
          </li>
        );
      })}
      {more.length > 0 && (
        <li>
          <span
            className="avatar more"
            title={more.map((session) => described(session, self, looks)).join(", ")}
          >
            +{more.length}
          </span>
        </li>
      )}
    </ul>
  );
}

/** On a phone, how many: who they are is behind it, and the board's name has the room. */
function PeopleCount({ self, others, looks, followed, onFollow }: PeopleProps) {
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
          <Avatar of={self} looks={looks} />
          {looks.get(self.user.id)?.name} (you)
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
                <Avatar of={session} looks={looks} />
                {described(session, self, looks)}
              </button>
            </li>
          );
        })}
      </ul>
    </div>
  );
}

function Avatar({ of, looks }: Pick<PeopleProps, "looks"> & { readonly of: Pick<SessionInfo, "user"> }) {
  return (
    <span className="avatar" style={{ background: looks.get(of.user.id)?.colour }} aria-hidden="true">
      {initialsOf(nameOf(of))}
    </span>
  );
}

function described(session: SessionInfo, self: PeopleProps["self"], looks: PeopleProps["looks"]): string {
  const { user, role } = session;
  const name = looks.get(user.id)?.name ?? nameOf(session);
  if (user.id === self.user.id) return `${name} (you, in another window)`;
  return `${name}${role === "viewer" ? " (looks on)" : ""}`;
}
