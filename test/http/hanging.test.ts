import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { expect, test } from "vitest";
import { watchRequests } from "../../server/http/hanging.ts";
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
