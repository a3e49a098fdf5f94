// Small servers that misbehave, and a client of one.
import { once } from "node:events";
import { createServer } from "node:http";
import { LiveRoomGateway } from "../dist/index.js";

const TIMING = { firstPause: 5, longestPause: 20 };

export const ROOM =
  '{"live_id":"1","chat_id":9007199254740993,"anchor_info":{"im_userid":7},"live_status":0,"end_time":5}';
export const LIVE = ROOM.replace('"live_status":0', '"live_status":1');

/** Use a client of a server that answers as `script` says; `use(client, server, refreshes)`. */
export async function against(script, use, timing = {}) {
  const server = await scripted(script);
  const refreshes = [];
  const token = (refresh) => (refreshes.push(refresh), `token-${refreshes.length}`);
  try {
    const options = { baseUrl: server.baseUrl, token, timing: { ...TIMING, ...timing } };
    await use(new LiveRoomGateway(options), server, refreshes);
  } finally {
    await server.close();
  }
}

/** Run a server that answers as `script(request, response, number)` says; stop it with `close`. */
export async function scripted(script, port = 0) {
  const requests = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    requests.push({ method: request.method, url: request.url, headers: request.headers, body });
    await script(requests.at(-1), response, requests.length);
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return {
    requests,
    port: server.address().port,
    baseUrl: `http://127.0.0.1:${server.address().port}`,
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Answer with a problem. */
export function problem(response, status, code, headers = {}) {
  response.writeHead(status, { "Content-Type": "application/problem+json", ...headers });
  response.end(JSON.stringify({ code, status, detail: "told", request_id: "id-1" }));
}

/** Answer with JSON. */
export function json(response, body, headers = {}) {
  response.writeHead(200, { "Content-Type": "application/json", ...headers });
  response.end(body);
}

/** Send parts of a stream, which stays open. */
export function stream(response, ...blocks) {
  if (!response.headersSent) {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.flushHeaders();
  }
  for (const block of blocks) response.write(`${block}\n\n`);
}

export const event = (name, data = "{}", id = "") =>
  `${id && `id: ${id}\n`}event: ${name}\ndata: ${data}`;

/** Return all that a watch tells. */
export async function all(events) {
  const found = [];
  for await (const each of events) found.push(each);
  return found;
}
