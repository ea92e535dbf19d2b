/** One document of a run: the people in it, and what they do. Notes what the invariants are checked against. */
import { randomUUID } from "node:crypto";
import {
  AlreadyResolvedError,
  ChangeError,
  ConnectionClosedError,
  type DocumentMetadata,
  type DocumentReplica,
  memoryStorage,
  openDocument,
  type Properties,
  type ReplicaStorage,
  RequestError,
  type Transaction,
} from "../../client/index.ts";
import type { Operation } from "../../shared/document/operation.ts";
import { rest } from "../instances/start.ts";
import { waitFor } from "../support/wait-for.ts";
import { Records, type SessionRecord } from "./records.ts";
import type { Rig } from "./rig.ts";
import { cast, type Edit, type Step } from "./steps.ts";

/** A change of the document's metadata, as the owner asked for it and as it was answered. */
export interface Change {
  readonly sentAtMs: number;
  readonly answeredAtMs: number;
  readonly document: DocumentMetadata;
}

/** An edit over REST. */
export interface RestEdit {
  readonly kind: "script" | "restore" | "revert";
  readonly user: string;
  readonly client: string;
  /** Those of a script. */
  readonly ops: readonly Operation[];
  /** Of a restore: the version that it brings back. */
  readonly to: number | undefined;
  readonly sentOrder: number;
  readonly status: number;
  readonly code: string | undefined;
  readonly version: number;
  readonly versions: readonly number[];
}

export class Actor {
  readonly user: string;
  readonly storage: ReplicaStorage | undefined;
  replica: DocumentReplica | undefined;
  session: SessionRecord | undefined;
  shown = 0;

  constructor({ user, stores }: (typeof cast)[number]) {
    this.user = user;
    this.storage = stores ? memoryStorage() : undefined;
  }

  /** The replica, unless it is away or was sent away. */
  get here(): DocumentReplica | undefined {
    return this.replica?.connection.state === "closed" ? undefined : this.replica;
  }
}

