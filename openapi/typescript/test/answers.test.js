// What answers mean: problems of all kinds, and rooms that have not changed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "../dist/index.js";
import { against, json, problem, ROOM } from "./scripted.js";

const refused = (call) => call.then(() => assert.fail("it is no success"), (error) => error);

for (const [name, body, message] of [
  ["a page", "<html>Bad gateway</html>", "The gateway answered 502."],
  ["nothing", "", "The gateway answered 502."],
  ["null", "null", "The gateway answered 502."],
  ["other JSON", '{"detail":5,"code":{},"errors":"all"}', "The gateway answered 502."],
  ["JSON that breaks off", '{"detail":"', "The gateway answered 502."],
]) {
  test(`a problem whose body is ${name}`, () =>
    against(
      (_, response) => response.writeHead(502, { "X-Request-Id": "from-head" }).end(body),
      async (client) => {
        const told = await refused(client.room("1"));
        assert.ok(told instanceof Problem && told instanceof Error);
        const { status, code, requestId, retryAfter, errors, replayed } = told;
        assert.deepEqual(
          { message: told.message, status, code, requestId, retryAfter, errors, replayed },
          {
            message,
            status: 502,
            code: "unknown",
            requestId: "from-head",
            retryAfter: undefined,
            errors: [],
            replayed: false,
          },
        );
      },
    ));
}

test("a limit tells how long to wait", () =>
  against(
    (_, response) => problem(response, 429, "rate_limited", { "Retry-After": "7" }),
    async (client) => {
      for (const call of [client.room("1"), client.rooms(["1"]), client.stopRoom("1")]) {
        const told = await refused(call);
        assert.deepEqual([told.status, told.code, told.retryAfter], [429, "rate_limited", 7]);
      }
    },
  ));

test("a create is repeated where a proxy answers for the gateway", () =>
  against(
    (_, response, number) =>
      number < 3 ? response.writeHead(504).end("<html>") : json(response, ROOM),
    async (client, { requests }) => {
      assert.equal((await client.createRoom({ title: "t" })).live_id, "1");
      const keys = requests.map((each) => each.headers["idempotency-key"]);
      assert.deepEqual([keys.length, new Set(keys).size], [3, 1]);
    },
  ));

test("a create is repeated five times at most", () =>
  against(
    (_, response) => problem(response, 503, "upstream_unavailable"),
    async (client, { requests }) => {
      await assert.rejects(client.createRoom({ title: "t" }), { code: "upstream_unavailable" });
      assert.equal(requests.length, 5);
    },
  ));

test("what is remembered is not what the caller holds", () =>
  against(
    (request, response) => {
      if (!request.headers["if-none-match"]) return json(response, ROOM, { ETag: '"a"' });
      response.writeHead(304).end();
    },
    async (client) => {
      const first = await client.room("1");
      first.title = "mine";
      assert.equal((await client.room("1")).title, undefined);
    },
  ));

test("reads at the same time are told apart from what they were asked with", () => {
  let answers = [];
  return against(
    (request, response, number) => {
      if (number === 1) return json(response, ROOM, { ETag: '"a"' });
      answers.push(() =>
        number === 2 ? json(response, ROOM) : response.writeHead(304).end(),
      );
      if (number === 3) answers.forEach((answer, place) => setTimeout(answer, place * 100));
    },
    async (client) => {
      await client.room("1");
      const rooms = await Promise.all([client.room("1"), client.room("1")]); // the first has no ETag
      assert.deepEqual(rooms.map((each) => each.live_id), ["1", "1"]);
    },
  );
});

test("memory is bounded", () =>
  against(
    (request, response) => {
      const known = request.headers["if-none-match"] !== undefined;
      json(response, ROOM.replace('"1"', JSON.stringify(`${known}`)), { ETag: '"a"' });
    },
    async (client) => {
      for (let each = 0; each <= 500; each++) await client.room(`${each}`);
      assert.equal((await client.room("500")).live_id, "true");
      assert.equal((await client.room("0")).live_id, "false");
    },
  ));
