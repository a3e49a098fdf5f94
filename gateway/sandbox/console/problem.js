// A refusal in words: a problem of the gateway's, or no answer at all.

import { Problem } from "./client.js";
import { element } from "./elements.js";
import { texts } from "./texts.js";

/** Return the title and the advice of a problem, in the chosen language. */
export function worded(problem) {
  const { problems, unreachable, unreachableDetail } = texts();
  if (!(problem instanceof Problem)) return [unreachable, unreachableDetail];
  return problems[problem.code] ?? [problem.code.replaceAll("_", " "), problem.message];
}

/** Return the elements of its card. */
export function problemParts(problem) {
  const [title, advice] = worded(problem);
  return [
    element("strong", {}, title),
    element("code", {}, problem.code ?? ""),
    element("p", {}, advice),
    ...(problem.errors ?? []).map(({ field, message }) =>
      element("p", {}, element("code", {}, field), ` ${message}`),
    ),
  ];
}
