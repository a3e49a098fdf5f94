// A room as one user sees it.

import { element, fact } from "./elements.js";
import { filled, language, texts } from "./texts.js";

/** Return the elements that show a room; `isGone` once it is deleted. */
export function shown(room, isAnchor, isGone) {
  if (!room) return [element("p", { className: "nothing" }, texts().nothing)];
  const anchor = room.anchor_info.user_id;
  return [
    element(
      "p",
      { className: "title" },
      element("strong", {}, room.title),
      " ",
      state(isGone ? "gone" : room.live_status),
    ),
    pushUrl(room.push_url, isAnchor, anchor),
    element(
      "dl",
      { className: "fields" },
      ...fact("live_id", room.live_id, "mono"),
      ...fact("anchor", anchor),
      ...fact("hls_url", room.hls_url, "mono"),
      ...fact("start_time", time(room.start_time)),
      ...fact("end_time", time(room.end_time)),
    ),
    element(
      "details",
      {},
      element("summary", {}, texts().all),
      element("pre", { tabIndex: 0 }, JSON.stringify(room, null, 2)),
    ),
  ];
}

function state(which) {
  const chip = element("span", { className: "state" }, texts().states[which]);
  chip.dataset.state = which;
  return chip;
}

function pushUrl(url, isAnchor, anchor) {
  const box = element("div", { className: "push" }, element("span", { className: "name" }, "push_url"));
  box.dataset.shown = String(Boolean(url));
  if (url) {
    box.append(element("code", {}, url));
    box.append(element("small", {}, filled(texts().secret, { anchor })));
  } else {
    box.append(element("em", {}, isAnchor ? texts().unread : texts().hidden));
  }
  return box;
}

function time(seconds) {
  if (seconds === null || seconds === undefined) return texts().unset;
  return new Date(seconds * 1000).toLocaleString(language());
}

/** Return what differs between two rooms, as `name: old → new`. */
export function changes(before, after) {
  return Object.keys(after)
    .filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
    .map((name) => `${name}: ${brief(before[name])} → ${brief(after[name])}${meaning(name, after)}`);
}

const meaning = (name, room) => (name === "live_status" ? ` (${texts().states[room[name]]})` : "");

const brief = (value) => (typeof value === "string" ? value : JSON.stringify(value));
