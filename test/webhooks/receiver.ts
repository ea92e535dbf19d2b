/** A receiver of webhooks: a real HTTP server on this machine that keeps what came and answers as it is told. */
import { createHmac } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { waitFor } from "../support/wait-for.ts";

export interface Received {
  // biome-ignore lint/suspicious/noExplicitAny: bodies are looked at field by field
  readonly event: any;
  readonly path: string;
  readonly text: string;
  readonly headers: { readonly [name: string]: string | undefined };
}

/** A status to answer with, or no answer at all. */
export type Reply = number | "hang";

export interface Receiver {
  readonly url: string;
  /** Every call, refused ones too, in the order in which they came. */
  readonly calls: Received[];
  /** Calls that were answered with 2xx. */
  readonly arrived: Received[];
  answer(reply: (call: Received, count: number) => Reply): void;
  /** Waits until so many have arrived that fit. */
  until(count: number, fits?: (call: Received) => boolean): Promise<Received[]>;
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const calls: Received[] = [];
  const arrived: Received[] = [];
  let reply: (call: Received, count: number) => Reply = () => 204;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const headers = request.headers as Received["headers"];
      const call = { event: JSON.parse(text), path: request.url ?? "", text, headers };
      calls.push(call);
      const answer = reply(call, calls.length);
      if (answer === "hang") return;
      if (answer >= 200 && answer < 300) arrived.push(call);
      response.writeHead(answer, { location: "/elsewhere" }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    calls,
    arrived,
    answer: (next) => {
      reply = next;
    },
    async until(count, fits = () => true) {
      await waitFor(() => arrived.filter(fits).length >= count, {
        what: `${count} deliveries`,
        timeoutMs: 20_000,
      });
      return arrived.filter(fits);
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** What a receiver does to believe a call, with a tolerance of five minutes. */
export function isGenuine(secret: string, { text, headers }: Received): boolean {
  const [, seconds, signature] =
    /^t=(\d+),v1=([0-9a-f]{64})$/.exec(headers["aetherflow-signature"] ?? "") ?? [];
  const expected = createHmac("sha256", secret).update(`${seconds}.${text}`).digest("hex");
  return signature === expected && Math.abs(Date.now() / 1_000 - Number(seconds)) < 300;
}
