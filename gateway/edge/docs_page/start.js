"use strict";

const ROOM = "/v1/rooms/{live_id}";
const OF_A_ROOM = [[ROOM, "get"], [ROOM, "delete"], [`${ROOM}/stop`, "post"], [`${ROOM}/events`, "get"]];

/** Operations that no person can try here: a stream without an end, and the vendor's own. */
const NOT_HERE = new Set([`${ROOM}/events`, "/v1/callbacks/qlive"]);

const docs = document.getElementById("docs");
const status = document.getElementById("signed-in");
const buttons = document.querySelectorAll("button[data-token]");

/** The head of this page has the title and the description. */
const plugin = {
  wrapComponents: { InfoContainer: () => () => null },
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
  for (const operation of OF_A_ROOM) ui.specActions.changeParam(operation, "live_id", "path", liveId);
  const key = crypto.randomUUID();
  ui.specActions.changeParam(["/v1/rooms", "post"], "Idempotency-Key", "header", key);
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
