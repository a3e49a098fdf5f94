import { type CreateOptions, createRoom } from "./create.js";
import { type LiveRooms, type NewRoom, parseExact, type Room, type Rooms } from "./exact.js";
import { type Answer, type CallOptions, Http, type Options, type PageOptions } from "./http.js";
import { type Broadcast, type GoLiveOptions, goLive } from "./live.js";
import { Remembered } from "./remembered.js";
import { type RoomEvent, watchRoom } from "./watch.js";

export type { CreateOptions } from "./create.js";
export type { Exact, LiveRooms, NewRoom, Room, Rooms } from "./exact.js";
export type { CallOptions, Options, PageOptions } from "./http.js";
export type { Broadcast, GoLiveOptions } from "./live.js";
export { type FieldProblem, Problem } from "./problem.js";
export type { components, operations, paths } from "./schema.js";
export type { Timing } from "./timing.js";
export type { RoomEvent } from "./watch.js";

const UNCACHED = 5; // seconds between reads of an answer that is good for none, an anchor's own room

type Call = Parameters<Http["send"]>[0];

/** A live room gateway, as one user sees it. Every call may throw Problem, or as `fetch` does. */
export class LiveRoomGateway {
  readonly #http: Http;
  readonly #remembered = new Remembered();

  constructor(options: Options) {
    this.#http = new Http(options);
  }

  /** Create a room for the caller; repeated by itself, it makes one room at most. */
  createRoom(room: NewRoom, options: CreateOptions = {}): Promise<Room> {
    return createRoom(this.#http, room, options);
  }

  /** Read a room. */
  async room(liveId: string, options: CallOptions = {}): Promise<Room> {
    return (await this.#read(liveId, options)).room;
  }

  /** Read up to 50 rooms in the shape of viewers. */
  async rooms(liveIds: readonly string[], { signal }: CallOptions = {}): Promise<Rooms> {
    const query = { id: [...liveIds] };
    const { text } = await this.#remembering(
      `rooms:${liveIds.join()}`,
      (headers) =>
        this.#http.api.GET("/v1/rooms", {
          params: { query },
          headers,
          parseAs: "text",
          signal: signal ?? null,
        }),
      signal,
    );
    return parseExact(text) as Rooms;
  }

  /** Read a page of the living rooms, in the shape of viewers, where the gateway is set up for it. */
  async liveRooms({ page = 1, pageSize = 20, signal }: PageOptions = {}): Promise<LiveRooms> {
    const query = { page, page_size: pageSize };
    const { text } = await this.#remembering(
      `live-rooms:${page}/${pageSize}`,
      (headers) =>
        this.#http.api.GET("/v1/live-rooms", {
          params: { query },
          headers,
          parseAs: "text",
          signal: signal ?? null,
        }),
      signal,
    );
    return parseExact(text) as LiveRooms;
  }

  /**
   * Go live, as the room's anchor, where the gateway is set up for it.
   *
   * Heartbeats keep the room living until `stop` is called or `signal` is aborted; without them the
   * vendor ends it after ten minutes.
   */
  goLive(liveId: string, options: GoLiveOptions = {}): Promise<Broadcast> {
    return goLive(this.#http, liveId, options);
  }

  /** End a room's broadcast, as its anchor. */
  async stopRoom(liveId: string, { signal }: CallOptions = {}): Promise<void> {
    await this.#http.write(
      (headers) =>
        this.#http.api.POST("/v1/rooms/{live_id}/stop", {
          params: { path: { live_id: liveId } },
          headers,
          parseAs: "text",
          signal: signal ?? null,
        }),
      { signal },
    );
  }

  /** Delete a room, as its anchor. */
  async deleteRoom(liveId: string, { signal }: CallOptions = {}): Promise<void> {
    await this.#http.write(
      (headers) =>
        this.#http.api.DELETE("/v1/rooms/{live_id}", {
          params: { path: { live_id: liveId } },
          headers,
          parseAs: "text",
          signal: signal ?? null,
        }),
      { signal },
    );
  }

  /**
   * Watch a room in the shape of viewers, until it is deleted or `signal` is aborted.
   *
   * It connects again after whatever goes wrong, tells nothing twice, and reads the room now and
   * then while no stream can be had. Throws Problem if the room cannot be watched, as when another
   * sign-in is needed, and as `token` does, but for a lost connection.
   */
  watchRoom(liveId: string, options: CallOptions = {}): AsyncGenerator<RoomEvent, void, undefined> {
    return watchRoom(this.#http, liveId, (given) => this.#read(liveId, given), options);
  }

  async #read(liveId: string, { signal }: CallOptions): Promise<{ room: Room; maxAge: number }> {
    const { response, text } = await this.#remembering(
      liveId,
      (headers) =>
        this.#http.api.GET("/v1/rooms/{live_id}", {
          params: { path: { live_id: liveId } },
          headers,
          parseAs: "text",
          signal: signal ?? null,
        }),
      signal,
    );
    const told = /max-age=(\d+)/.exec(response.headers.get("Cache-Control") ?? "");
    const maxAge = told ? Math.max(1, Number(told[1])) : UNCACHED;
    return { room: parseExact(text) as Room, maxAge };
  }

  /** Send a read; an unchanged answer's text is the last one's. */
  async #remembering(path: string, call: Call, signal: AbortSignal | undefined): Promise<Answer> {
    const known = this.#remembered.get(path);
    const condition: Record<string, string> = known ? { "If-None-Match": known.etag } : {};
    const sent = (headers: Record<string, string>) => call({ ...headers, ...condition });
    const answer = await this.#http.send(sent, { signal });
    if (answer.response.status === 304 && known) return { ...answer, text: known.text };
    this.#remembered.keep(path, answer.response.headers.get("ETag"), answer.text);
    return answer;
  }
}
