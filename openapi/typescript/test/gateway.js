// A real gateway in its sandbox, and small servers that misbehave.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";

const COMMAND = (process.env.GATEWAY_COMMAND ?? "../../.venv/bin/gateway").split(" ");

/** Run a sandbox on free ports; return its address, tokens and how to stop it. */
export async function sandbox(port) {
  const ports = [port ?? (await freePort()), await freePort()];
  const [file, ...given] = COMMAND;
  const args = ["sandbox", "--port", ports[0], "--upstream-port", ports[1]].map(String);
  const child = spawn(file, [...given, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  for await (const piece of child.stdout) {
    text += piece;
    if (text.includes("Ctrl-C")) break;
  }
  child.stdout.resume();
  const token = (user) => new RegExp(`${user}=(\\S+)`).exec(text)[1];
  return {
    baseUrl: `http://127.0.0.1:${ports[0]}`,
    alice: token("ALICE"),
    bob: token("BOB"),
    async goLive(liveId) {
      const url = `http://127.0.0.1:${ports[1]}/sandbox/rooms/${liveId}/live`;
      const answer = await fetch(url, { method: "POST" });
      if (!answer.ok) throw new Error(`${answer.status}`);
    },
    async stop() {
      child.kill("SIGINT");
      await once(child, "exit");
    },
  };
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

export async function freePort() {
  const { port, close } = await scripted(() => {});
  await close();
  return port;
}
