// Tokens that are refused, expire, or cannot be had.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveRoomGateway } from "../dist/index.js";
import { against, all, event, json, problem, ROOM, scripted, stream } from "./scripted.js";

test("calls that need another token at the same time share one", async () => {
  const server = await scripted((request, response) =>
    request.headers.authorization === "Bearer new"
      ? json(response, ROOM)
      : problem(response, 401, "token_expired"),
  );
  let refreshes = 0;
  const token = async (refresh) => {
    if (!refresh) return "old";
    refreshes++;
    await new Promise((resolve) => setTimeout(resolve, 300));
    return "new";
  };
  const client = new LiveRoomGateway({ baseUrl: server.baseUrl, token });
  const rooms = await Promise.all(["1", "2", "3"].map((each) => client.room(each)));
  assert.deepEqual(rooms.map((each) => each.live_id), ["1", "1", "1"]);
  assert.equal(refreshes, 1);
  await client.room("1");
  assert.equal(refreshes, 2, "each later one is new");
  await server.close();
});

test("a token that expires as soon as it comes is not asked for in a hurry", () =>
  against(
    (_, response) => (stream(response, event("expired")), response.end()),
    async (client, { requests }) => {
      await all(client.watchRoom("1", { signal: AbortSignal.timeout(1500) }));
      const streams = requests.filter((each) => each.url.endsWith("/events")).length;
      assert.ok(streams > 1 && streams < 30, `${streams} streams`);
    },
    { firstPause: 100, longestPause: 500 },
  ));

test("a watch with a cookie ends when another sign-in is needed", async () => {
  const server = await scripted((_, response, number) => {
    if (number > 1) return problem(response, 401, "token_expired");
    stream(response, event("room", ROOM, "a"), event("expired"));
    response.end();
  });
  const events = new LiveRoomGateway({ baseUrl: server.baseUrl }).watchRoom("1");
  assert.equal((await events.next()).value.type, "room");
  await assert.rejects(events.next(), { code: "token_expired" });
  assert.equal(server.requests.length, 2);
  await server.close();
});

test("a watch ends with the error of a sign-in that fails, but not with a lost connection", async () => {
  const server = await scripted((_, response) => problem(response, 401, "token_expired"));
  const gone = new Error("signed out");
  const errors = [new TypeError("fetch failed"), new TypeError("fetch failed"), gone];
  const token = () => {
    throw errors.length > 1 ? errors.shift() : gone;
  };
  const timing = { firstPause: 5, longestPause: 20 };
  const client = new LiveRoomGateway({ baseUrl: server.baseUrl, token, timing });
  await assert.rejects(all(client.watchRoom("1")), gone);
  assert.equal(errors.length, 1, "the others were waited out");
  await server.close();
});

test("a refresh that fails is tried anew by the next call", async () => {
  const server = await scripted((request, response) =>
    request.headers.authorization === "Bearer new"
      ? json(response, ROOM)
      : problem(response, 401, "token_expired"),
  );
  const fresh = [() => Promise.reject(new Error("no")), () => "new"];
  const token = (refresh) => (refresh ? fresh.shift()() : "old");
  const client = new LiveRoomGateway({ baseUrl: server.baseUrl, token });
  await assert.rejects(client.room("1"), { message: "no" });
  assert.equal((await client.room("1")).live_id, "1");
  await server.close();
});

for (const [status, code] of [[401, "token_invalid"], [403, "missing_scope"], [400, "invalid_request"]]) {
  test(`a watch ends with a problem: ${status} ${code}`, () =>
    against(
      (_, response) => problem(response, status, code),
      (client) => assert.rejects(all(client.watchRoom("1")), { status, code, requestId: "id-1" }),
    ));
}
