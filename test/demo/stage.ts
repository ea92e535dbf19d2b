/** Two instances on one database, people with browsers, and the question whether all of them have the same board. */
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { expect } from "vitest";
import { type SceneElement, toWire } from "../../client-demo/binding/index.ts";
import type { Instance } from "../../server/compose.ts";
import type { SequencedOperation } from "../../shared/document/operation.ts";
import { applySequenced, createState } from "../../shared/document/state.ts";
import { devToken, rest, startTestInstance } from "../instances/start.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { waitFor } from "../support/wait-for.ts";
import {
  buildDemo,
  createPerson,
  demoDir,
  launchBrowser,
  type Person,
  waitForLive,
  waitForSaved,
} from "./browser.ts";

export type Scene = Record<string, Record<string, unknown>>;

/** An instance in this process, or one in a process of its own. */
interface Server {
  readonly url: string;
  close(): Promise<unknown>;
}

export class Stage {
  readonly database: TestDatabase;
  readonly browser: Browser;
  first: Server;
  second: Server;
  #people: Person[] = [];

  private constructor(database: TestDatabase, browser: Browser, instances: readonly [Instance, Instance]) {
    this.database = database;
    this.browser = browser;
    [this.first, this.second] = instances;
  }

  static async open(): Promise<Stage> {
    buildDemo();
    const database = await createTestDatabase();
    const instance = () => startTestInstance(database.url, {}, demoDir);
    return new Stage(database, await launchBrowser(), [await instance(), await instance()]);
  }

  async close(): Promise<void> {
    await this.browser.close();
    await Promise.all([this.first.close(), this.second.close()]);
    await this.database.drop();
  }

  /** Everybody leaves; nobody's page may have complained. */
  async leave(): Promise<void> {
    const problems = this.#people.flatMap((person) => person.problems);
    await Promise.all(this.#people.map(({ page }) => page.context().close()));
    this.#people = [];
    expect(problems).toEqual([]);
  }

  async come(name: string, address: string, options: BrowserContextOptions = {}): Promise<Person> {
    const person = await createPerson(this.browser, name, options);
    this.#people.push(person);
    await person.page.goto(address);
    return person;
  }

  /** A board that whoever has the link may edit (or look at); its id. */
  async makeBoard(fields: Record<string, unknown> = {}): Promise<string> {
    const token = await devToken(this.first.url, "everybody");
    const { body } = await rest<{ id: string }>(this.first.url, token, "POST", "/documents", {
      name: "Plan of the engine",
      type: "whiteboard",
      public: true,
      ...fields,
    });
    return body.id;
  }

  /** Ada on the first instance and Grace on the second, on one new board. */
  async openTogether(
    fields: Record<string, unknown> = {},
    options: BrowserContextOptions = {},
  ): Promise<{ ada: Person; grace: Person; id: string }> {
    const id = await this.makeBoard(fields);
    // One after the other: of two who join at once, one is told 412 and tries again, which a browser's console notes.
    const ada = await this.come("Ada Lovelace", `${this.first.url}/?doc=${id}`);
    await waitForLive(ada.page);
    const grace = await this.come("Grace <b>Hopper</b>", `${this.second.url}/?doc=${id}`, options);
    await waitForLive(grace.page);
    return { ada, grace, id };
  }

  /** What is stored; the log from the first version on says the same. */
  async stored(id: string): Promise<Scene> {
    const token = await devToken(this.first.url, "everybody");
    const content = await rest<{ version: number; elements: Scene }>(
      this.first.url,
      token,
      "GET",
      `/documents/${id}/content`,
    );
    const state = createState();
    for (let cursor = ""; ; ) {
      const path = `/documents/${id}/operations?order=asc&limit=200&to=${content.body.version}${cursor}`;
      const page = await rest<{ items: SequencedOperation[]; nextCursor: string | null }>(
        this.first.url,
        token,
        "GET",
        path,
      );
      for (const operation of page.body.items) applySequenced(state, operation);
      if (page.body.nextCursor === null) break;
      cursor = `&cursor=${encodeURIComponent(page.body.nextCursor)}`;
    }
    expect(state.version).toBe(content.body.version);
    expect(Object.fromEntries(state.elements)).toEqual(content.body.elements);
    return content.body.elements;
  }

  /** Waits until every page shows what is stored, and returns it. */
  async agreement(id: string, people: readonly Person[]): Promise<Scene> {
    await Promise.all(people.map(({ page }) => waitForSaved(page)));
    return waitFor(
      async () => {
        const stored = await this.stored(id);
        for (const { page } of people) expect(await sceneOf(page)).toEqual(withoutAssets(stored));
        return stored;
      },
      { what: "pages, server and log agree", intervalMs: 100, timeoutMs: 15_000 },
    );
  }
}

/** A page's scene as it would be sent. */
export async function sceneOf(page: Page): Promise<Scene> {
  const elements = await page.evaluate(
    () => window.aetherflow?.editor.getSceneElements().map((element) => ({ ...element })) ?? [],
  );
  return Object.fromEntries(
    (elements as SceneElement[]).map((element) => [element.id, toWire(element) as Record<string, unknown>]),
  );
}

/** Waits until a page's scene, as a list in its order, is as wanted. */
export async function waitForScene(
  page: Page,
  what: string,
  wanted: (elements: Record<string, unknown>[]) => boolean,
): Promise<Record<string, unknown>[]> {
  return waitFor(
    async () => {
      const elements = Object.entries(await sceneOf(page)).map(([id, fields]) => ({ id, ...fields }));
      return wanted(elements) ? elements : undefined;
    },
    { what, intervalMs: 50, timeoutMs: 15_000 },
  );
}

function withoutAssets(stored: Scene): Scene {
  return Object.fromEntries(Object.entries(stored).map(([id, { asset: _, ...fields }]) => [id, fields]));
}
