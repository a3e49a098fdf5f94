// The same gateway as a good Node team would write it: Fastify, @fastify/jwt with its cache, an LRU
// that holds the encoded room, undici towards the upstream. BFF_CACHE=off makes every read a miss;
// BFF_LIMITER, BFF_METRICS and BFF_LOG switch what the gateway has switched, so that both do the same work.
// BFF_TUNED=on is what profiling brings: the token is its own cache key instead of its hash, hooks are
// callbacks instead of promises, and the series of a histogram is looked up once.
//
// It lacks stale rooms, single flight, the anchor's shape, the repair of fields, a breaker, retries, a
// bound on requests in flight, CORS, cookies and traces.
"use strict";

const { createHash, createHmac, randomBytes } = require("node:crypto");
const fastify = require("fastify");
const { LRUCache } = require("lru-cache");
const prometheus = require("prom-client");
const { Pool } = require("undici");

const env = process.env;
const on = (name) => env[name] !== "off";
const tuned = env.BFF_TUNED === "on";
const TTL = 2000;
const VIEWER = [
  "live_id", "title", "notice", "cover_url", "extends", "anchor_info", "anchor_status", "pk_id",
  "online_count", "start_time", "end_time", "chat_id", "hls_url", "rtmp_url", "flv_url", "pv", "uv",
  "live_status",
];

const upstream = new URL(env.BFF_UPSTREAM);
const pool = new Pool(upstream.origin, { connections: 100 });
const rooms = new LRUCache({ max: 10000, ttl: TTL });
const prefix = randomBytes(4).toString("hex");
let count = 0;

const app = fastify({
  logger: on("BFF_LOG"),
  genReqId: (raw) => raw.headers["x-request-id"] ?? `${prefix}${(count++).toString(16)}`,
});

async function read(id, requestId) {
  const path = `/server/live/${id}`;
  const sign = createHmac("sha1", env.BFF_SECRET_KEY)
    .update(`GET ${path}\nHost: ${upstream.host}\n\n`)
    .digest("base64")
    .replaceAll("+", "-")
    .replaceAll("/", "_");
  const { statusCode, body } = await pool.request({
    method: "GET",
    path,
    headers: { authorization: `Qiniu ${env.BFF_ACCESS_KEY}:${sign}`, "x-reqid": requestId },
    headersTimeout: 3000,
    bodyTimeout: 3000,
  });
  const { code, data } = await body.json();
  if (statusCode !== 200 || (code !== 0 && code !== 200)) throw app.httpError(502);
  const body_ = JSON.stringify(Object.fromEntries(VIEWER.map((name) => [name, data[name]])));
  const etag = `"${createHash("sha1").update(body_).digest("hex")}"`;
  return { anchor: data.anchor_info.user_id, body: body_, etag, until: Date.now() + TTL };
}

async function main() {
  await app.register(require("@fastify/jwt"), {
    secret: env.BFF_JWT_SECRET,
    verify: {
      algorithms: ["HS256"],
      cache: 10000,
      ...(tuned ? { cacheKeyBuilder: (token) => token } : {}),
    },
  });
  if (on("BFF_LIMITER")) {
    await app.register(require("@fastify/rate-limit"), {
      max: 1e9,
      timeWindow: "1 minute",
      hook: "preHandler",
      enableDraftSpec: true,
      keyGenerator: (request) => request.user.sub,
    });
  }
  if (on("BFF_METRICS")) {
    const seconds = new prometheus.Histogram({
      name: "http_request_duration_seconds",
      help: "Time to answer.",
      labelNames: ["method", "route", "status"],
    });
    const series = new Map();
    const seriesOf = (request, reply) => {
      const labels = [request.method, request.routeOptions.url, reply.statusCode];
      if (!tuned) return seconds.labels(...labels);
      const name = labels.join(" ");
      if (!series.has(name)) series.set(name, seconds.labels(...labels));
      return series.get(name);
    };
    const observe = (request, reply) => seriesOf(request, reply).observe(reply.elapsedTime / 1000);
    app.addHook(
      "onResponse",
      tuned
        ? (request, reply, done) => {
            observe(request, reply);
            done();
          }
        : async (request, reply) => observe(request, reply),
    );
  }
  const name = (request, reply) =>
    reply.header("x-request-id", request.id).header("x-content-type-options", "nosniff");
  app.addHook(
    "onRequest",
    tuned
      ? (request, reply, done) => {
          name(request, reply);
          request.jwtVerify(undefined, (error) => done(error)); // no options: the verifier with the cache
        }
      : async (request, reply) => {
          name(request, reply);
          await request.jwtVerify();
        },
  );
  app.get("/v1/rooms/:id", async (request, reply) => {
    const { id } = request.params;
    let room = on("BFF_CACHE") ? rooms.get(id) : undefined;
    const hit = room !== undefined;
    if (!hit) {
      room = await read(id, request.id);
      if (on("BFF_CACHE")) rooms.set(id, room);
    }
    const fresh = Math.max(1, Math.ceil((room.until - Date.now()) / 1000));
    reply
      .header("cache-control", `private, max-age=${fresh}`)
      .header("vary", "Authorization")
      .header("etag", room.etag)
      .header("cache-status", hit ? "gateway; hit" : "gateway; fwd=miss");
    if (request.headers["if-none-match"] === room.etag) return reply.code(304).send();
    return reply.type("application/json").send(room.body);
  });
  await app.listen({ host: "127.0.0.1", port: Number(env.BFF_PORT) });
}

main();
