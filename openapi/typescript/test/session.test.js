// A room from create to delete, through a real gateway.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LiveRoomGateway, Problem } from "../dist/index.js";
import { freePort, sandbox } from "./gateway.js";

let running;
let alice;
let bob;

before(async () => {
  running = await sandbox();
  alice = new LiveRoomGateway({ baseUrl: running.baseUrl, token: () => running.alice });
  bob = new LiveRoomGateway({ baseUrl: `${running.baseUrl}/`, token: async () => running.bob });
});
after(() => running.stop());

test("a whole life of a room is seen by who watches it", { timeout: 60_000 }, async () => {
  const made = await alice.createRoom({ title: "Friday session", extends: { season: "2" } });
  assert.match(made.push_url, /^rtmp:/);
  assert.equal(typeof made.chat_id, "string");
  assert.ok(BigInt(made.chat_id) > 2n ** 53n, "an id that a number would round");
  const seen = [];
  for await (const event of bob.watchRoom(made.live_id)) {
    seen.push(event.type === "room" ? event.room.live_status : event.type);
    if (event.type === "room") assert.equal("push_url" in event.room, false);
    if (seen.length === 1) await running.goLive(made.live_id);
    if (seen.at(-1) === 1) await alice.stopRoom(made.live_id);
    if (seen.at(-1) === 2) await alice.deleteRoom(made.live_id);
    if (event.type === "room") assert.equal(event.room.chat_id, made.chat_id);
  }
  assert.deepEqual(seen, [0, 1, 2, "deleted"]);
  await assert.rejects(bob.room(made.live_id), { code: "room_not_found", status: 404 });
  assert.deepEqual((await bob.watchRoom(made.live_id).next()).value, { type: "deleted" });
});

test("reads, refusals and batches", async () => {
  const made = await alice.createRoom({ title: "t" });
  const first = await bob.room(made.live_id);
  assert.equal("push_url" in first, false);
  assert.deepEqual(await bob.room(made.live_id), first);
  assert.equal((await alice.room(made.live_id)).push_url, made.push_url);
  const { rooms, missing } = await bob.rooms([made.live_id, "no-such-room"]);
  assert.deepEqual([rooms.map((room) => room.live_id), missing], [[made.live_id], ["no-such-room"]]);
  assert.deepEqual((await bob.rooms([made.live_id, "no-such-room"])).rooms, rooms);
  const refused = await bob.stopRoom(made.live_id).catch((error) => error);
  assert.ok(refused instanceof Problem);
  assert.deepEqual([refused.status, refused.code], [403, "not_room_anchor"]);
  assert.match(refused.requestId, /^\w+$/);
  await assert.rejects(alice.stopRoom(made.live_id), { status: 409, code: "room_not_live" });
  const odd = await alice.createRoom({ title: "" }).catch((error) => error);
  assert.deepEqual(odd.errors.map((each) => each.field), ["title"]);
  await alice.deleteRoom(made.live_id);
});

test("a create with one key makes one room", async () => {
  const [one, other] = await Promise.all([1, 2].map(() => alice.createRoom({ title: "k" }, { key: "k" })));
  assert.equal(one.live_id, other.live_id);
});

test("a watcher lives on while the gateway restarts", { timeout: 60_000 }, async () => {
  const port = await freePort();
  const first = await sandbox(port);
  const timing = { firstPause: 50, longestPause: 200 };
  const room = await new LiveRoomGateway({ baseUrl: first.baseUrl, token: () => first.alice })
    .createRoom({ title: "t" });
  let token = first.bob;
  const watcher = new LiveRoomGateway({ baseUrl: first.baseUrl, token: () => token, timing });
  const events = watcher.watchRoom(room.live_id);
  assert.equal((await events.next()).value.type, "room");
  await first.stop();
  const second = await sandbox(port); // knows neither the token nor the room
  token = second.bob;
  assert.deepEqual((await events.next()).value, { type: "deleted" });
  assert.equal((await events.next()).done, true);
  await second.stop();
});
