import { type CreateOptions, createRoom } from "./create.js";
import type { NewRoom, Room, Rooms } from "./exact.js";
import { type CallOptions, Http, type Options } from "./http.js";
import { type Broadcast, type GoLiveOptions, goLive } from "./live.js";
import { Remembered } from "./remembered.js";
import { type RoomEvent, watchRoom } from "./watch.js";

export type { CreateOptions } from "./create.js";
export type { Exact, NewRoom, Room, Rooms } from "./exact.js";
export type { CallOptions, Options } from "./http.js";
export type { Broadcast, GoLiveOptions } from "./live.js";
export { type FieldProblem, Problem } from "./problem.js";
export type { components, operations, paths } from "./schema.js";
export type { Timing } from "./timing.js";
export type { RoomEvent } from "./watch.js";

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
    const path = `rooms:${liveIds.join()}`;
    const { body, response } = await this.#http.send((headers) =>
      this.#http.api.GET("/v1/rooms", {
        params: { query: { id: [...liveIds] } },
        headers: { ...headers, ...this.#remembered.condition(path) },
        parseAs: "text",
        signal: signal ?? null,
      }),
    );
    return this.#remembered.take(path, response, body) as Rooms;
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
    const path = { live_id: liveId };
    await this.#http.send(
      (headers) =>
        this.#http.api.POST("/v1/rooms/{live_id}/stop", {
          params: { path },
          headers,
          parseAs: "text",
          signal: signal ?? null,
        }),
      true,
    );
  }

  /** Delete a room, as its anchor. */
  async deleteRoom(liveId: string, { signal }: CallOptions = {}): Promise<void> {
    const path = { live_id: liveId };
    await this.#http.send(
      (headers) =>
        this.#http.api.DELETE("/v1/rooms/{live_id}", {
          params: { path },
          headers,
          parseAs: "text",
          signal: signal ?? null,
        }),
      true,
    );
  }

  /**
   * Watch a room in the shape of viewers, until it is deleted or `signal` is aborted.
   *
   * It connects again after whatever goes wrong, hears nothing twice, and polls where no stream
   * can be had. Throws Problem if the room cannot be watched, as when another sign-in is needed.
   */
  watchRoom(liveId: string, options: CallOptions = {}): AsyncGenerator<RoomEvent, void, undefined> {
    const poll = (signal?: AbortSignal) => this.#read(liveId, { signal });
    return watchRoom(this.#http, liveId, poll, options);
  }

  async #read(liveId: string, { signal }: CallOptions): Promise<{ room: Room; maxAge: number }> {
    const { body, response } = await this.#http.send((headers) =>
      this.#http.api.GET("/v1/rooms/{live_id}", {
        params: { path: { live_id: liveId } },
        headers: { ...headers, ...this.#remembered.condition(liveId) },
        parseAs: "text",
        signal: signal ?? null,
      }),
    );
    const maxAge = /max-age=(\d+)/.exec(response.headers.get("Cache-Control") ?? "");
    const room = this.#remembered.take(liveId, response, body) as Room;
    return { room, maxAge: Math.max(1, Number(maxAge?.[1] ?? 1)) };
  }
}
