import type { components } from "./schema.js";

type Schemas = components["schemas"];
type LargeId = "chat_id" | "im_userid";

/** A type whose 64-bit ids are text: as numbers they would be rounded. */
export type Exact<T> = T extends object
  ? { [K in keyof T]: K extends LargeId ? string : Exact<T[K]> }
  : T;

/** A room in the caller's shape; only its own anchor gets `push_url`. */
export type Room = Exact<Schemas["Room"]>;

/** Several rooms, the ids without a room, and those that could not be read now. */
export type Rooms = Exact<Schemas["RoomBatch"]>;

/** A page of living rooms, the number of all, and that of the next page, null after the last. */
export type LiveRooms = Exact<Schemas["LivePage"]>;

/** A room to create. */
export type NewRoom = Schemas["CreateRoom"];

// A key of a large id with its digits, or any other string, which is left alone.
const TOKEN = /("(?:chat_id|im_userid)"\s*:\s*)(-?\d+)(?![\d.eE])|"(?:[^"\\]|\\.)*"/g;

/** Parse JSON; `chat_id` and `im_userid` become text, digit for digit. */
export function parseExact(text: string): unknown {
  return JSON.parse(
    text.replace(TOKEN, (all, key?: string, digits?: string) => (key ? `${key}"${digits}"` : all)),
  );
}
