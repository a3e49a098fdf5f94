// Going live: the heartbeats that a client sends by itself, and their end.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveRoomGateway } from "../dist/index.js";
import { sandbox } from "./gateway.js";
import { problem, scripted } from "./scripted.js";

const timing = { firstPause: 1, longestPause: 2 };

/** Run a server that answers each path's last word as `script` says, and a client of it. */
async function answering(script) {
  const server = await scripted((request, response) => {
    const what = request.url.split("/").at(-1);
    const answer = script[what]?.shift();
    if (answer) problem(response, ...answer);
    else response.writeHead(204).end();
  });
  const gateway = new LiveRoomGateway({ baseUrl: server.baseUrl, token: () => "t", timing });
  const asked = () => server.requests.map((each) => each.url.split("/").at(-1));
  const beats = async (count) => {
    while (asked().filter((each) => each === "heartbeat").length < count) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  return { server, gateway, asked, beats };
}

test("a room goes live and ends, as a viewer sees it", { timeout: 60_000 }, async () => {
  const running = await sandbox();
  const alice = new LiveRoomGateway({ baseUrl: running.baseUrl, token: () => running.alice });
  const bob = new LiveRoomGateway({ baseUrl: running.baseUrl, token: () => running.bob });
  const room = await alice.createRoom({ title: "t" });
  await assert.rejects(bob.goLive(room.live_id), { code: "not_room_anchor" });
  const seen = [];
  let broadcast;
  for await (const event of bob.watchRoom(room.live_id)) {
    if (event.type === "deleted") break;
    seen.push(event.room.live_status);
    if (seen.length === 1) broadcast = await alice.goLive(room.live_id, { every: 20 });
    if (seen.at(-1) === 1) {
      const { rooms, total } = await bob.liveRooms({ pageSize: 50 });
      const listed = rooms.find((each) => each.live_id === room.live_id);
      assert.equal(listed.chat_id, room.chat_id); // all its digits
      assert.equal("push_url" in listed, false);
      assert.equal(total, rooms.length);
      assert.deepEqual((await bob.liveRooms({ page: 9 })).rooms, []);
      await broadcast.stop();
    }
    if (seen.at(-1) === 2) await alice.deleteRoom(room.live_id);
  }
  assert.deepEqual(seen, [0, 1, 2]);
  await broadcast.ended;
  await assert.rejects(alice.goLive(room.live_id), { code: "room_not_found" });
  await running.stop();
});

test("heartbeats are sent until it is stopped", async () => {
  const { server, gateway, asked, beats } = await answering({});
  const broadcast = await gateway.goLive("1", { every: 1 });
  await beats(3);
  await broadcast.stop();
  await broadcast.ended;
  assert.deepEqual([asked()[0], asked().at(-1)], ["start", "stop"]);
  assert.ok(server.requests.every((each) => each.method === "POST"));
  assert.ok(server.requests.every((each) => each.headers.authorization === "Bearer t"));
  await server.close();
});

test("an aborted signal ends the heartbeats, and not the broadcast", async () => {
  const { server, gateway, asked, beats } = await answering({});
  const leaving = new AbortController();
  const broadcast = await gateway.goLive("1", { every: 1, signal: leaving.signal });
  await beats(1);
  leaving.abort();
  await broadcast.ended;
  assert.equal(asked().includes("stop"), false);
  await assert.rejects(gateway.goLive("1", { signal: leaving.signal }), { name: "AbortError" });
  await server.close();
});

test("what failed is sent again", async () => {
  const down = [503, "upstream_unavailable"];
  const script = { start: [[504, "outcome_unknown"], down], heartbeat: [down, down] };
  const { server, gateway, asked, beats } = await answering(script);
  const broadcast = await gateway.goLive("1", { every: 5 });
  assert.deepEqual(asked(), ["start", "start", "start"]);
  await beats(4);
  await broadcast.stop();
  await server.close();
});

test("a room that has ended cannot be kept living", async () => {
  const script = { heartbeat: [[409, "room_ended"]] };
  const { server, gateway, asked } = await answering(script);
  const broadcast = await gateway.goLive("1", { every: 1 });
  await assert.rejects(broadcast.ended, { code: "room_ended", status: 409 });
  assert.deepEqual(asked(), ["start", "heartbeat"]);
  await server.close();
});

test("a start that is refused is not repeated", async () => {
  const { server, gateway, asked } = await answering({ start: [[409, "room_ended"]] });
  await assert.rejects(gateway.goLive("1"), { code: "room_ended" });
  assert.deepEqual(asked(), ["start"]);
  await server.close();
});
