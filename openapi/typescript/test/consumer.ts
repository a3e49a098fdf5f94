// A program of somebody else's, who has the package alone and no types of browsers. It is compiled
// strictly with the types of all packages checked, and never run.
import {
  type CreateOptions,
  type FieldProblem,
  LiveRoomGateway,
  type NewRoom,
  type Options,
  Problem,
  type Room,
  type RoomEvent,
  type Rooms,
} from "live-room-gateway-client";

type HasAny<T> = 0 extends 1 & T
  ? true
  : T extends object
    ? true extends { [K in keyof T]: HasAny<T[K]> }[keyof T]
      ? true
      : false
    : false;
const found: [HasAny<{ each: any[] }>, HasAny<Room>, HasAny<Rooms>] = [true, false, false];
const taken: [HasAny<NewRoom>, HasAny<CreateOptions["key"]>] = [false, false];
const told: [HasAny<RoomEvent>, HasAny<FieldProblem>] = [false, false];

const options: Options = { baseUrl: "https://live.example.com", token: async () => "token" };
const gateway = new LiveRoomGateway(options);
const signal = AbortSignal.timeout(1000);

const made: Room = await gateway.createRoom({ title: "t", end_at: null }, { key: "k", signal });
const ids: [string, string] = [made.chat_id, made.anchor_info.im_userid];
const times: (number | null)[] = [made.start_time, made.end_time];
const pushUrl: string | undefined = made.push_url;
const { rooms, missing, failed } = await gateway.rooms([made.live_id], { signal });
const titles: string[] = [...rooms.map((room) => room.title), ...missing, ...failed];

try {
  for await (const event of gateway.watchRoom(made.live_id, { signal })) {
    if (event.type === "room") console.log(event.room.live_status satisfies number);
    // @ts-expect-error: a room that was deleted is not told
    else console.log(event.room);
  }
  // @ts-expect-error: a create needs a title
  await gateway.createRoom({ notice: "n" });
  await (gateway.stopRoom(made.live_id, { signal }) satisfies Promise<void>);
  await (gateway.deleteRoom(made.live_id, { signal }) satisfies Promise<void>);
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  const { code, status, requestId, retryAfter, errors, replayed } = error;
  console.log([code, requestId] satisfies string[], [status, retryAfter] satisfies unknown[]);
  console.log(errors.map(({ field, message }) => `${field}: ${message}`), replayed satisfies boolean);
}
console.log(found, taken, told, ids, times, pushUrl, titles);
