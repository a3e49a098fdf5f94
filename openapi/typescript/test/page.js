// What pages do with rooms, as an anchor and as a viewer whose first token is refused.
const { url, vendor, alice, bob } = given;
const as = (token) =>
  new LiveRoomGateway({ baseUrl: url, token: (refresh) => (refresh ? token : "refused") });
const told = (call) =>
  call.then(
    () => "done",
    ({ status, code, retryAfter, requestId }) => [status, code, retryAfter > 0, requestId !== ""],
  );
const [anchor, viewer] = [as(alice), as(bob)];
const seen = { events: [] };

const made = await anchor.createRoom({ title: "Friday session" });
const id = made.live_id;
const read = await viewer.room(id);
seen.large = BigInt(made.chat_id) > 2n ** 53n && read.chat_id === made.chat_id;
seen.pushUrls = [typeof made.push_url, typeof read.push_url];
seen.early = await told(anchor.stopRoom(id));
seen.foreign = await told(viewer.deleteRoom(id));
for await (const event of viewer.watchRoom(id)) {
  const status = event.room?.live_status;
  seen.events.push(status ?? event.type);
  if (status === 0) {
    await fetch(`${vendor}/sandbox/rooms/${id}/live`, { method: "POST", mode: "no-cors" });
  }
  if (status === 1) await anchor.stopRoom(id);
  if (status === 2) await anchor.deleteRoom(id);
}
do seen.limited = await told(viewer.stopRoom(id));
while (seen.limited[0] === 404);
await fetch("/report", { method: "POST", body: JSON.stringify(seen) });
