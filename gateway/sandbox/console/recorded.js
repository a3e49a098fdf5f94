// What was asked and answered, for the page to show: the client itself gives only rooms and problems.

/** Return a `fetch` that tells `told` of each request, when it is sent and when its head is there. */
export function recording(told) {
  return async (input, init) => {
    const request = new Request(input, init);
    const exchange = {
      method: request.method,
      url: request.url,
      headers: [...request.headers],
      body: await request.clone().text(),
    };
    told(exchange);
    const started = performance.now();
    const response = await fetch(request);
    told({
      ...exchange,
      status: response.status,
      cache: response.headers.get("Cache-Status"),
      requestId: response.headers.get("X-Request-Id"),
      milliseconds: Math.round(performance.now() - started),
    });
    return response;
  };
}

/** Return whether a request opens a stream of events. */
export const isStream = ({ url }) => url.endsWith("/events");

/** Return whether a request only keeps a room living, as the client does by itself. */
export const isHeartbeat = ({ url }) => url.endsWith("/heartbeat");

const NAMES = {
  "content-type": "Content-Type",
  "idempotency-key": "Idempotency-Key",
  "if-none-match": "If-None-Match",
};

/** Return the curl command of a request, with the token as a variable or as it is. */
export function curl({ method, url, headers, body }, authorization) {
  const flags = isStream({ url }) ? "-iN" : "-i";
  const parts = [`curl ${flags}${method === "GET" || body ? "" : ` -X ${method}`}`, url];
  parts.push(`-H "Authorization: Bearer ${authorization}"`);
  for (const [name, value] of headers)
    if (name in NAMES) parts.push(`-H ${quoted(`${NAMES[name]}: ${value}`)}`);
  if (body) parts.push(`-d ${quoted(body)}`);
  return parts.join(" \\\n  ");
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
