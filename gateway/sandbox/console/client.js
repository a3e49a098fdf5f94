// src/exact.ts
var TOKEN = /("(?:chat_id|im_userid)"\s*:\s*)(-?\d+)(?![\d.eE])|"(?:[^"\\]|\\.)*"/g;
function parseExact(text2) {
  return JSON.parse(
    text2.replace(TOKEN, (all, key, digits) => key ? `${key}"${digits}"` : all)
  );
}

// src/problem.ts
var Problem = class extends Error {
  name = "Problem";
  status;
  /** `unknown` if the answer is not the gateway's, as a proxy's page. */
  code;
  requestId;
  /** Seconds to wait before the next try, if the gateway says so. */
  retryAfter;
  /** Each field that is wrong; only of a 400. */
  errors;
  /** True for the outcome of an earlier request with the same `Idempotency-Key`. */
  replayed;
  constructor(response, body) {
    const told = { ...typeof body === "object" ? body : {} };
    super(text(told["detail"]) ?? `The gateway answered ${response.status}.`);
    this.status = response.status;
    this.code = text(told["code"]) ?? "unknown";
    this.requestId = text(told["request_id"]) ?? response.headers.get("X-Request-Id") ?? "";
    const seconds = Number(response.headers.get("Retry-After"));
    this.retryAfter = seconds > 0 ? seconds : void 0;
    this.errors = Array.isArray(told["errors"]) ? told["errors"] : [];
    this.replayed = response.headers.get("Idempotency-Replayed") === "true";
  }
};
function text(value) {
  return typeof value === "string" ? value : void 0;
}

