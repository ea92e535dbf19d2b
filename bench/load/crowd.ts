/** Many sockets over many documents that mostly sit there: what idle connections and reconnect storms share. */
import { setTimeout as delay } from "node:timers/promises";
import { LoadClient } from "./client.ts";
import { dialects, type Since } from "./dialect.ts";
import { createText, operationId, startIds } from "./operations.ts";
import type { CrowdPlan } from "./plan.ts";
import { LoadRoom } from "./room.ts";

/** How long operations may take to reach everybody. */
const deliveryMs = 20_000;

interface Member {
  readonly index: number;
  readonly document: string;
  readonly room: LoadRoom;
  readonly token: string;
  client: LoadClient | undefined;
}

export class Crowd {
  readonly violations: string[] = [];
  readonly members: readonly Member[];
  readonly #plan: CrowdPlan;
  /** Operations that each document's first member has submitted: as many as the document's version. */
  #submitted = 0;

  constructor(plan: CrowdPlan) {
    startIds(plan.seed);
    this.#plan = plan;
    this.members = plan.documents.flatMap((document, index) => {
      const room = new LoadRoom(plan.clientsPerDocument);
      return Array.from({ length: plan.clientsPerDocument }, (_, member) => ({
        index: index * plan.clientsPerDocument + member,
        document,
        room,
        token: plan.tokens[member] ?? "",
        client: undefined,
      }));
    });
  }

  /** Connects one, from `since` when it was here before. Rejects when the connection fails. */
  async connect(member: Member, since?: number): Promise<LoadClient> {
    const { target, urls } = this.#plan;
    const at = since === undefined ? undefined : this.#operationAt(member, since);
    member.client = await LoadClient.open({
      dialect: dialects[target],
      url: urls[member.index % urls.length] as string,
      document: member.document,
      token: member.token,
      room: member.room,
      index: member.index,
      since: at,
      delivered() {},
      handled() {},
      violated: (message) => this.#violated(message),
    });
    return member.client;
  }

  /** Connects all, fifty at a time. */
  async connectAll(progress: (share: number) => void): Promise<void> {
    for (let from = 0; from < this.members.length; from += 50) {
      await Promise.all(this.members.slice(from, from + 50).map((member) => this.connect(member)));
      progress(from / this.members.length);
    }
  }

  /** One operation of each document's first member, which all of its members have to get, once. */
  async everybodyGetsOne(): Promise<void> {
    const number = this.#submitted;
    this.#submitted += 1;
    for (const { client, index } of this.#writers())
      client?.submit(operationId(index, number), createText(index, number, `e${number}`));
    const until = performance.now() + deliveryMs;
    for (;;) {
      const waiting = this.#writers().reduce((sum, { room }) => sum + room.unseen + room.underway, 0);
      if (waiting === 0 || this.violations.length > 0) return;
      if (performance.now() > until)
        return this.#violated(`${waiting} operations had not reached everybody after ${deliveryMs} ms`);
      await delay(5);
    }
  }

  cut(): void {
    for (const { client } of this.members) client?.cut();
  }

  close(): void {
    for (const { client } of this.members) client?.close();
  }

  #writers(): readonly Member[] {
    return this.members.filter((_, index) => index % this.#plan.clientsPerDocument === 0);
  }

  #operationAt(member: Member, version: number): Since {
    const writer = member.index - (member.index % this.#plan.clientsPerDocument);
    return { version, id: operationId(writer, version - 1) };
  }

  #violated(message: string): void {
    if (this.violations.length < 20) this.violations.push(message);
  }
}
