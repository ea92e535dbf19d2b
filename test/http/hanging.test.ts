import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, test } from "vitest";
import { watchRequests } from "../../server/http/hanging.ts";
import { devToken, startTestInstance } from "../instances/start.ts";
import { waitFor } from "../support/wait-for.ts";

test("[rest/close] a server that closes answers what was asked, and then cuts off who is still asking", async () => {
  const answers: ServerResponse[] = [];
  const server = createServer((_request, response) => void answers.push(response));
  const cut = watchRequests(server);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const open = (text: string) => {
    const socket = connect(port, "127.0.0.1");
    socket.write(text);
    return socket;
  };
  const asking = open("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf");
  const asked = open("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  let heard = "";
  asked.on("data", (data) => {
    heard += data;
  });
  await waitFor(() => answers.length === 2);
  const ended = new AbortController();
  const closed = once(server, "close").then(() => ended.abort());
  server.close();
  const cutting = cut({ sendingMs: 0, answeringMs: 60_000 }, ended.signal);
  const full = answers.find(({ req }) => req.method === "GET");
  expect(asking.closed).toBe(false);
  full?.end("answered");
  await Promise.all([closed, cutting, once(asking, "close")]);
  expect(heard).toContain("answered");
});

test("[rest/close] what comes on a connection that is in use when an instance closes is answered like any other", async () => {
  const instance = await startTestInstance(undefined);
  const { hostname, port } = new URL(instance.url);
  const headers = `Host: x\r\nAuthorization: Bearer ${await devToken(instance.url, "ada")}\r\n`;
  const socket = connect(Number(port), hostname);
  const ended = once(socket, "close");
  let heard = "";
  socket.on("data", (data) => {
    heard += data;
  });
  const body = JSON.stringify({ name: "of the last minute" });
  const type = `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
  socket.write(`POST /v1/documents HTTP/1.1\r\n${headers}${type}\r\n${body.slice(0, 5)}`);
  await once(socket, "connect");
  // Its request has to be under way before the server closes.
  await waitFor(async () => (await fetch(`${instance.url}/healthz`)).ok);
  const closed = instance.close();
  socket.write(`${body.slice(5)}GET /v1/documents HTTP/1.1\r\n${headers}\r\n`);
  await Promise.all([closed, ended]);
  const statuses = heard.match(/(?<=HTTP\/1\.1 )\d+/g);
  expect(statuses).toEqual(["201", "200"]);
  expect(heard.match(/of the last minute/g)).toHaveLength(2);
});
