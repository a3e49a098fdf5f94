// A watch through outages, and what stops a call that waits.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LiveRoomGateway } from "../dist/index.js";
import { against, all, event, json, LIVE, problem, ROOM, scripted, stream } from "./scripted.js";

const isEvents = (request) => request.url.endsWith("/events");

// They wait more than they do.
describe("outages", { concurrency: true }, () => {
  for (const [name, answer] of Object.entries({
    "one stream too many": (response) => problem(response, 429, "rate_limited"),
    "no place for streams": (response) => problem(response, 503, "overloaded"),
    "a proxy that has lost the gateway": (response) => response.writeHead(502).end("<html>"),
    "a proxy that keeps all to itself": (response) => stream(response),
    "a page in place of a stream": (response) => response.writeHead(200).end("<html>"),
    "a stream that ends at once": (response) => (stream(response), response.end()),
  })) {
    it(`the room is read meanwhile: ${name}`, () => {
      let reads = 0;
      return against(
        (request, response) => {
          if (isEvents(request)) return answer(response);
          reads++;
          if (reads === 3) return problem(response, 404, "room_not_found");
          json(response, reads === 1 ? ROOM : LIVE, { "Cache-Control": "private, max-age=1" });
        },
        async (client) => {
          const seen = await all(client.watchRoom("1"));
          assert.deepEqual(seen.map((each) => each.room?.live_status ?? each.type), [0, 1, "deleted"]);
        },
        { silence: 1000 },
      );
    });
  }

  it("reads are as far apart as max-age says", () => {
    const times = [];
    return against(
      (request, response) => {
        if (isEvents(request)) return problem(response, 404, "not_found");
        times.push(performance.now());
        if (times.length === 3) return problem(response, 404, "room_not_found");
        json(response, ROOM, { "Cache-Control": "private, max-age=1" });
      },
      async (client) => {
        await all(client.watchRoom("1"));
        assert.ok(times[1] - times[0] > 990 && times[2] - times[1] > 990, `${times}`);
      },
    );
  });

  it("a stream is asked for again after reads, and tells the whole room", () => {
    let reads = 0;
    return against(
      (request, response, number) => {
        if (!isEvents(request)) {
          reads++;
          return json(response, LIVE, { "Cache-Control": "private, max-age=60" });
        }
        if (number === 1) stream(response, event("room", ROOM, "a"));
        if (number === 1 || reads === 0) return response.end();
        assert.equal(request.headers["last-event-id"], undefined, "the room that was read has no id");
        stream(response, event("room", ROOM, "b"), event("deleted"));
        response.end();
      },
      async (client) => {
        const seen = await all(client.watchRoom("1"));
        assert.deepEqual(seen.map((each) => each.room?.live_status), [0, 1, 0, undefined]);
      },
    );
  });

  for (const [name, answer] of Object.entries({
    "an outage": (response) => response.destroy(),
    "a stream that ends at once and says so": (response) =>
      (stream(response, "retry: 0"), response.end()),
    "an answer that nobody understands": (response) => json(response, "<html>"),
  })) {
    it(`${name} is no reason to hurry`, () =>
      against(
        (_, response) => answer(response),
        async (client, { requests }) => {
          await all(client.watchRoom("1", { signal: AbortSignal.timeout(2000) }));
          assert.ok(requests.length > 1 && requests.length < 40, `${requests.length} requests`);
        },
        { firstPause: 100, longestPause: 1000 },
      ));
  }

  it("a gateway that asks for patience gets it", () => {
    const times = [];
    return against(
      (_, response) => {
        times.push(performance.now());
        if (times.length < 3) {
          const status = times.length === 1 ? 429 : 503;
          return problem(response, status, "overloaded", { "Retry-After": "1" });
        }
        stream(response, event("deleted"));
        response.end();
      },
      async (client) => {
        await all(client.watchRoom("1"));
        assert.ok(times[1] - times[0] > 990 && times[2] - times[1] > 990, `${times}`);
      },
    );
  });

  it("a create waits as long as it is told to", () => {
    const times = [];
    return against(
      (_, response) => {
        times.push(performance.now());
        if (times.length > 1) return json(response, ROOM);
        problem(response, 429, "rate_limited", { "Retry-After": "1" });
      },
      async (client) => {
        await client.createRoom({ title: "t" });
        assert.ok(times[1] - times[0] > 990, `${times}`);
      },
    );
  });

  it("a read that hangs is given up, and the room read again", () => {
    let reads = 0;
    return against(
      (request, response) => {
        if (isEvents(request)) return problem(response, 404, "not_found");
        reads++;
        if (reads > 1) problem(response, 404, "room_not_found"); // the first hangs
      },
      async (client) => {
        assert.deepEqual(await all(client.watchRoom("1")), [{ type: "deleted" }]);
        assert.ok(reads > 1);
      },
      { silence: 500 },
    );
  });

  const never = () => new Promise(() => {});

  for (const [name, { script = never, ...options }] of Object.entries({
    "an answer": {},
    "a token": { token: never },
    "a pause": { script: (_, response) => problem(response, 503, "overloaded", { "Retry-After": "60" }) },
  })) {
    it(`a signal stops what waits for ${name}`, { timeout: 10_000 }, async () => {
      const server = await scripted(script);
      const client = new LiveRoomGateway({ baseUrl: server.baseUrl, token: () => "t", ...options });
      const reason = new Error("enough");
      const calls = {
        createRoom: (given) => client.createRoom({ title: "t" }, given),
        ...(name !== "a pause" && {
          room: (given) => client.room("1", given),
          rooms: (given) => client.rooms(["1"], given),
          stopRoom: (given) => client.stopRoom("1", given),
          deleteRoom: (given) => client.deleteRoom("1", given),
        }),
      };
      const controller = new AbortController();
      const started = Object.values(calls).map((call) => call({ signal: controller.signal }));
      const watched = all(client.watchRoom("1", { signal: controller.signal }));
      setTimeout(() => controller.abort(reason), 200);
      for (const each of started) await assert.rejects(each, reason);
      assert.deepEqual(await watched, []);
      for (const call of Object.values(calls)) {
        await assert.rejects(call({ signal: controller.signal }), reason, "aborted before");
      }
      assert.deepEqual(await all(client.watchRoom("1", { signal: controller.signal })), []);
      await server.close();
    });
  }
});
