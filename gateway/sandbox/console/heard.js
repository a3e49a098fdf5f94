// The events that a user heard, each a line of the log.

import { element } from "./elements.js";
import { worded } from "./problem.js";
import { language, texts } from "./texts.js";

/** Return the line of a log that has none. */
export const empty = (text) => element("li", { className: "nothing" }, text);

/** Return the line of an event. */
export function line({ at, type, changed, problem }) {
  const { gone, whole } = texts();
  const told = {
    room: () => whole,
    change: () => changed.join("\n"),
    deleted: () => gone,
    problem: () => worded(problem).join(". "),
  }[type]();
  const kind = element("span", { className: "kind" }, type);
  kind.dataset.kind = type;
  const time = at.toLocaleTimeString(language(), { hour12: false });
  return element(
    "li",
    {},
    element("time", {}, time),
    kind,
    element("span", { className: "told" }, told),
  );
}
