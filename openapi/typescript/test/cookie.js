// A page whose user signs in by cookie: it has no token, and its writes are meant.
const client = new LiveRoomGateway({ baseUrl: given.url });
const seen = { read: (await client.room("1")).live_id };
for await (const event of client.watchRoom("1")) {
  seen.watched = event.room.live_id;
  break;
}
seen.wrote = [await client.stopRoom("1"), await client.deleteRoom("2")].length;
await fetch("/report", { method: "POST", body: JSON.stringify(seen) });
