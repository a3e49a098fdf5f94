"use strict";

const ROOM = "/v1/rooms/{live_id}";
const OF_A_ROOM = [[ROOM, "get"], [ROOM, "delete"], [`${ROOM}/stop`, "post"], [`${ROOM}/events`, "get"]];

/** Operations that no person can try here: a stream without an end, and the vendor's own. */
const NOT_HERE = new Set([`${ROOM}/events`, "/v1/callbacks/qlive"]);

const docs = document.getElementById("docs");
const status = document.getElementById("signed-in");
const buttons = document.querySelectorAll("button[data-token]");

/** JSON laid out, with 64-bit ids as they came: Swagger UI itself would round them. */
function exact(text) {
  const kept = (_name, value, { source }) => (typeof value === "number" ? JSON.rawJSON(source) : value);
  return JSON.stringify(JSON.parse(text, kept), null, 2);
}

function withExactIds(Original, system) {
  return (props) => {
    const laidOut = "rawJSON" in JSON && /json/.test(props.contentType) && props.content
      ? { ...props, content: exact(props.content), contentType: "text" }
      : props;
    return system.React.createElement(Original, laidOut);
  };
}

const plugin = {
  wrapComponents: {
    responseBody: withExactIds,
    InfoContainer: () => () => null, // the head of this page has the title and the description
  },
  statePlugins: {
    spec: {
      wrapSelectors: {
        allowTryItOutFor: () => (_state, path) => !NOT_HERE.has(path),
      },
    },
  },
};

const ui = SwaggerUIBundle({
  url: docs.dataset.document,
  domNode: docs,
  plugins: [() => plugin],
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  responseInterceptor: (response) => {
    if (response.status === 201) continueWith(response.obj.live_id);
    return response;
  },
  onComplete: () => buttons.forEach((each) => (each.disabled = false)),
});

/** Let the other calls be about the new room, and the next create have a key of its own. */
function continueWith(liveId) {
  for (const operation of OF_A_ROOM) fill(operation, "live_id", "path", liveId);
  fill(["/v1/rooms", "post"], "Idempotency-Key", "header", crypto.randomUUID());
}

/** Swagger UI keeps the value of a parameter that it has shown by identity, else by place and name. */
function fill([path, method], name, place, value) {
  const shown = ui.specSelectors.specResolvedSubtree(["paths", path, method, "parameters"]);
  const parameter = shown?.find((each) => each.get("name") === name);
  if (parameter) ui.specActions.changeParamByIdentity([path, method], parameter, value);
  else ui.specActions.changeParam([path, method], name, place, value);
}

function signIn(pressed) {
  ui.preauthorizeApiKey("bearer", pressed.dataset.token);
  buttons.forEach((each) => each.setAttribute("aria-pressed", String(each === pressed)));
  const user = pressed.dataset.user;
  status.textContent = `Signed in as ${user}: every call below sends ${user}'s token.`;
}

buttons.forEach((each) => each.addEventListener("click", () => signIn(each)));

const dark = matchMedia("(prefers-color-scheme: dark)");
const show = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", show);
show();
