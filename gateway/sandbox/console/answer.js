// The last answer to a user: what was asked, the status and headers, the problem, and the command.

import { element, fact } from "./elements.js";
import { problemParts } from "./problem.js";
import { curl } from "./recorded.js";
import { texts } from "./texts.js";

/** Show an exchange in the card `root`; without a status it is on its way, or failed. */
export function renderAnswer(root, exchange, problem, variable) {
  const find = (selector) => root.querySelector(selector);
  for (const each of root.querySelectorAll(".line, .facts, .command")) each.hidden = !exchange;
  find(".unasked").hidden = Boolean(exchange);
  const box = find(".problem");
  box.hidden = !problem;
  box.replaceChildren(...(problem ? problemParts(problem) : []));
  if (!exchange) return;
  const code = find(".code");
  code.textContent = exchange.status ?? (problem ? "–" : "…");
  code.dataset.kind = problem ? "refused" : "good";
  find(".asked").textContent = `${exchange.method} ${new URL(exchange.url).pathname}`;
  find(".facts").replaceChildren(...(exchange.status ? facts(exchange) : []));
  find(".command pre").textContent = curl(exchange, variable);
}

function facts({ cache, requestId, milliseconds }) {
  const { none, took, requestId: id, cache: name } = texts();
  return [
    fact(name, cache ?? none, cache ? "mono" : "none"),
    fact(id, requestId ?? none, "mono"),
    fact(took, `${milliseconds} ms`),
  ].map((pair) => element("div", {}, ...pair));
}
