// One user's side of the page: what this user asks, is answered, sees and hears.

import { LiveRoomGateway } from "./client.js";
import { curl, isHeartbeat, isStream, recording } from "./recorded.js";
import { changes } from "./room.js";
import { SideView } from "./side_view.js";

const BASE = new URL(".", location.href).href.replace(/\/$/, "");
const MOST_EVENTS = 50;

const NO_ROOM = { room: undefined, isGone: false, events: [], stream: "off", streamed: undefined };
const NO_ANSWER = { answer: undefined, problem: undefined };

export class Side {
  #page;
  #view;
  #gateway;
  #heard; // the room of the last event
  #watching; // ends the stream of events
  #state = { liveId: "", isBusy: false, ...NO_ROOM, ...NO_ANSWER };

  /** `page` is told of a room created or seen here: `opened(room, side)`, `seen(room, isGone)`. */
  constructor(user, page) {
    this.#page = page;
    const fetch = recording((exchange) => this.#told(exchange));
    this.#gateway = new LiveRoomGateway({ baseUrl: BASE, token: () => user.token, fetch });
    this.#view = new SideView(user.id, {
      create: () => this.#create(),
      read: () => this.#read(),
      live: () => this.#gateway.goLive(this.#state.liveId),
      stop: () => this.#gateway.stopRoom(this.#state.liveId),
      delete: () => this.#gateway.deleteRoom(this.#state.liveId),
    });
    this.#view.onAct = (name, action) => this.#act(name, action);
    this.#view.onCopy = () => curl(this.#state.answer, user.token);
  }

  get root() {
    return this.#view.root;
  }

  /** Show everything in the chosen language. */
  translate() {
    this.#view.translate(this.#state);
  }

  /** Take up a room: read it once unless it is given, then hear of it. */
  async open(liveId, room) {
    this.pause();
    this.#heard = undefined;
    Object.assign(this.#state, { liveId }, NO_ROOM, { room }, room ? {} : NO_ANSWER);
    this.translate();
    if (!room) await this.#act("read", () => this.#read());
    if (this.#state.liveId === liveId) this.resume();
  }

  /** End the stream of events: a browser has six connections, and a hidden page would keep its own. */
  pause() {
    this.#watching?.abort();
    this.#watching = undefined;
  }

  /** Hear of the room, or hear of it again. */
  resume() {
    const { room, isGone } = this.#state;
    if (this.#watching || !room || isGone || document.hidden) return;
    this.#watching = new AbortController();
    this.#watch(this.#watching.signal);
  }

  async #watch(signal) {
    const { liveId } = this.#state;
    try {
      for await (const event of this.#gateway.watchRoom(liveId, { signal })) this.#hear(event);
    } catch (problem) {
      this.#log({ type: "problem", problem });
    }
    if (!signal.aborted) this.#change({ stream: "over" });
  }

  #hear(event) {
    if (event.type === "deleted") this.#log(event);
    else this.#hearRoom(event.room);
    const isGone = event.type === "deleted";
    this.#change({ isGone });
    this.#page.seen(this.#state.room, isGone);
  }

  #hearRoom(room) {
    const changed = this.#heard && changes(this.#heard, room);
    if (!changed) this.#log({ type: "room" });
    else if (changed.length) this.#log({ type: "change", changed });
    this.#heard = room;
    const { push_url } = this.#state.room ?? {}; // no event has it
    this.#state.room = push_url ? { ...room, push_url } : room;
  }

  #log(event) {
    const events = [{ ...event, at: new Date() }, ...this.#state.events].slice(0, MOST_EVENTS);
    this.#state.events = events;
    this.#view.log(events);
  }

  #told(exchange) {
    if (isHeartbeat(exchange)) return;
    if (!isStream(exchange)) this.#change({ answer: exchange });
    else this.#change({ streamed: exchange, stream: exchange.status === 200 ? "open" : "connecting" });
  }

  async #read() {
    const room = await this.#gateway.room(this.#state.liveId);
    this.#change({ room });
    this.#page.seen(room, this.#state.isGone);
  }

  async #create() {
    this.#page.opened(await this.#gateway.createRoom({ title: this.#view.title }), this);
  }

  /** Run an action unless another still runs. */
  async #act(name, action) {
    if (this.#state.isBusy) return;
    this.#change({ isBusy: true, problem: undefined });
    const problem = await action().then(() => undefined, (error) => error);
    this.#change({ isBusy: false, problem });
    this.#view.say(name, problem);
  }

  #change(changes) {
    Object.assign(this.#state, changes);
    this.#view.render(this.#state);
  }
}
