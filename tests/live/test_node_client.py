"""Node's own `fetch` as a client, with queries and cookies as libraries for it write them."""

import asyncio
import json
import os
import shutil

import pytest

from tests.live.fault_server import rooms, serving
from tests.live.gateways import ALICE, BOB, gateway_at

NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(
    NODE is None and os.environ.get("CI") != "true",  # there it would not be missed
    reason="needs Node: apt-get install nodejs",
)

SCRIPT = """
const [url, alice, bob] = process.argv.slice(1);
const as = (token, more) => ({headers: {Authorization: "Bearer " + token, ...more}});
const told = [];
const ask = async (path, options) => {
  const answer = await fetch(url + path, options);
  const text = await answer.text();
  told.push([answer.status, text ? JSON.parse(text) : null, Object.fromEntries(answer.headers)]);
  return answer;
};
const create = (type, body) => ask("/v1/rooms", {
  method: "POST", body: JSON.stringify(body), ...as(alice, {"Content-Type": type}),
});
await create("application/json;charset=utf8", {title: "t", start_at: new Date().toISOString()});
await create("text/plain", {title: "t"});
await create("application/json", {title: 1, extends: []});
const query = new URLSearchParams([["id[]", "1"], ["id[]", "2"]]);
const batch = await ask("/v1/rooms?" + query, as(bob));
await ask("/v1/rooms?" + query, as(bob, {"If-None-Match": batch.headers.get("etag")}));
const cookie = `session.0=${bob.slice(0, 50)}; session.1=${bob.slice(50)}`;
await ask("/v1/rooms/1", {headers: {Cookie: cookie, Authorization: ""}});
console.log(JSON.stringify(told));
"""


async def test_a_client_on_node() -> None:
    """What libraries for Node send is understood, and what they are told is theirs to use."""
    settings = {"JWT_COOKIE": "session", "CORS_ORIGINS": "https://app.test"}
    async with serving(rooms) as server, gateway_at(server.url, **settings) as gateway:
        url = f"http://127.0.0.1:{gateway.port}"
        command = (str(NODE), "--input-type=module", "-e", SCRIPT, "--", url, ALICE, BOB)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
    created, typed, wrong, batch, again, by_cookie = json.loads(output)
    assert created[0] == 201
    assert (typed[0], typed[2]["accept"]) == (415, "application/json")
    assert wrong[0] == 400
    assert [each["message"] for each in wrong[1]["errors"]] == [
        "must be a string of 1 to 128 characters",
        "must be an object whose values are strings, or null",
    ]
    assert [each["live_id"] for each in batch[1]["rooms"]] == ["1", "2"]
    assert (again[0], again[1]) == (304, None)
    assert by_cookie[0] == 200
