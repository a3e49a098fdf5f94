// The page: two users, one room, and the language.

import { Side } from "./side.js";
import { filled, language, speak, texts } from "./texts.js";

const hint = document.querySelector("#hint");
const steps = [...document.querySelectorAll(".steps li")];
const field = document.querySelector("#room-id");
let sides = [];
let room;
let isGone = false;

const page = {
  /** A side created a room, which the others take up. */
  opened(created, by) {
    take(created.live_id);
    this.seen(created, false);
    for (const side of sides) side.open(created.live_id, side === by ? created : undefined);
  },

  /** A side saw the room. */
  seen(current, gone) {
    room = current ?? room;
    isGone = gone;
    showStep();
  },
};

function take(liveId) {
  room = undefined;
  isGone = false;
  field.value = liveId;
  history.replaceState(null, "", `#${liveId}`);
}

function open(liveId) {
  take(liveId);
  showStep();
  for (const side of sides) side.open(liveId);
}

/** Mark how far the room is, and say what to try next. */
function showStep() {
  const step = room ? (isGone ? 4 : room.live_status + 1) : 0;
  steps.forEach((each, index) => {
    each.classList.toggle("done", index < step);
    if (index === step) each.setAttribute("aria-current", "step");
    else each.removeAttribute("aria-current");
  });
  const anchor = room?.anchor_info.user_id;
  const viewer = sides.map(({ root }) => root.id).find((id) => id !== anchor);
  hint.textContent = filled(texts().hints[step], { anchor, viewer });
}

function choose(wanted) {
  speak(wanted);
  for (const side of sides) side.translate();
  showStep();
}

async function start() {
  choose(language());
  for (const each of document.querySelectorAll(".languages button"))
    each.addEventListener("click", () => choose(each.lang));
  const answer = await fetch("console/users").catch(() => undefined);
  const { users } = answer?.ok ? await answer.json() : { users: [] };
  if (users.length === 0) return refuse();
  sides = users.map((user) => new Side(user, page));
  document.querySelector("#sides").append(...sides.map(({ root }) => root));
  choose(language());
  document.querySelector("#open").addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim()) open(field.value.trim());
  });
  document.addEventListener("visibilitychange", () => {
    for (const side of sides) document.hidden ? side.pause() : side.resume();
  });
  const liveId = location.hash.slice(1);
  if (liveId) open(liveId);
}

function refuse() {
  const stopped = document.querySelector("#stopped");
  stopped.textContent = texts().noUsers;
  stopped.hidden = false;
}

start();