export class Board {
  readonly rig: Rig;
  readonly id: string;
  /** What the ids of its elements begin with. */
  readonly prefix: string;
  readonly records: Records;
  readonly actors = cast.map((member) => new Actor(member));
  readonly changes: Change[];
  readonly restEdits: RestEdit[] = [];
  /** What should not have been answered, or thrown. */
  readonly surprises: string[] = [];
  /** Replicas that were closed for good by the server, with the close code. */
  readonly sentAway: { readonly user: string; readonly code: number | undefined; readonly atMs: number }[] =
    [];
  readonly #open = new Set<Promise<unknown>>();
  #lists = {
    editors: cast.flatMap(({ user, role }) => (role === "editor" ? [user as string] : [])),
    viewers: cast.flatMap(({ user, role }) => (role === "viewer" ? [user as string] : [])),
  };
  #changing: Promise<unknown> = Promise.resolve();

  private constructor(rig: Rig, prefix: string, document: DocumentMetadata) {
    this.rig = rig;
    this.id = document.id;
    this.prefix = prefix;
    this.records = new Records(prefix);
    this.changes = [{ sentAtMs: 0, answeredAtMs: Date.now(), document }];
  }

  static async create(rig: Rig, prefix: string): Promise<Board> {
    const editors = cast.flatMap(({ user, role }) => (role === "editor" ? [user] : []));
    const viewers = cast.flatMap(({ user, role }) => (role === "viewer" ? [user] : []));
    const { body } = await rest<DocumentMetadata>(rig.url(0), rig.token("ada"), "POST", "/documents", {
      name: prefix,
      editors: [...new Set(editors)],
      viewers,
      conflictPolicy: "manual",
    });
    const board = new Board(rig, prefix, body);
    await Promise.all(board.actors.map((actor, index) => board.#come(actor, index)));
    return board;
  }

  get live(): {
    readonly actor: Actor;
    readonly replica: DocumentReplica;
    readonly session: SessionRecord;
  }[] {
    return this.actors.flatMap((actor) => {
      const { here: replica, session } = actor;
      return replica === undefined || session === undefined ? [] : [{ actor, replica, session }];
    });
  }

  get rules(): DocumentMetadata {
    return this.changes.reduce((last, change) =>
      change.document.metadataVersion > last.document.metadataVersion ? change : last,
    ).document;
  }

  element(index: number): string {
    return `${this.prefix}${index}`;
  }

  /** Takes one step. What it does not wait for goes on meanwhile; `finished` waits for it. */
  async take(step: Step): Promise<void> {
    const doing = this.#do(step);
    if (doing === undefined) return;
    this.#track(doing);
    if (!("wait" in step) || step.wait) await doing;
  }

  /** Waits for everything that was begun. */
  async finished(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  /** Makes the document active again, whoever archived it. */
  async activate(): Promise<void> {
    if (this.rules.state !== "active") await this.#change({ state: "active" }, 0);
  }

  /** Waits until everybody's changes are answered and everybody has them. */
  async settle(): Promise<void> {
    const behind = async (): Promise<string | undefined> => {
      const version = Math.max(0, ...this.live.map(({ replica }) => replica.version));
      for (const { actor, replica } of this.live) {
        const { connection, pendingCount } = replica;
        if (connection.state !== "live" || pendingCount > 0 || replica.version !== version)
          return `${actor.user} is ${connection.state} at ${replica.version} of ${version}, ${pendingCount} pending`;
      }
      return undefined;
    };
    await waitFor(async () => (await behind()) === undefined).catch(async () => {
      this.surprises.push(`R10: not settled within 10 s: ${await behind()}`);
    });
  }

  #track(doing: Promise<unknown>): void {
    const noted = doing
      .catch((error: unknown) => {
        this.surprises.push(`unexpected: ${error instanceof Error ? error.stack : String(error)}`);
      })
      .finally(() => this.#open.delete(noted));
    this.#open.add(noted);
  }

  #do(step: Step): Promise<unknown> | undefined {
    switch (step.do) {
      case "settle":
        return this.settle();
      case "policy":
        return this.#change({ conflictPolicy: step.policy }, step.instance);
      case "state":
        return this.#change({ state: step.state }, step.instance);
      case "rights":
        return this.#rights(step.user, step.as, step.instance);
    }
    const actor = this.actors[step.who];
    if (actor === undefined) throw new RangeError(`nobody ${step.who}`);
    if (step.do === "come") return actor.here === undefined ? this.#come(actor, step.instance) : undefined;
    if (step.do === "script") return this.#script(actor.user, step.edit, step.instance);
    if (step.do === "restore" || step.do === "revert")
      return this.#history(actor.user, step.do, step.back, step.instance);
    const replica = actor.here;
    if (replica === undefined) return undefined;
    switch (step.do) {
      case "edit":
        this.#changeHere(replica, () =>
          replica.transact((tx) => {
            for (const edit of step.edits) this.#edit(tx, edit);
          }),
        );
        return undefined;
      case "undo":
      case "redo":
        this.#changeHere(replica, () => replica[step.do as "undo" | "redo"]());
        return undefined;
      case "show":
        actor.shown = step.value;
        replica.presence.set(this.shown(step.value));
        return undefined;
      case "kill":
        actor.session?.kill();
        return undefined;
      case "close":
        return this.#close(actor, replica, step.settled);
      case "expire":
        return this.#expire(replica);
      case "lock": {
        const { ttlMs, renew } = step;
        const element = step.element === null ? null : this.element(step.element);
        return this.#ask(() => replica.locks.acquire(element, { ttlMs, renew }));
      }
      case "release":
        return this.#ask(() =>
          replica.locks.release(step.element === null ? null : this.element(step.element)),
        );
      case "resolve": {
        const { unresolved } = replica.conflicts;
        const conflict = unresolved[step.which % Math.max(1, unresolved.length)];
        if (conflict === undefined) return undefined;
        const choose = step.choose === "set" ? { set: { x: 77 } } : step.choose;
        return this.#ask(() => replica.conflicts.resolve(conflict.id, choose));
      }
    }
  }

  shown(value: number): { at: string } {
    return { at: `${this.prefix}${value}` };
  }

  async #come(actor: Actor, instance: number): Promise<void> {
    const { storage, user } = actor;
    const replica = openDocument({
      url: this.rig.urlsFrom(instance),
      documentId: this.id,
      token: this.rig.token(user),
      backoff: { baseMs: 20, maxMs: 200 },
      presence: this.shown(actor.shown),
      ...(storage === undefined ? {} : { storage }),
      createWebSocket: this.records.createWebSocket(user, (session) => {
        actor.session = session;
      }),
    });
    actor.replica = replica;
    replica.on("status", (status) => {
      if (status.state !== "closed" || status.code === 1000) return;
      this.sentAway.push({ user, code: status.code, atMs: Date.now() });
    });
    replica.on("error", (error) => this.surprises.push(`${user}'s document told: ${error.stack}`));
    await replica.ready.catch((error: unknown) => {
      if (!(error instanceof ConnectionClosedError)) throw error;
    });
  }

  async #close(actor: Actor, replica: DocumentReplica, settled: boolean): Promise<void> {
    if (settled)
      await replica.whenSettled().catch((error: unknown) => {
        if (!(error instanceof ConnectionClosedError)) throw error;
      });
    await replica.close();
    if (actor.replica === replica) actor.replica = undefined;
  }

  #edit(tx: Transaction<Properties>, { kind, element, value }: Edit): void {
    const id = this.element(element);
    const present = tx.get(id);
    if (present === undefined) {
      if (kind !== "delete") tx.create(id, { x: value, text: `${value}bc`, list: [] });
      return;
    }
    const text = typeof present.text === "string" ? present.text : undefined;
    switch (kind) {
      case "move":
        return void tx.move(id, { x: value, y: value });
      case "set":
        return void tx.style(id, { x: value });
      case "unset":
        return void tx.update(id, {}, { unset: ["x"] });
      case "overwrite":
        return void tx.update(id, { text: `${value}${value}` });
      case "delete":
        return void tx.delete(id);
      case "append":
        if (present.list === undefined || Array.isArray(present.list)) tx.append(id, "list", [value]);
        return;
      case "type": {
        if (text === undefined) return void tx.update(id, { text: `${value}` });
        const at = value % (text.length + 1);
        return void tx.splice(id, "text", at, value > 3 && at < text.length ? 1 : 0, String(value));
      }
    }
  }

  #changeHere(replica: DocumentReplica, change: () => void): void {
    // It knows nothing of the document yet: a user would see a spinner.
    if (replica.documentMetadata === undefined) return;
    try {
      change();
    } catch (error) {
      if (error instanceof ConnectionClosedError) return;
      if (!(error instanceof ChangeError) || !["forbidden", "not_active"].includes(error.code)) throw error;
    }
  }

  /** Requests may be refused, for reasons that the protocol names. */
  async #ask(ask: () => Promise<unknown>): Promise<void> {
    const expected = ["locked", "forbidden", "not_active", "not_held", "not_found", "closed", "invalid"];
    try {
      await ask();
    } catch (error) {
      if (error instanceof AlreadyResolvedError) return;
      if (!(error instanceof RequestError) || !expected.includes(error.code)) throw error;
    }
  }

  /** The locks that nobody renews are gone from the list when their time is up. */
  async #expire(replica: DocumentReplica): Promise<void> {
    const ends = new Map(replica.locks.list.map(({ id, expiresAt }) => [id, expiresAt]));
    await waitFor(
      () =>
        replica.connection.state === "closed" ||
        !replica.locks.list.some(({ id, expiresAt }) => ends.get(id) === expiresAt),
      {
        timeoutMs: 8_000,
      },
    ).catch(() => this.surprises.push("R10: a lock that had run out stayed in a list"));
  }

  #rights(user: string, as: "editor" | "viewer" | "none", instance: number): Promise<void> {
    const without = (list: readonly string[]) => list.filter((each) => each !== user);
    this.#lists = {
      editors: [...without(this.#lists.editors), ...(as === "editor" ? [user] : [])],
      viewers: [...without(this.#lists.viewers), ...(as === "viewer" ? [user] : [])],
    };
    return this.#change(this.#lists, instance);
  }

  /** One after the other, so that the last one asked for is the last one made. */
  #change(fields: Partial<DocumentMetadata>, instance: number): Promise<void> {
    const changed = this.#changing.then(async () => {
      const sentAtMs = Date.now();
      const { status, body } = await rest<DocumentMetadata>(
        this.rig.url(instance),
        this.rig.token("ada"),
        "PATCH",
        `/documents/${this.id}`,
        fields,
      );
      if (status !== 200) throw new Error(`PATCH answered ${status} ${JSON.stringify(body)}`);
      this.changes.push({ sentAtMs, answeredAtMs: Date.now(), document: body });
    });
    this.#changing = changed.catch(() => undefined);
    return changed;
  }

  async #script(user: string, edit: Edit, instance: number): Promise<void> {
    const element = this.element(edit.element);
    const id = randomUUID();
    const ops: Operation[] = [
      edit.kind === "delete"
        ? { id, type: "delete", element }
        : edit.kind === "set"
          ? { id, type: "create", element, props: { x: edit.value } }
          : { id, type: "update", element, set: { x: edit.value } },
    ];
    const client = `script-${instance}`;
    await this.#post(
      "script",
      user,
      client,
      "operations",
      { ops, clientId: client },
      instance,
      ops,
      undefined,
    );
  }

  async #history(user: string, kind: "restore" | "revert", back: number, instance: number): Promise<void> {
    const version = Math.max(0, ...this.live.map(({ replica }) => replica.version));
    const to = Math.max(0, version - back);
    const body = kind === "restore" ? { version: to } : { from: Math.min(to + 1, version), to: version };
    if (version === 0) return;
    await this.#post(kind, user, "rest", kind, body, instance, [], kind === "restore" ? to : undefined);
  }

  async #post(
    kind: RestEdit["kind"],
    user: string,
    client: string,
    path: string,
    sent: object,
    instance: number,
    ops: readonly Operation[],
    to: number | undefined,
  ): Promise<void> {
    const sentOrder = this.records.now().order;
    const { status, body } = await rest<{ code?: string; version?: number; versions?: number[] }>(
      this.rig.url(instance),
      this.rig.token(user),
      "POST",
      `/documents/${this.id}/${path}`,
      sent,
    );
    const { code, version = 0, versions = [] } = body ?? {};
    this.restEdits.push({ kind, user, client, ops, to, sentOrder, status, code, version, versions });
    if (![200, 403, 404, 409, 422, 423].includes(status))
      throw new Error(`${path} answered ${status} ${JSON.stringify(body)}`);
  }
}
