// One user's side of the page: what this user asks, is answered, sees and hears.

import { LiveRoomGateway, Problem } from "./client.js";
import { element, fact } from "./elements.js";
import { curl, isStream, recording } from "./recorded.js";
import { changes, shown } from "./room.js";
import { language, texts } from "./texts.js";

const BASE = new URL(".", location.href).href.replace(/\/$/, "");
const MOST_EVENTS = 50;

export class Side {
  #user;
  #page;
  #root;
  #gateway;
  #fetch;
  #liveId = "";
  #room;
  #heard; // the room of the last event
  #isGone = false;
  #answer;
  #problem;
  #stream = "off";
  #streamed; // the request for the stream
  #events = [];
  #watching; // ends the stream of events
  #isBusy = false;

  /** `page` is told of a room created or seen here: `opened(liveId)`, `seen(room, isGone)`. */
  constructor(user, page) {
    this.#user = user;
    this.#page = page;
    this.#fetch = recording((exchange) => this.#told(exchange));
    this.#gateway = new LiveRoomGateway({ baseUrl: BASE, token: () => user.token, fetch: this.#fetch });
    this.#root = this.#made();
  }

  get root() {
    return this.#root;
  }

  /** The token's name in the commands that the sandbox prints. */
  get #variable() {
    return `$${this.#user.id.toUpperCase()}`;
  }

  /** Take up a room: read it once, then hear of it. Nothing is read without being asked for. */
  async open(liveId, room) {
    this.pause();
    this.#begin(liveId, room);
    if (!room) await this.#act("read", () => this.#read());
    if (this.#liveId === liveId) this.resume();
  }

  /** End the stream of events; a page has few connections, and keeps them while nobody looks. */
  pause() {
    this.#watching?.abort();
    this.#watching = undefined;
  }

  /** Hear of the room, or hear of it again. */
  resume() {
    if (this.#watching || !this.#room || this.#isGone || document.hidden) return;
    this.#watching = new AbortController();
    this.#watch(this.#watching.signal);
  }

  #begin(liveId, room) {
    this.#liveId = liveId;
    this.#room = room;
    this.#heard = undefined;
    this.#isGone = false;
    this.#events = [];
    this.#stream = "off";
    this.#streamed = undefined;
    if (!room) this.#answer = this.#problem = undefined;
    this.translate();
  }

  async #watch(signal) {
    try {
      for await (const event of this.#gateway.watchRoom(this.#liveId, { signal })) this.#hear(event);
    } catch (error) {
      this.#problem = error;
    }
    if (signal.aborted) return;
    this.#stream = "over";
    this.render();
  }

  #hear(event) {
    const at = new Date();
    if (event.type === "deleted") {
      this.#isGone = true;
      this.#log({ at, type: "deleted" });
    } else {
      const changed = this.#heard && changes(this.#heard, event.room);
      if (!changed) this.#log({ at, type: "room" });
      else if (changed.length) this.#log({ at, type: "change", changed });
      this.#heard = event.room;
      const { push_url } = this.#room ?? {};
      this.#room = push_url ? { ...event.room, push_url } : event.room;
    }
    this.#page.seen(this.#room, this.#isGone);
    this.render();
  }

  #log(event) {
    this.#events = [event, ...this.#events].slice(0, MOST_EVENTS);
    const log = this.#find(".events ol");
    if (this.#events.length === 1) log.replaceChildren();
    log.prepend(line(event));
  }

  #told(exchange) {
    if (isStream(exchange)) {
      this.#streamed = exchange;
      this.#stream = exchange.status === 200 ? "open" : "connecting";
    } else if (exchange.status) this.#answer = exchange;
    this.render();
  }

  async #read() {
    this.#room = await this.#gateway.room(this.#liveId);
    this.#page.seen(this.#room, this.#isGone);
  }

  async #create() {
    const title = this.#find("[name=title]").value;
    const room = await this.#gateway.createRoom({ title });
    this.#page.opened(room, this);
  }

  /** Go live in place of the anchor's app, which asks the vendor and no gateway. */
  async #goLive() {
    const response = await this.#fetch(`${BASE}/console/rooms/${encodeURIComponent(this.#liveId)}/live`, {
      method: "POST",
      headers: { Authorization: `Bearer ${this.#user.token}` },
    });
    if (!response.ok) throw new Problem(response, await response.json());
  }

  /** Run an action unless another still runs; return whether it went well. */
  async #act(name, action) {
    if (this.#isBusy) return false;
    this.#isBusy = true;
    this.#problem = undefined;
    this.render();
    try {
      await action();
    } catch (error) {
      this.#problem = error;
    }
    this.#isBusy = false;
    this.render();
    this.#say(name);
    return !this.#problem;
  }

  #say(name) {
    const { said, stepLive, stepStop, stepDelete, read, create } = texts();
    const what = { create, read, live: stepLive, stop: stepStop, delete: stepDelete }[name];
    const spoken = this.#find(".spoken");
    if (!this.#problem) spoken.textContent = said.ok(this.#user.id, what);
    else spoken.textContent = said.refused(this.#user.id, what, worded(this.#problem).join(". "));
  }

  /** Show everything anew, in the chosen language. */
  render() {
    const isAnchor = this.#room?.anchor_info.user_id === this.#user.id;
    const role = this.#room ? (isAnchor ? "anchor" : "viewer") : "none";
    this.#root.dataset.role = role;
    this.#root.ariaBusy = String(this.#isBusy);
    this.#find(".role").textContent = texts().roles[role];
    for (const each of this.#root.querySelectorAll("[data-act]")) each.disabled = !this.#liveId;
    this.#renderView(isAnchor);
    this.#renderAnswer();
    const stream = this.#find(".stream");
    stream.textContent = texts().streams[this.#stream];
    stream.dataset.stream = this.#stream;
    this.#find(".watching").hidden = !this.#streamed;
    if (this.#streamed) this.#find(".watching pre").textContent = curl(this.#streamed, this.#variable);
  }

  #renderView(isAnchor) {
    const seen = this.#find(".seen");
    const wasOpen = seen.querySelector("details")?.open ?? false;
    seen.replaceChildren(...shown(this.#room, isAnchor, this.#isGone));
    const details = seen.querySelector("details");
    if (details) details.open = wasOpen;
    seen.classList.toggle("gone", this.#isGone);
  }

  #renderAnswer() {
    const answer = this.#answer;
    this.#find(".unasked").hidden = Boolean(answer || this.#problem);
    this.#find(".line").hidden = !answer && !this.#problem;
    const code = this.#find(".code");
    code.textContent = answer?.status ?? "–";
    code.dataset.kind = !answer || this.#problem ? "refused" : "good";
    this.#find(".asked").textContent = answer ? `${answer.method} ${new URL(answer.url).pathname}` : "";
    this.#find(".facts").replaceChildren(...(answer ? facts(answer) : []));
    this.#find(".command").hidden = !answer;
    if (answer) this.#find(".command pre").textContent = curl(answer, this.#variable);
    const problem = this.#find(".problem");
    problem.hidden = !this.#problem;
    problem.replaceChildren(...(this.#problem ? problemParts(this.#problem) : []));
  }

  /** Put the chosen language into the parts that are made once. */
  translate() {
    const { does, of, viewOf, copyTitle, example, noEvents } = texts();
    this.#find(".actions").ariaLabel = does(this.#user.id);
    for (const [name, label] of Object.entries(of)) this.#find(`.${name}`).ariaLabel = label(this.#user.id);
    this.#find(".events ol").ariaLabel = of.events(this.#user.id);
    this.#find(".view h3").textContent = viewOf(this.#user.id);
    this.#find("[name=title]").defaultValue = example;
    this.#find(".copy").title = copyTitle;
    const lines = this.#events.map(line);
    this.#find(".events ol").replaceChildren(...(lines.length ? lines : [empty(noEvents)]));
    this.render();
  }

  async #copy() {
    await navigator.clipboard.writeText(curl(this.#answer, this.#user.token));
    const button = this.#find(".copy");
    this.#find(".spoken").textContent = button.textContent = texts().copied;
    setTimeout(() => (button.textContent = texts().copy), 1500);
  }

  #find(selector) {
    return this.#root.querySelector(selector);
  }

  #made() {
    const root = document.querySelector("#side").content.firstElementChild.cloneNode(true);
    const { id } = this.#user;
    root.id = id;
    root.setAttribute("aria-labelledby", `${id}-name`);
    root.querySelector("h2").id = `${id}-name`;
    root.querySelector("h2").textContent = id;
    root.querySelector(".avatar").textContent = id[0].toUpperCase();
    root.querySelector(".create").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#act("create", () => this.#create());
    });
    const actions = {
      read: () => this.#read(),
      live: () => this.#goLive(),
      stop: () => this.#gateway.stopRoom(this.#liveId),
      delete: () => this.#gateway.deleteRoom(this.#liveId),
    };
    for (const [name, action] of Object.entries(actions))
      root.querySelector(`[data-act=${name}]`).addEventListener("click", () => this.#act(name, action));
    root.querySelector(".copy").addEventListener("click", () => this.#copy());
    return root;
  }
}

const empty = (text) => element("li", { className: "nothing" }, text);

function line({ at, type, changed }) {
  const { gone, whole } = texts();
  const told = { deleted: gone, change: changed?.join("\n"), room: whole }[type];
  const kind = element("span", { className: "kind" }, type);
  kind.dataset.kind = type;
  const time = element("time", {}, at.toLocaleTimeString(language(), { hour12: false }));
  return element("li", {}, time, kind, element("span", { className: "told" }, told));
}

function facts({ cache, requestId, milliseconds }) {
  const { none, took, requestId: id, cache: name } = texts();
  return [
    fact(name, cache ?? none, cache ? "mono" : "none"),
    fact(id, requestId ?? none, "mono"),
    fact(took, `${milliseconds} ms`),
  ].map((pair) => element("div", {}, ...pair));
}

/** Return the title and the advice of a problem, in the chosen language. */
function worded(problem) {
  const { problems, unreachable, unreachableDetail } = texts();
  if (!(problem instanceof Problem)) return [unreachable, unreachableDetail];
  return problems[problem.code] ?? [problem.code.replaceAll("_", " "), problem.message];
}

function problemParts(problem) {
  const [title, detail] = worded(problem);
  const parts = [element("strong", {}, title), element("p", {}, detail)];
  if (problem.code) parts.splice(1, 0, element("code", {}, problem.code));
  for (const { field, message } of problem.errors ?? [])
    parts.push(element("p", { className: "field" }, element("code", {}, field), ` ${message}`));
  return parts;
}
