// What goes wrong between a client and its gateway, from servers that misbehave.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveRoomGateway } from "../dist/index.js";
import { against, all, event, json, LIVE, problem, ROOM, scripted, stream } from "./scripted.js";

test("large ids are exact, and nothing else changes", () =>
  against(
    (_, response) => json(response, ROOM.replace('"1"', '"say \\"chat_id\\":1"')),
    async (client) => {
      const room = await client.room("1");
      assert.equal(room.chat_id, "9007199254740993");
      assert.equal(room.anchor_info.im_userid, "7");
      assert.equal(room.live_id, 'say "chat_id":1');
      assert.equal(room.end_time, 5);
    },
  ));

test("an unchanged room comes from memory", () =>
  against(
    (request, response) => {
      if (request.headers["if-none-match"] !== '"a"') return json(response, ROOM, { ETag: '"a"' });
      response.writeHead(304).end();
    },
    async (client, server) => {
      const first = await client.room("1");
      assert.deepEqual(await client.room("1"), first);
      assert.equal(server.requests[1].headers["if-none-match"], '"a"');
    },
  ));

test("a refused token is refreshed once", () =>
  against(
    (request, response) =>
      request.headers.authorization === "Bearer token-2"
        ? json(response, ROOM)
        : problem(response, 401, "token_expired"),
    async (client, _, tokens) => {
      assert.equal((await client.room("1")).live_id, "1");
      assert.deepEqual(tokens, [false, true]);
      await assert.rejects(client.room("1"), { code: "token_expired", status: 401 });
    },
  ));

test("a create is repeated with its key until it is answered", () =>
  against(
    (request, response, number) => {
      if (number === 1) return response.destroy();
      if (number === 2) return problem(response, 409, "idempotency_in_progress");
      if (number === 3) return problem(response, 504, "outcome_unknown");
      json(response, ROOM);
    },
    async (client, server) => {
      assert.equal((await client.createRoom({ title: "t" })).live_id, "1");
      const keys = server.requests.map((each) => each.headers["idempotency-key"]);
      assert.equal(keys.length, 4);
      assert.equal(new Set(keys).size, 1);
      assert.equal(new Set(server.requests.map((each) => each.body)).size, 1);
    },
  ));

test("a final outcome is not asked for again", () =>
  against(
    (_, response) => problem(response, 502, "upstream_error", { "Idempotency-Replayed": "true" }),
    async (client, server) => {
      const told = await client.createRoom({ title: "t" }, { key: "k" }).catch((error) => error);
      assert.deepEqual([told.code, told.replayed], ["upstream_error", true]);
      assert.equal(server.requests.length, 1);
    },
  ));

test("a stream that breaks off is resumed, and nothing comes twice", () =>
  against(
    (request, response, number) => {
      if (number === 1) {
        stream(response, event("room", ROOM, "a"), event("change", '{"end_time":null}', "b"));
        return setTimeout(() => response.destroy(), 20);
      }
      assert.equal(request.headers["last-event-id"], "b");
      if (number === 2) return problem(response, 503, "overloaded");
      stream(response, "retry: 10", event("change", '{"live_status":1}', "c"), event("deleted"));
      response.end();
    },
    async (client) => {
      const seen = await all(client.watchRoom("1"));
      assert.deepEqual(
        seen.map((each) => each.room && [each.room.live_status, each.room.end_time]),
        [[0, 5], [0, null], [1, null], undefined],
      );
      assert.equal(seen[2].room.chat_id, "9007199254740993");
    },
  ));

test("a silent stream counts as dead", () =>
  against(
    (_, response, number) => {
      stream(response, "retry: 10", event("room", ROOM, "a"));
      if (number > 1) stream(response, event("deleted"));
    },
    async (client, server) => {
      assert.equal((await all(client.watchRoom("1"))).at(-1).type, "deleted");
      assert.ok(server.requests.length > 1);
    },
    { silence: 500 },
  ));

test("an expired token is replaced, and the stream goes on", () =>
  against(
    (_, response, number) => {
      if (number === 3) return problem(response, 401, "token_expired");
      stream(response, "retry: 10", event(number < 4 ? "room" : "deleted", ROOM, "a"));
      if (number === 1) stream(response, event("expired"));
      response.end();
    },
    async (client, _, tokens) => {
      const seen = await all(client.watchRoom("1"));
      assert.deepEqual(seen.map((each) => each.type), ["room", "deleted"]);
      assert.deepEqual(tokens, [false, true, false, true]);
    },
  ));

test("without streams it polls, and tells changes alone", () => {
  let polls = 0;
  return against(
    (request, response) => {
      if (request.url.endsWith("/events")) return problem(response, 404, "not_found");
      polls++;
      if (polls === 4) return problem(response, 404, "room_not_found");
      json(response, polls < 3 ? ROOM : LIVE, { "Cache-Control": "private, max-age=1" });
    },
    async (client) => {
      const seen = await all(client.watchRoom("1"));
      assert.deepEqual(seen.map((each) => each.room?.live_status ?? each.type), [0, 1, "deleted"]);
    },
  );
});

test("an aborted watch ends, and an aborted call rejects", () =>
  against(
    (request, response) => {
      if (request.url.endsWith("/events")) stream(response, event("room", ROOM, "a"));
    },
    async (client) => {
      const controller = new AbortController();
      const seen = [];
      for await (const each of client.watchRoom("1", { signal: controller.signal })) {
        seen.push(each.type);
        controller.abort();
      }
      assert.deepEqual(seen, ["room"]);
      await assert.rejects(client.room("1", { signal: controller.signal }), { name: "AbortError" });
      await assert.rejects(client.createRoom({ title: "t" }, { signal: controller.signal }), {
        name: "AbortError",
      });
    },
  ));

test("what cannot be watched is a problem", () =>
  against(
    (_, response) => problem(response, 401, "token_invalid"),
    async (client) => {
      await assert.rejects(all(client.watchRoom("1")), { code: "token_invalid" });
    },
  ));

test("with a cookie, writes prove that they are meant", async () => {
  const server = await scripted((_, response) => response.writeHead(204).end());
  const client = new LiveRoomGateway({ baseUrl: server.baseUrl });
  await client.stopRoom("1");
  await client.deleteRoom("1");
  await server.close();
  assert.deepEqual(server.requests.map((each) => each.headers["x-gateway-csrf"]), ["1", "1"]);
  assert.equal(server.requests[0].headers.authorization, undefined);
});
