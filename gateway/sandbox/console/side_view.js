// The elements of one user's side.

import { renderAnswer } from "./answer.js";
import { empty, line } from "./heard.js";
import { worded } from "./problem.js";
import { curl } from "./recorded.js";
import { shown } from "./room.js";
import { texts } from "./texts.js";

const COPIED_FOR = 1500; // milliseconds

export class SideView {
  root = document.querySelector("#side").content.firstElementChild.cloneNode(true);
  onAct; // (name, action)
  onCopy; // () => the command with its token
  #user;

  /** `actions`, by name, are of buttons; that of `create` is of the form. */
  constructor(user, { create, ...actions }) {
    this.#user = user;
    this.root.id = user;
    this.root.setAttribute("aria-labelledby", `${user}-name`);
    Object.assign(this.#find("h2"), { id: `${user}-name`, textContent: user });
    this.#find(".avatar").textContent = user[0].toUpperCase();
    this.#find(".create").addEventListener("submit", (event) => {
      event.preventDefault();
      this.onAct("create", create);
    });
    for (const [name, action] of Object.entries(actions))
      this.#find(`[data-act=${name}]`).addEventListener("click", () => this.onAct(name, action));
    this.#find(".copy").addEventListener("click", () => this.#copy());
  }

  get title() {
    return this.#find("[name=title]").value;
  }

  /** The token's name in the commands that the sandbox prints. */
  get #variable() {
    return `$${this.#user.toUpperCase()}`;
  }

  /** Show a state. */
  render({ liveId, room, isGone, isBusy, answer, problem, stream, streamed }) {
    const isAnchor = room?.anchor_info.user_id === this.#user;
    const role = room ? (isAnchor ? "anchor" : "viewer") : "none";
    this.root.dataset.role = role;
    this.root.ariaBusy = String(isBusy);
    this.#find(".role").textContent = texts().roles[role];
    for (const each of this.root.querySelectorAll("[data-act]")) each.disabled = !liveId;
    this.#renderRoom(shown(room, isAnchor, isGone), isGone);
    renderAnswer(this.#find(".answer"), answer, problem, this.#variable);
    this.#renderStream(stream, streamed);
  }

  #renderRoom(parts, isGone) {
    const seen = this.#find(".seen");
    const wasOpen = seen.querySelector("details")?.open ?? false;
    seen.replaceChildren(...parts);
    seen.classList.toggle("gone", isGone);
    const details = seen.querySelector("details");
    if (details) details.open = wasOpen;
  }

  #renderStream(state, request) {
    const chip = this.#find(".stream");
    chip.textContent = texts().streams[state];
    chip.dataset.stream = state;
    this.#find(".watching").hidden = !request;
    if (request) this.#find(".watching pre").textContent = curl(request, this.#variable);
  }

  /** Show the newest of the events. */
  log(events) {
    const log = this.#find(".events ol");
    if (events.length === 1) log.replaceChildren();
    log.prepend(line(events[0]));
  }

  /** Tell a screen reader how an action ended. */
  say(name, problem) {
    const { said, acts } = texts();
    this.#find(".spoken").textContent = problem
      ? said.refused(this.#user, acts[name], worded(problem).join(". "))
      : said.ok(this.#user, acts[name]);
  }

  /** Put the chosen language everywhere, and show a state. */
  translate(state) {
    const { labels, copyTitle, example, noEvents } = texts();
    for (const [selector, label] of Object.entries(labels))
      this.#find(selector).ariaLabel = label(this.#user);
    this.#find(".view h3").textContent = labels[".view"](this.#user);
    this.#find("[name=title]").defaultValue = example;
    this.#find(".copy").title = copyTitle;
    const lines = state.events.length ? state.events.map(line) : [empty(noEvents)];
    this.#find(".events ol").replaceChildren(...lines);
    this.render(state);
  }

  async #copy() {
    await navigator.clipboard.writeText(this.onCopy());
    const button = this.#find(".copy");
    this.#find(".spoken").textContent = button.textContent = texts().copied;
    setTimeout(() => (button.textContent = texts().copy), COPIED_FOR);
  }

  #find(selector) {
    return this.root.querySelector(selector);
  }
}