// src/timing.ts
var TIMING = { firstPause: 500, longestPause: 3e4, silence: 25e3 };
var LONGEST_TIMER = 2 ** 31 - 1;
function pauseBefore(repeat, timing) {
  return Math.random() * Math.min(timing.longestPause, timing.firstPause * 2 ** repeat);
}
function sleep(milliseconds, signal) {
  let timer;
  const waited = new Promise((resolve) => {
    timer = setTimeout(resolve, Math.min(milliseconds, LONGEST_TIMER));
  });
  return unlessAborted(waited, signal).finally(() => clearTimeout(timer));
}
async function unlessAborted(promise, signal) {
  if (!signal) return promise;
  let abort = () => {
  };
  const aborted = new Promise((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

// src/create.ts
var TRIES = 5;
var AGAIN = /* @__PURE__ */ new Set(["idempotency_in_progress", "outcome_unknown", "rate_limited"]);
async function createRoom(http, room, { key = newKey(), signal }) {
  for (let tried = 1; ; tried++) {
    try {
      const { text: text2 } = await http.write(
        (headers) => http.api.POST("/v1/rooms", {
          body: room,
          params: { header: { "Idempotency-Key": key } },
          headers,
          parseAs: "text",
          signal: signal ?? null
        }),
        { signal }
      );
      return parseExact(text2);
    } catch (error) {
      signal?.throwIfAborted();
      if (tried === TRIES || !mayHelp(error)) throw error;
      const told = error instanceof Problem ? (error.retryAfter ?? 0) * 1e3 : 0;
      await sleep(told + pauseBefore(tried, http.timing), signal);
    }
  }
}
function mayHelp(error) {
  if (!(error instanceof Problem)) return error instanceof TypeError;
  if (error.code === "outcome_unknown") return true;
  if (error.code === "unknown" && error.status >= 500) return true;
  return !error.replayed && (AGAIN.has(error.code) || error.status === 503);
}
function newKey() {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  return Array.from(
    crypto.getRandomValues(new Uint8Array(16)),
    (byte) => byte.toString(16).padStart(2, "0")
  ).join("");
}

// node_modules/openapi-fetch/dist/index.mjs
var PATH_PARAM_RE = /\{[^{}]+\}/g;
var supportsRequestInitExt = () => {
  return typeof process === "object" && Number.parseInt(process?.versions?.node?.substring(0, 2)) >= 18 && process.versions.undici;
};
function randomID() {
  return Math.random().toString(36).slice(2, 11);
}
function createClient(clientOptions) {
  let {
    baseUrl = "",
    Request: CustomRequest = globalThis.Request,
    fetch: baseFetch = globalThis.fetch,
    querySerializer: globalQuerySerializer,
    bodySerializer: globalBodySerializer,
    pathSerializer: globalPathSerializer,
    headers: baseHeaders,
    requestInitExt = void 0,
    ...baseOptions
  } = { ...clientOptions };
  requestInitExt = supportsRequestInitExt() ? requestInitExt : void 0;
  baseUrl = removeTrailingSlash(baseUrl);
  const globalMiddlewares = [];
  async function coreFetch(schemaPath, fetchOptions) {
    const {
      baseUrl: localBaseUrl,
      fetch = baseFetch,
      Request = CustomRequest,
      headers,
      params = {},
      parseAs = "json",
      querySerializer: requestQuerySerializer,
      bodySerializer = globalBodySerializer ?? defaultBodySerializer,
      pathSerializer: requestPathSerializer,
      body,
      middleware: requestMiddlewares = [],
      ...init
    } = fetchOptions || {};
    let finalBaseUrl = baseUrl;
    if (localBaseUrl) {
      finalBaseUrl = removeTrailingSlash(localBaseUrl) ?? baseUrl;
    }
    let querySerializer = typeof globalQuerySerializer === "function" ? globalQuerySerializer : createQuerySerializer(globalQuerySerializer);
    if (requestQuerySerializer) {
      querySerializer = typeof requestQuerySerializer === "function" ? requestQuerySerializer : createQuerySerializer({
        ...typeof globalQuerySerializer === "object" ? globalQuerySerializer : {},
        ...requestQuerySerializer
      });
    }
    const pathSerializer = requestPathSerializer || globalPathSerializer || defaultPathSerializer;
    const serializedBody = body === void 0 ? void 0 : bodySerializer(
      body,
      // Note: we declare mergeHeaders() both here and below because it’s a bit of a chicken-or-egg situation:
      // bodySerializer() needs all headers so we aren’t dropping ones set by the user, however,
      // the result of this ALSO sets the lowest-priority content-type header. So we re-merge below,
      // setting the content-type at the very beginning to be overwritten.
      // Lastly, based on the way headers work, it’s not a simple “present-or-not” check becauase null intentionally un-sets headers.
      mergeHeaders(baseHeaders, headers, params.header)
    );
    const finalHeaders = mergeHeaders(
      // with no body, we should not to set Content-Type
      serializedBody === void 0 || // if serialized body is FormData; browser will correctly set Content-Type & boundary expression
      serializedBody instanceof FormData ? {} : {
        "Content-Type": "application/json"
      },
      baseHeaders,
      headers,
      params.header
    );
    const finalMiddlewares = [...globalMiddlewares, ...requestMiddlewares];
    const requestInit = {
      redirect: "follow",
      ...baseOptions,
      ...init,
      body: serializedBody,
      headers: finalHeaders
    };
    let id;
    let options;
    let request = new Request(
      createFinalURL(schemaPath, { baseUrl: finalBaseUrl, params, querySerializer, pathSerializer }),
      requestInit
    );
    let response;
    for (const key in init) {
      if (!(key in request)) {
        request[key] = init[key];
      }
    }
    if (finalMiddlewares.length) {
      id = randomID();
      options = Object.freeze({
        baseUrl: finalBaseUrl,
        fetch,
        parseAs,
        querySerializer,
        bodySerializer,
        pathSerializer
      });
      for (const m of finalMiddlewares) {
        if (m && typeof m === "object" && typeof m.onRequest === "function") {
          const result = await m.onRequest({
            request,
            schemaPath,
            params,
            options,
            id
          });
          if (result) {
            if (result instanceof Request) {
              request = result;
            } else if (result instanceof Response) {
              response = result;
              break;
            } else {
              throw new Error("onRequest: must return new Request() or Response() when modifying the request");
            }
          }
        }
      }
    }
    if (!response) {
      try {
        response = await fetch(request, requestInitExt);
      } catch (error2) {
        let errorAfterMiddleware = error2;
        if (finalMiddlewares.length) {
          for (let i = finalMiddlewares.length - 1; i >= 0; i--) {
            const m = finalMiddlewares[i];
            if (m && typeof m === "object" && typeof m.onError === "function") {
              const result = await m.onError({
                request,
                error: errorAfterMiddleware,
                schemaPath,
                params,
                options,
                id
              });
              if (result) {
                if (result instanceof Response) {
                  errorAfterMiddleware = void 0;
                  response = result;
                  break;
                }
                if (result instanceof Error) {
                  errorAfterMiddleware = result;
                  continue;
                }
                throw new Error("onError: must return new Response() or instance of Error");
              }
            }
          }
        }
        if (errorAfterMiddleware) {
          throw errorAfterMiddleware;
        }
      }
      if (finalMiddlewares.length) {
        for (let i = finalMiddlewares.length - 1; i >= 0; i--) {
          const m = finalMiddlewares[i];
          if (m && typeof m === "object" && typeof m.onResponse === "function") {
            const result = await m.onResponse({
              request,
              response,
              schemaPath,
              params,
              options,
              id
            });
            if (result) {
              if (!(result instanceof Response)) {
                throw new Error("onResponse: must return new Response() when modifying the response");
              }
              response = result;
            }
          }
        }
      }
    }
    const contentLength = response.headers.get("Content-Length");
    if (response.status === 204 || request.method === "HEAD" || contentLength === "0" && !response.headers.get("Transfer-Encoding")?.includes("chunked")) {
      return response.ok ? { data: void 0, response } : { error: void 0, response };
    }
    if (response.ok) {
      const getResponseData = async () => {
        if (parseAs === "stream") {
          return response.body;
        }
        if (parseAs === "json" && !contentLength) {
          const raw = await response.text();
          return raw ? JSON.parse(raw) : void 0;
        }
        return await response[parseAs]();
      };
      return { data: await getResponseData(), response };
    }
    let error = await response.text();
    try {
      error = JSON.parse(error);
    } catch {
    }
    return { error, response };
  }
  return {
    request(method, url, init) {
      return coreFetch(url, { ...init, method: method.toUpperCase() });
    },
    /** Call a GET endpoint */
    GET(url, init) {
      return coreFetch(url, { ...init, method: "GET" });
    },
    /** Call a PUT endpoint */
    PUT(url, init) {
      return coreFetch(url, { ...init, method: "PUT" });
    },
    /** Call a POST endpoint */
    POST(url, init) {
      return coreFetch(url, { ...init, method: "POST" });
    },
    /** Call a DELETE endpoint */
    DELETE(url, init) {
      return coreFetch(url, { ...init, method: "DELETE" });
    },
    /** Call a OPTIONS endpoint */
    OPTIONS(url, init) {
      return coreFetch(url, { ...init, method: "OPTIONS" });
    },
    /** Call a HEAD endpoint */
    HEAD(url, init) {
      return coreFetch(url, { ...init, method: "HEAD" });
    },
    /** Call a PATCH endpoint */
    PATCH(url, init) {
      return coreFetch(url, { ...init, method: "PATCH" });
    },
    /** Call a TRACE endpoint */
    TRACE(url, init) {
      return coreFetch(url, { ...init, method: "TRACE" });
    },
    /** Register middleware */
    use(...middleware) {
      for (const m of middleware) {
        if (!m) {
          continue;
        }
        if (typeof m !== "object" || !("onRequest" in m || "onResponse" in m || "onError" in m)) {
          throw new Error("Middleware must be an object with one of `onRequest()`, `onResponse() or `onError()`");
        }
        globalMiddlewares.push(m);
      }
    },
    /** Unregister middleware */
    eject(...middleware) {
      for (const m of middleware) {
        const i = globalMiddlewares.indexOf(m);
        if (i !== -1) {
          globalMiddlewares.splice(i, 1);
        }
      }
    }
  };
}
function serializePrimitiveParam(name, value, options) {
  if (value === void 0 || value === null) {
    return "";
  }
  if (typeof value === "object") {
    throw new Error(
      "Deeply-nested arrays/objects aren’t supported. Provide your own `querySerializer()` to handle these."
    );
  }
  return `${name}=${options?.allowReserved === true ? value : encodeURIComponent(value)}`;
}
function serializeObjectParam(name, value, options) {
  if (!value || typeof value !== "object") {
    return "";
  }
  const values = [];
  const joiner = {
    simple: ",",
    label: ".",
    matrix: ";"
  }[options.style] || "&";
  if (options.style !== "deepObject" && options.explode === false) {
    for (const k in value) {
      values.push(k, options.allowReserved === true ? value[k] : encodeURIComponent(value[k]));
    }
    const final2 = values.join(",");
    switch (options.style) {
      case "form": {
        return `${name}=${final2}`;
      }
      case "label": {
        return `.${final2}`;
      }
      case "matrix": {
        return `;${name}=${final2}`;
      }
      default: {
        return final2;
      }
    }
  }
  for (const k in value) {
    const finalName = options.style === "deepObject" ? `${name}[${k}]` : k;
    values.push(serializePrimitiveParam(finalName, value[k], options));
  }
  const final = values.join(joiner);
  return options.style === "label" || options.style === "matrix" ? `${joiner}${final}` : final;
}
function serializeArrayParam(name, value, options) {
  if (!Array.isArray(value)) {
    return "";
  }
  if (options.explode === false) {
    const joiner2 = { form: ",", spaceDelimited: "%20", pipeDelimited: "|" }[options.style] || ",";
    const final = (options.allowReserved === true ? value : value.map((v) => encodeURIComponent(v))).join(joiner2);
    switch (options.style) {
      case "simple": {
        return final;
      }
      case "label": {
        return `.${final}`;
      }
      case "matrix": {
        return `;${name}=${final}`;
      }
      // case "spaceDelimited":
      // case "pipeDelimited":
      default: {
        return `${name}=${final}`;
      }
    }
  }
  const joiner = { simple: ",", label: ".", matrix: ";" }[options.style] || "&";
  const values = [];
  for (const v of value) {
    if (options.style === "simple" || options.style === "label") {
      values.push(options.allowReserved === true ? v : encodeURIComponent(v));
    } else {
      values.push(serializePrimitiveParam(name, v, options));
    }
  }
  return options.style === "label" || options.style === "matrix" ? `${joiner}${values.join(joiner)}` : values.join(joiner);
}
function createQuerySerializer(options) {
  return function querySerializer(queryParams) {
    const search = [];
    if (queryParams && typeof queryParams === "object") {
      for (const name in queryParams) {
        const value = queryParams[name];
        if (value === void 0 || value === null) {
          continue;
        }
        if (Array.isArray(value)) {
          if (value.length === 0) {
            continue;
          }
          search.push(
            serializeArrayParam(name, value, {
              style: "form",
              explode: true,
              ...options?.array,
              allowReserved: options?.allowReserved || false
            })
          );
          continue;
        }
        if (typeof value === "object") {
          search.push(
            serializeObjectParam(name, value, {
              style: "deepObject",
              explode: true,
              ...options?.object,
              allowReserved: options?.allowReserved || false
            })
          );
          continue;
        }
        search.push(serializePrimitiveParam(name, value, options));
      }
    }
    return search.join("&");
  };
}
function defaultPathSerializer(pathname, pathParams) {
  let nextURL = pathname;
  for (const match of pathname.match(PATH_PARAM_RE) ?? []) {
    let name = match.substring(1, match.length - 1);
    let explode = false;
    let style = "simple";
    if (name.endsWith("*")) {
      explode = true;
      name = name.substring(0, name.length - 1);
    }
    if (name.startsWith(".")) {
      style = "label";
      name = name.substring(1);
    } else if (name.startsWith(";")) {
      style = "matrix";
      name = name.substring(1);
    }
    if (!pathParams || pathParams[name] === void 0 || pathParams[name] === null) {
      continue;
    }
    const value = pathParams[name];
    if (Array.isArray(value)) {
      nextURL = nextURL.replace(match, serializeArrayParam(name, value, { style, explode }));
      continue;
    }
    if (typeof value === "object") {
      nextURL = nextURL.replace(match, serializeObjectParam(name, value, { style, explode }));
      continue;
    }
    if (style === "matrix") {
      nextURL = nextURL.replace(match, `;${serializePrimitiveParam(name, value)}`);
      continue;
    }
    nextURL = nextURL.replace(match, style === "label" ? `.${encodeURIComponent(value)}` : encodeURIComponent(value));
  }
  return nextURL;
}
function defaultBodySerializer(body, headers) {
  if (body instanceof FormData) {
    return body;
  }
  if (headers) {
    const contentType = headers.get instanceof Function ? headers.get("Content-Type") ?? headers.get("content-type") : headers["Content-Type"] ?? headers["content-type"];
    if (contentType === "application/x-www-form-urlencoded") {
      return new URLSearchParams(body).toString();
    }
  }
  return JSON.stringify(body);
}
function createFinalURL(pathname, options) {
  let finalURL = `${options.baseUrl}${pathname}`;
  if (options.params?.path) {
    finalURL = options.pathSerializer(finalURL, options.params.path);
  }
  let search = options.querySerializer(options.params.query ?? {});
  if (search.startsWith("?")) {
    search = search.substring(1);
  }
  if (search) {
    finalURL += `?${search}`;
  }
  return finalURL;
}
function mergeHeaders(...allHeaders) {
  const finalHeaders = new Headers();
  for (const h of allHeaders) {
    if (!h || typeof h !== "object") {
      continue;
    }
    const iterator = h instanceof Headers ? h.entries() : Object.entries(h);
    for (const [k, v] of iterator) {
      if (v === null) {
        finalHeaders.delete(k);
      } else if (Array.isArray(v)) {
        for (const v2 of v) {
          finalHeaders.append(k, v2);
        }
      } else if (v !== void 0) {
        finalHeaders.set(k, v);
      }
    }
  }
  return finalHeaders;
}
function removeTrailingSlash(url) {
  if (url.endsWith("/")) {
    return url.substring(0, url.length - 1);
  }
  return url;
}

// src/http.ts
var Http = class {
  api;
  baseUrl;
  fetch;
  timing;
  credentials;
  #token;
  #refreshing;
  constructor(options) {
    this.baseUrl = options.baseUrl.replace(/\/+$/, "");
    this.fetch = options.fetch ?? ((...given) => globalThis.fetch(...given));
    this.timing = { ...TIMING, ...options.timing };
    this.#token = options.token;
    this.credentials = options.token ? "omit" : "include";
    this.api = createClient({
      baseUrl: this.baseUrl,
      fetch: this.fetch,
      credentials: this.credentials
    });
  }
  /** Return the headers that sign a read in. Throws as the caller's `token` does. */
  async signedIn(refresh, signal) {
    if (!this.#token) return {};
    const token = refresh ? this.#refreshed(this.#token) : this.#token(false);
    return { Authorization: `Bearer ${await unlessAborted(token, signal)}` };
  }
  /** Send a request; once more with a fresh token if that was refused. Throws Problem. */
  async send(call, { signal }) {
    for (let refresh = false; ; refresh = true) {
      const { data, error, response } = await call(await this.signedIn(refresh, signal));
      if (response.ok || response.status === 304) {
        return { response, text: typeof data === "string" ? data : "" };
      }
      if (!this.isRefused(response.status, refresh)) throw new Problem(response, error);
    }
  }
  /** Send a write, with proof that it is meant if a cookie signs in. Throws Problem. */
  write(call, options) {
    const proof = this.#token ? {} : { "X-Gateway-CSRF": "1" };
    return this.send((headers) => call({ ...headers, ...proof }), options);
  }
  /** Return whether another token may help. */
  isRefused(status, refreshed) {
    return status === 401 && !refreshed && this.#token !== void 0;
  }
  #refreshed(token) {
    this.#refreshing ??= Promise.resolve().then(() => token(true)).finally(() => this.#refreshing = void 0);
    return this.#refreshing;
  }
};

// src/live.ts
var MINUTE = 6e4;
var TRIES2 = 5;
async function goLive(http, liveId, { signal, every = MINUTE }) {
  const leaving = new AbortController();
  const leave = () => leaving.abort(signal?.reason);
  signal?.throwIfAborted();
  signal?.addEventListener("abort", leave);
  const forget = () => signal?.removeEventListener("abort", leave);
  try {
    await started(http, liveId, leaving.signal);
  } catch (error) {
    forget();
    throw error;
  }
  const ended = kept(http, liveId, every, leaving.signal).finally(forget);
  ended.catch(() => {
  });
  return {
    ended,
    async stop() {
      leaving.abort();
      await post(http, "/v1/rooms/{live_id}/stop", liveId);
    }
  };
}
async function started(http, liveId, signal) {
  for (let tried = 1; ; tried++) {
    try {
      await post(http, "/v1/rooms/{live_id}/start", liveId, signal);
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (tried === TRIES2 || isFinal(error)) throw error;
      await sleep(pauseAfter(error, tried, http), signal);
    }
  }
}
async function kept(http, liveId, every, signal) {
  try {
    for (let failures = 0, pause = every; ; ) {
      await sleep(pause, signal);
      try {
        await post(http, "/v1/rooms/{live_id}/heartbeat", liveId, signal);
        failures = 0;
        pause = every;
      } catch (error) {
        signal.throwIfAborted();
        if (isFinal(error)) throw error;
        pause = Math.min(every, pauseAfter(error, failures++, http));
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
function isFinal(error) {
  if (!(error instanceof Problem)) return !(error instanceof TypeError);
  return error.status < 500 && error.status !== 429;
}
function pauseAfter(error, failures, http) {
  const told = error instanceof Problem ? (error.retryAfter ?? 0) * 1e3 : 0;
  return told + pauseBefore(failures, http.timing);
}
function post(http, path, liveId, signal) {
  return http.write(
    (headers) => http.api.POST(path, {
      params: { path: { live_id: liveId } },
      headers,
      parseAs: "text",
      signal: signal ?? null
    }),
    { signal }
  );
}

// src/remembered.ts
var MOST = 500;
var MOST_CHARACTERS = 4e6;
var Remembered = class {
  #answers = /* @__PURE__ */ new Map();
  #characters = 0;
  /** Return the last answer. */
  get(path) {
    return this.#answers.get(path);
  }
  /** Keep an answer in place of the last one; without an ETag, as an anchor's own room, none. */
  keep(path, etag, text2) {
    this.#forget(path);
    if (!etag) return;
    this.#answers.set(path, { etag, text: text2 });
    this.#characters += text2.length;
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MOST && this.#characters <= MOST_CHARACTERS) return;
      this.#forget(oldest);
    }
  }
  #forget(path) {
    this.#characters -= this.#answers.get(path)?.text.length ?? 0;
    this.#answers.delete(path);
  }
};

// src/patch.ts
function patchedRoom(room, patch) {
  const made = { ...room };
  for (const [name, value] of Object.entries(patch)) made[name] = merged(made[name], value);
  return made;
}
function merged(old, value) {
  if (!isObject(value)) return value;
  const made = isObject(old) ? { ...old } : {};
  for (const [name, each] of Object.entries(value)) {
    if (each === null) delete made[name];
    else made[name] = merged(made[name], each);
  }
  return made;
}
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// src/silence.ts
var Silence = class {
  #controller = new AbortController();
  #milliseconds;
  #outer;
  #abort = () => this.#controller.abort(this.#outer?.reason);
  #timer;
  constructor(milliseconds, outer) {
    this.#milliseconds = milliseconds;
    this.#outer = outer;
    outer?.throwIfAborted();
    outer?.addEventListener("abort", this.#abort);
    this.heard();
  }
  get signal() {
    return this.#controller.signal;
  }
  heard() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(), this.#milliseconds);
  }
  end() {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#abort);
    this.#controller.abort();
  }
};

// node_modules/eventsource-parser/dist/errors.js
var ParseError = class extends Error {
  constructor(message, options) {
    super(message);
    this.name = "ParseError";
    this.type = options.type;
    this.field = options.field;
    this.value = options.value;
    this.line = options.line;
  }
};

// node_modules/eventsource-parser/dist/parse.js
var LF = 10;
var CR = 13;
var SPACE = 32;
var MAX_FIELD_PREFIX_LENGTH = 6;
function createParser(config) {
  if (typeof config === "function") {
    throw new TypeError("`config` must be an object, got a function instead. Did you mean `createParser({onEvent: fn})`?");
  }
  const { maxBufferSize, onComment, onError, onEvent, onId, onRetry } = config;
  const pendingFragments = [];
  let pendingFragmentsLength = 0;
  let bomPrefix = "";
  let id;
  let data = "";
  let dataLines = 0;
  let eventType;
  let terminated = false;
  let skippingLine = false;
  let skipNextLineFeed = false;
  function feed(chunk) {
    if (terminated) {
      throw new Error("Cannot feed parser: it was terminated after exceeding the configured max buffer size. Call `reset()` to resume parsing.");
    }
    if (bomPrefix !== void 0) {
      chunk = bomPrefix + chunk;
      if (chunk === "" || chunk === "ï" || chunk === "ï»") {
        bomPrefix = chunk;
        return;
      }
      bomPrefix = void 0;
      chunk = chunk.replace(/^(?:\uFEFF|\xEF\xBB\xBF)/, "");
    }
    if (skippingLine || skipNextLineFeed) {
      chunk = resumeAfterSkip(chunk);
      if (!chunk) {
        return;
      }
    }
    if (!pendingFragments.length) {
      const trailing = processLines(chunk);
      if (trailing !== "") {
        storeTrailing(trailing);
      }
      checkForBufferOverflow();
      return;
    }
    if (chunk.indexOf("\n") === -1 && chunk.indexOf("\r") === -1) {
      if (pendingFragmentsLength < MAX_FIELD_PREFIX_LENGTH) {
        const head = pendingFragments.join("") + chunk.slice(0, MAX_FIELD_PREFIX_LENGTH - pendingFragmentsLength);
        if (!shouldBufferTrailing(head)) {
          pendingFragments.length = 0;
          pendingFragmentsLength = 0;
          skippingLine = true;
          return;
        }
      }
      pendingFragments.push(chunk);
      pendingFragmentsLength += chunk.length;
      checkForBufferOverflow();
      return;
    }
    pendingFragments.push(chunk);
    const input = pendingFragments.join("");
    pendingFragments.length = 0;
    pendingFragmentsLength = 0;
    storeTrailing(processLines(input));
    checkForBufferOverflow();
  }
  function resumeAfterSkip(chunk) {
    if (chunk.length === 0) {
      return chunk;
    }
    if (skipNextLineFeed) {
      skipNextLineFeed = false;
      return chunk.charCodeAt(0) === LF ? chunk.slice(1) : chunk;
    }
    const crIndex = chunk.indexOf("\r");
    const lfIndex = chunk.indexOf("\n");
    const lineEnd = crIndex === -1 ? lfIndex : lfIndex === -1 ? crIndex : crIndex < lfIndex ? crIndex : lfIndex;
    if (lineEnd === -1) {
      return "";
    }
    if (lineEnd === chunk.length - 1 && chunk.charCodeAt(lineEnd) === CR) {
      skippingLine = false;
      skipNextLineFeed = true;
      return "";
    }
    skippingLine = false;
    return chunk.slice(lineEnd + (chunk.charCodeAt(lineEnd) === CR && chunk.charCodeAt(lineEnd + 1) === LF ? 2 : 1));
  }
  function storeTrailing(trailing) {
    if (!trailing)
      return;
    if (trailing.charCodeAt(trailing.length - 1) === CR) {
      parseLine(trailing, 0, trailing.length - 1);
      if (checkForBufferOverflow())
        return;
      skipNextLineFeed = true;
      return;
    }
    if (shouldBufferTrailing(trailing)) {
      pendingFragments.push(trailing);
      pendingFragmentsLength = trailing.length;
      return;
    }
    skippingLine = true;
  }
  function shouldBufferTrailing(trailing) {
    const firstCharCode = trailing.charCodeAt(0);
    return firstCharCode === 58 && !!onComment || firstCharCode === 100 && isPotentialField(trailing, "data") || firstCharCode === 101 && isPotentialField(trailing, "event") || firstCharCode === 105 && isPotentialField(trailing, "id") || firstCharCode === 114 && isPotentialField(trailing, "retry");
  }
  function checkForBufferOverflow() {
    if (terminated)
      return true;
    if (maxBufferSize === void 0)
      return false;
    if (pendingFragmentsLength + data.length <= maxBufferSize)
      return false;
    terminated = true;
    pendingFragments.length = 0;
    pendingFragmentsLength = 0;
    id = void 0;
    data = "";
    dataLines = 0;
    eventType = void 0;
    skippingLine = false;
    skipNextLineFeed = false;
    onError === null || onError === void 0 ? void 0 : onError(new ParseError(`Buffered data exceeded max buffer size of ${maxBufferSize} characters`, {
      type: "max-buffer-size-exceeded"
    }));
    return true;
  }
  function processLines(chunk) {
    let searchIndex = 0;
    if (chunk.indexOf("\r") === -1) {
      let lfIndex2 = chunk.indexOf("\n", searchIndex);
      while (lfIndex2 !== -1) {
        if (searchIndex === lfIndex2) {
          if (id !== void 0) {
            onId === null || onId === void 0 ? void 0 : onId(id);
          }
          if (dataLines > 0) {
            onEvent === null || onEvent === void 0 ? void 0 : onEvent({ id, event: eventType, data });
          }
          id = void 0;
          data = "";
          dataLines = 0;
          eventType = void 0;
          searchIndex = lfIndex2 + 1;
          lfIndex2 = chunk.indexOf("\n", searchIndex);
          continue;
        }
        const firstCharCode = chunk.charCodeAt(searchIndex);
        if (isDataPrefix(chunk, searchIndex, firstCharCode)) {
          const valueStart = chunk.charCodeAt(searchIndex + 5) === SPACE ? searchIndex + 6 : searchIndex + 5;
          const value = chunk.slice(valueStart, lfIndex2);
          if (dataLines === 0 && chunk.charCodeAt(lfIndex2 + 1) === LF) {
            if (id !== void 0) {
              onId === null || onId === void 0 ? void 0 : onId(id);
            }
            onEvent === null || onEvent === void 0 ? void 0 : onEvent({ id, event: eventType, data: value });
            id = void 0;
            data = "";
            eventType = void 0;
            searchIndex = lfIndex2 + 2;
            lfIndex2 = chunk.indexOf("\n", searchIndex);
            continue;
          }
          data = dataLines === 0 ? value : `${data}
${value}`;
          dataLines++;
        } else if (isEventPrefix(chunk, searchIndex, firstCharCode)) {
          eventType = chunk.slice(chunk.charCodeAt(searchIndex + 6) === SPACE ? searchIndex + 7 : searchIndex + 6, lfIndex2) || void 0;
        } else {
          parseLine(chunk, searchIndex, lfIndex2);
        }
        if (checkForBufferOverflow())
          return "";
        searchIndex = lfIndex2 + 1;
        lfIndex2 = chunk.indexOf("\n", searchIndex);
      }
      return chunk.slice(searchIndex);
    }
    let crIndex = chunk.indexOf("\r", searchIndex);
    let lfIndex = chunk.indexOf("\n", searchIndex);
    while (searchIndex < chunk.length) {
      let lineEnd = -1;
      if (crIndex !== -1 && lfIndex !== -1) {
        lineEnd = crIndex < lfIndex ? crIndex : lfIndex;
      } else if (crIndex !== -1) {
        if (crIndex === chunk.length - 1) {
          lineEnd = -1;
        } else {
          lineEnd = crIndex;
        }
      } else if (lfIndex !== -1) {
        lineEnd = lfIndex;
      }
      if (lineEnd === -1) {
        break;
      }
      parseLine(chunk, searchIndex, lineEnd);
      if (checkForBufferOverflow())
        return "";
      searchIndex = lineEnd + 1;
      if (chunk.charCodeAt(searchIndex - 1) === CR && chunk.charCodeAt(searchIndex) === LF) {
        searchIndex++;
      }
      if (crIndex !== -1 && crIndex < searchIndex) {
        crIndex = chunk.indexOf("\r", searchIndex);
      }
      if (lfIndex !== -1 && lfIndex < searchIndex) {
        lfIndex = chunk.indexOf("\n", searchIndex);
      }
    }
    return chunk.slice(searchIndex);
  }
  function parseLine(chunk, start, end) {
    if (start === end) {
      dispatchEvent();
      return;
    }
    const firstCharCode = chunk.charCodeAt(start);
    if (isDataPrefix(chunk, start, firstCharCode)) {
      const valueStart = chunk.charCodeAt(start + 5) === SPACE ? start + 6 : start + 5;
      const value2 = chunk.slice(valueStart, end);
      data = dataLines === 0 ? value2 : `${data}
${value2}`;
      dataLines++;
      return;
    }
    if (isEventPrefix(chunk, start, firstCharCode)) {
      eventType = chunk.slice(chunk.charCodeAt(start + 6) === SPACE ? start + 7 : start + 6, end) || void 0;
      return;
    }
    if (firstCharCode === 105 && chunk.charCodeAt(start + 1) === 100 && chunk.charCodeAt(start + 2) === 58) {
      const value2 = chunk.slice(chunk.charCodeAt(start + 3) === SPACE ? start + 4 : start + 3, end);
      if (!value2.includes("\0"))
        id = value2;
      return;
    }
    if (firstCharCode === 58) {
      if (onComment) {
        const line2 = chunk.slice(start, end);
        onComment(line2.slice(chunk.charCodeAt(start + 1) === SPACE ? 2 : 1));
      }
      return;
    }
    const line = chunk.slice(start, end);
    const fieldSeparatorIndex = line.indexOf(":");
    if (fieldSeparatorIndex === -1) {
      processField(line, "", line);
      return;
    }
    const field = line.slice(0, fieldSeparatorIndex);
    const offset = line.charCodeAt(fieldSeparatorIndex + 1) === SPACE ? 2 : 1;
    const value = line.slice(fieldSeparatorIndex + offset);
    processField(field, value, line);
  }
  function processField(field, value, line) {
    switch (field) {
      case "event":
        eventType = value || void 0;
        break;
      case "data":
        data = dataLines === 0 ? value : `${data}
${value}`;
        dataLines++;
        break;
      case "id":
        if (!value.includes("\0"))
          id = value;
        break;
      case "retry":
        if (/^\d+$/.test(value)) {
          onRetry === null || onRetry === void 0 ? void 0 : onRetry(parseInt(value, 10));
        } else {
          onError === null || onError === void 0 ? void 0 : onError(new ParseError(`Invalid \`retry\` value: "${value}"`, {
            type: "invalid-retry",
            value,
            line
          }));
        }
        break;
      default:
        onError === null || onError === void 0 ? void 0 : onError(new ParseError(`Unknown field "${field.length > 20 ? `${field.slice(0, 20)}…` : field}"`, { type: "unknown-field", field, value, line }));
        break;
    }
  }
  function dispatchEvent() {
    if (id !== void 0) {
      onId === null || onId === void 0 ? void 0 : onId(id);
    }
    if (dataLines > 0) {
      onEvent === null || onEvent === void 0 ? void 0 : onEvent({
        id,
        event: eventType,
        data
      });
    }
    id = void 0;
    data = "";
    dataLines = 0;
    eventType = void 0;
  }
  function reset(options = {}) {
    if (options.consume && pendingFragments.length > 0) {
      const incompleteLine = pendingFragments.join("");
      parseLine(incompleteLine, 0, incompleteLine.length);
    }
    bomPrefix = "";
    id = void 0;
    data = "";
    dataLines = 0;
    eventType = void 0;
    pendingFragments.length = 0;
    pendingFragmentsLength = 0;
    terminated = false;
    skippingLine = false;
    skipNextLineFeed = false;
  }
  return { feed, reset };
}
function isDataPrefix(chunk, i, firstCharCode) {
  return firstCharCode === 100 && chunk.charCodeAt(i + 1) === 97 && chunk.charCodeAt(i + 2) === 116 && chunk.charCodeAt(i + 3) === 97 && chunk.charCodeAt(i + 4) === 58;
}
function isEventPrefix(chunk, i, firstCharCode) {
  return firstCharCode === 101 && chunk.charCodeAt(i + 1) === 118 && chunk.charCodeAt(i + 2) === 101 && chunk.charCodeAt(i + 3) === 110 && chunk.charCodeAt(i + 4) === 116 && chunk.charCodeAt(i + 5) === 58;
}
function isPotentialField(line, field) {
  let i = 1;
  while (i < line.length && i < field.length) {
    if (line.charCodeAt(i) !== field.charCodeAt(i)) {
      return false;
    }
    i++;
  }
  return line.length <= field.length || line.charCodeAt(field.length) === 58;
}

// src/stream.ts
var NoStream = class extends Error {
};
var NotSignedIn = class extends Error {
  constructor(reason) {
    super();
    this.reason = reason;
  }
  reason;
};
var NO_STREAM = /* @__PURE__ */ new Set([404, 405, 406, 501]);
var Stream = class {
  constructor(http, liveId, lastId, refresh) {
    this.http = http;
    this.liveId = liveId;
    this.lastId = lastId;
    this.refreshed = refresh;
  }
  http;
  liveId;
  lastId;
  /** True once it has asked with another token than the last one. */
  refreshed;
  /** Yield all that comes. Throws Problem, NoStream, NotSignedIn, or as `fetch` does. */
  async *heard(silence) {
    const reader = (await this.#opened(silence.signal)).getReader();
    const decoder = new TextDecoder();
    const heard = [];
    const parser = createParser({
      onEvent: ({ event = "message", data, id }) => heard.push({ event, data, id }),
      onComment: (comment) => heard.push({ comment }),
      onRetry: (retry) => heard.push({ retry })
    });
    for (; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      silence.heard();
      parser.feed(decoder.decode(value, { stream: true }));
      yield* heard.splice(0);
    }
  }
  async #opened(signal) {
    for (; ; ) {
      const response = await this.#ask(signal);
      const isStream = response.headers.get("Content-Type")?.startsWith("text/event-stream");
      if (response.ok && isStream && response.body) return response.body;
      if (response.ok) throw new NoStream();
      const problem = new Problem(response, await response.json().catch(() => void 0));
      if (problem.code !== "room_not_found" && NO_STREAM.has(problem.status)) throw new NoStream();
      if (!this.http.isRefused(problem.status, this.refreshed)) throw problem;
      this.refreshed = true;
    }
  }
  async #ask(signal) {
    const { http } = this;
    const url = `${http.baseUrl}/v1/rooms/${encodeURIComponent(this.liveId)}/events`;
    const headers = {
      Accept: "text/event-stream",
      ...await this.#signedIn(signal),
      ...this.lastId && { "Last-Event-ID": this.lastId }
    };
    return http.fetch(url, { headers, signal, credentials: http.credentials, cache: "no-store" });
  }
  async #signedIn(signal) {
    try {
      return await this.http.signedIn(this.refreshed, signal);
    } catch (error) {
      if (error instanceof TypeError || signal.aborted) throw error;
      throw new NotSignedIn(error);
    }
  }
};

// src/watch.ts
var TEMPORARY = /* @__PURE__ */ new Set([408, 425, 429]);
async function* watchRoom(http, liveId, poll, { signal }) {
  try {
    yield* new Watch(http, liveId, poll, signal).told();
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}
var Watch = class {
  constructor(http, liveId, poll, signal) {
    this.http = http;
    this.liveId = liveId;
    this.poll = poll;
    this.signal = signal;
  }
  http;
  liveId;
  poll;
  signal;
  #isOver = false;
  #failures = 0;
  // streams in a row that brought nothing
  #lastId = "";
  #room;
  // as of the event `lastId`
  #told = "";
  #expired = false;
  #pollAt = 0;
  /** Yield until the room is deleted: from streams, and from reads where there is none. */
  async *told() {
    while (!this.#isOver) {
      let told;
      let hasNone = false;
      try {
        told = yield* this.#streamed();
      } catch (error) {
        hasNone = error instanceof NoStream;
        const least = yield* this.#failed(error);
        if (!this.#isOver) await sleep(least, this.signal);
      }
      if (this.#isOver) return;
      const random = pauseBefore(this.#failures, this.http.timing);
      if (hasNone || this.#failures > 1) yield* this.#polled(Math.max(told ?? 0, random));
      else await sleep(told ?? random, this.signal);
    }
  }
  /** Yield what one stream brings; return the milliseconds before the next, if it says so. */
  async *#streamed() {
    const stream = new Stream(this.http, this.liveId, this.#lastId, this.#expired);
    const silence = new Silence(this.http.timing.silence, this.signal);
    let pause;
    this.#expired = false;
    this.#failures++;
    try {
      for await (const heard of stream.heard(silence)) {
        if ("retry" in heard) pause = heard.retry;
        else yield* this.#hear(heard);
        if (this.#isOver) return pause;
      }
    } finally {
      silence.end();
    }
    if (!this.#expired) return pause;
    return stream.refreshed ? void 0 : 0;
  }
  *#hear(heard) {
    if ("comment" in heard) {
      this.#failures = 0;
      return;
    }
    if (heard.event === "expired") this.#expired = true;
    if (heard.event === "deleted") yield* this.#tellDeleted();
    if (heard.event === "room") this.#room = parseExact(heard.data);
    else if (heard.event !== "change" || !this.#room) return;
    else this.#room = patchedRoom(this.#room, parseExact(heard.data));
    this.#failures = 0;
    this.#lastId = heard.id ?? "";
    yield* this.#tell(this.#room);
  }
  /** Read the room for some time, as often as the answers allow. */
  async *#polled(milliseconds) {
    const end = performance.now() + milliseconds;
    while (!this.#isOver) {
      const now = performance.now();
      const next = Math.max(now, this.#pollAt);
      await sleep(Math.min(next, end) - now, this.signal);
      if (next > end) return;
      yield* this.#read();
    }
  }
  async *#read() {
    const silence = new Silence(this.http.timing.silence, this.signal);
    try {
      const { room: read, maxAge } = await this.poll({ signal: silence.signal });
      silence.end();
      this.#pollAt = performance.now() + maxAge * 1e3 * (1 + Math.random() / 4);
      const { push_url: _, ...room } = read;
      const before = this.#told;
      yield* this.#tell(room);
      if (this.#told !== before) this.#lastId = "";
    } catch (error) {
      silence.end();
      const least = yield* this.#failed(error);
      this.#pollAt = performance.now() + least + pauseBefore(this.#failures, this.http.timing);
    }
  }
  *#tell(room) {
    const told = JSON.stringify(room);
    if (told === this.#told) return;
    this.#told = told;
    yield { type: "room", room: JSON.parse(told) };
  }
  *#tellDeleted() {
    this.#isOver = true;
    yield { type: "deleted" };
  }
  /** Return the milliseconds to wait at least. Throws what only the user can help. */
  *#failed(error) {
    this.signal?.throwIfAborted();
    if (error instanceof NotSignedIn) throw error.reason;
    if (!(error instanceof Problem)) return 0;
    if (error.code === "room_not_found") yield* this.#tellDeleted();
    else if (error.status < 500 && !TEMPORARY.has(error.status)) throw error;
    return (error.retryAfter ?? 0) * 1e3;
  }
};

// src/index.ts
var UNCACHED = 5;
var LiveRoomGateway = class {
  #http;
  #remembered = new Remembered();
  constructor(options) {
    this.#http = new Http(options);
  }
  /** Create a room for the caller; repeated by itself, it makes one room at most. */
  createRoom(room, options = {}) {
    return createRoom(this.#http, room, options);
  }
  /** Read a room. */
  async room(liveId, options = {}) {
    return (await this.#read(liveId, options)).room;
  }
  /** Read up to 50 rooms in the shape of viewers. */
  async rooms(liveIds, { signal } = {}) {
    const query = { id: [...liveIds] };
    const { text: text2 } = await this.#remembering(
      `rooms:${liveIds.join()}`,
      (headers) => this.#http.api.GET("/v1/rooms", {
        params: { query },
        headers,
        parseAs: "text",
        signal: signal ?? null
      }),
      signal
    );
    return parseExact(text2);
  }
  /** Read a page of the living rooms, in the shape of viewers, where the gateway is set up for it. */
  async liveRooms({ page = 1, pageSize = 20, signal } = {}) {
    const query = { page, page_size: pageSize };
    const { text: text2 } = await this.#remembering(
      `live-rooms:${page}/${pageSize}`,
      (headers) => this.#http.api.GET("/v1/live-rooms", {
        params: { query },
        headers,
        parseAs: "text",
        signal: signal ?? null
      }),
      signal
    );
    return parseExact(text2);
  }
  /**
   * Go live, as the room's anchor, where the gateway is set up for it.
   *
   * Heartbeats keep the room living until `stop` is called or `signal` is aborted; without them the
   * vendor ends it after ten minutes.
   */
  goLive(liveId, options = {}) {
    return goLive(this.#http, liveId, options);
  }
  /** End a room's broadcast, as its anchor. */
  async stopRoom(liveId, { signal } = {}) {
    await this.#http.write(
      (headers) => this.#http.api.POST("/v1/rooms/{live_id}/stop", {
        params: { path: { live_id: liveId } },
        headers,
        parseAs: "text",
        signal: signal ?? null
      }),
      { signal }
    );
  }
  /** Delete a room, as its anchor. */
  async deleteRoom(liveId, { signal } = {}) {
    await this.#http.write(
      (headers) => this.#http.api.DELETE("/v1/rooms/{live_id}", {
        params: { path: { live_id: liveId } },
        headers,
        parseAs: "text",
        signal: signal ?? null
      }),
      { signal }
    );
  }
  /**
   * Watch a room in the shape of viewers, until it is deleted or `signal` is aborted.
   *
   * It connects again after whatever goes wrong, tells nothing twice, and reads the room now and
   * then while no stream can be had. Throws Problem if the room cannot be watched, as when another
   * sign-in is needed, and as `token` does, but for a lost connection.
   */
  watchRoom(liveId, options = {}) {
    return watchRoom(this.#http, liveId, (given) => this.#read(liveId, given), options);
  }
  async #read(liveId, { signal }) {
    const { response, text: text2 } = await this.#remembering(
      liveId,
      (headers) => this.#http.api.GET("/v1/rooms/{live_id}", {
        params: { path: { live_id: liveId } },
        headers,
        parseAs: "text",
        signal: signal ?? null
      }),
      signal
    );
    const told = /max-age=(\d+)/.exec(response.headers.get("Cache-Control") ?? "");
    const maxAge = told ? Math.max(1, Number(told[1])) : UNCACHED;
    return { room: parseExact(text2), maxAge };
  }
  /** Send a read; an unchanged answer's text is the last one's. */
  async #remembering(path, call, signal) {
    const known = this.#remembered.get(path);
    const condition = known ? { "If-None-Match": known.etag } : {};
    const sent = (headers) => call({ ...headers, ...condition });
    const answer = await this.#http.send(sent, { signal });
    if (answer.response.status === 304 && known) return { ...answer, text: known.text };
    this.#remembered.keep(path, answer.response.headers.get("ETag"), answer.text);
    return answer;
  }
};
export {
  LiveRoomGateway,
  Problem
};
