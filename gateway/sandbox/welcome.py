"""The text that `gateway sandbox` prints: two tokens and a session to paste."""

from gateway.callback_url import PATH

from .run import USERS, Sandbox


def welcome(sandbox: Sandbox, dialect: str) -> str:
    """Return the text, with a trailing newline."""
    tokens = "\n".join(f"  {user.upper()}={sandbox.token(user)}" for user in USERS)
    return f"""
Live room gateway, sandbox

  console   {sandbox.console}   open this first: alice and bob side by side
  gateway   {sandbox.url}   API: {sandbox.url}/docs
  upstream  {sandbox.upstream_url}   simulated, {dialect} dialect, every signature checked

Two users, signed in for a day. Paste into another terminal:

{tokens}
  ROOMS={sandbox.url}/v1/rooms

alice creates a room and gets its push_url:

  ROOM=$(curl -s $ROOMS -H "Authorization: Bearer $ALICE" -H 'Content-Type: application/json' \\
    -d '{{"title":"Friday session"}}' | tee /dev/stderr | sed -E 's/.*"live_id":"([^"]*)".*/\\1/')

bob reads it without push_url, alice with it:

  curl -s $ROOMS/$ROOM -H "Authorization: Bearer $BOB"
  curl -s $ROOMS/$ROOM -H "Authorization: Bearer $ALICE"

bob watches it, and hears of what follows until the room is deleted:

  curl -sN $ROOMS/$ROOM/events -H "Authorization: Bearer $BOB" &

alice goes live, so bob finds the room among those that are; then she stops and deletes it (bob may
not):

  curl -s -i -X POST $ROOMS/$ROOM/start -H "Authorization: Bearer $ALICE"
  curl -s {sandbox.url}/v1/live-rooms -H "Authorization: Bearer $BOB"
  curl -s -i -X POST $ROOMS/$ROOM/stop -H "Authorization: Bearer $ALICE"
  curl -s -i -X DELETE $ROOMS/$ROOM -H "Authorization: Bearer $ALICE"

The vendor tells the gateway of each change, so bob sees it at once, whatever is cached. It calls
{sandbox.url}{PATH} with a secret of this session.

The vendor's faults, such as a dead database or a lagging replica, are switched by
PUT {sandbox.upstream_url}/sandbox/faults; GET {sandbox.upstream_url}/sandbox lists them.

Ctrl-C stops both. Rooms and keys are not kept.
"""
