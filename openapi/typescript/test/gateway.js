// A real gateway in its sandbox.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { scripted } from "./scripted.js";

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

export async function freePort() {
  const { port, close } = await scripted(() => {});
  await close();
  return port;
}
