"""Callbacks of the simulated vendor, received over a real socket."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.conftest import Client

BASIC = "Basic cWxpdmU6cDpAc3M="
"""Of user `qlive`, password `p:@ss`."""


@dataclass(frozen=True)
class Callback:
    """One callback as received."""

    target: str
    headers: dict[str, str]
    body: Any


@dataclass
class Receiver:
    """A server that is told about rooms; its answers have `status`."""

    status: int = 200
    port: int = 0
    received: Queue[Callback] = field(default_factory=Queue)

    def next(self) -> Callback:
        """Wait for a callback and return it."""
        return self.received.get(timeout=30)

    @contextmanager
    def listening(self) -> Iterator[Receiver]:
        """Listen on a free port."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.put(Callback(self.path, headers, body))
                self.send_response(receiver.status)
                self.end_headers()
                self.wfile.write(b'{"code":0}')

            def log_message(self, *_: object) -> None:
                pass

        with HTTPServer(("127.0.0.1", 0), Handler) as server:
            self.port = server.server_port
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()


@pytest.fixture
def receiver(client: Client) -> Iterator[Receiver]:
    """A server that the vendor tells about rooms."""
    with Receiver().listening() as receiver:
        client.switch(callback_url=f"http://qlive:p%3A%40ss@127.0.0.1:{receiver.port}/hook?x=1")
        yield receiver


def test_a_create_tells_the_row(client: Client, receiver: Receiver) -> None:
    """`live_created` has the database row, with the id and the planned times."""
    made = client.send(
        "POST",
        "/server/live",
        json={"anchor_id": "ALICE", "title": "<t>", "start_at": "2027-01-15 16:30:00"},
        headers={"X-Reqid": "r-7"},
    ).json()["data"]
    told = receiver.next()
    assert told.body["type"] == "live_created"
    row = told.body["body"]
    assert (row["id"], row["live_id"], row["title"]) == (1, made["live_id"], "<t>")
    assert (row["anchor_id"], row["live_status"], row["extends"]) == ("ALICE", 0, None)
    assert (row["start_at"], row["end_at"]) == (1_800_001_800, None)
    assert (row["push_url"], row["rtmp_play_url"]) == (made["push_url"], made["rtmp_url"])
    assert "anchor_info" not in row


def test_how_it_arrives(client: Client, receiver: Receiver) -> None:
    """A POST of JSON with Basic credentials and the request id, without a signature."""
    json_body = {"anchor_id": "alice"}
    client.send("POST", "/server/live", json=json_body, headers={"X-Reqid": "r-7"})
    told = receiver.next()
    assert told.target == "/hook?x=1"
    assert told.headers["authorization"] == BASIC
    assert told.headers["content-type"] == "application/json"
    assert told.headers["x-reqid"] == "r-7"
    assert not {"x-qiniu-date", "cookie"} & told.headers.keys()


def test_other_events_have_the_id_only(client: Client, receiver: Receiver) -> None:
    """Starts, stops by anyone and deletes name the room and nothing else."""
    live_id, other = client.living_room(), client.living_room()
    client.stop(live_id)
    client.delete(live_id)
    client.censor(other)
    told = [receiver.next().body for _ in range(7)]
    rest = [event for event in told if event["type"] != "live_created"]
    assert sorted((event["type"], event["body"]["live_id"]) for event in rest) == sorted(
        [
            ("live_started", live_id),
            ("live_started", other),
            ("live_stopped", live_id),
            ("live_stopped", other),
            ("live_deleted", live_id),
        ]
    )
    assert all(event["body"].keys() == {"live_id"} for event in rest)


def test_it_can_come_before_the_reply(client: Client, receiver: Receiver) -> None:
    """With `callback_first` the callback was answered by the time that the reply arrives."""
    client.switch(callback_first=True)
    client.create()
    assert receiver.received.qsize() == 1


@pytest.mark.parametrize("status", [302, 500])
def test_it_is_sent_once(client: Client, receiver: Receiver, status: int) -> None:
    """A failure is neither retried nor told to the caller."""
    receiver.status = status
    client.switch(callback_first=True)
    assert client.create().status_code == 200
    live_id = client.living_room()
    assert client.room(live_id)["live_status"] == 1
    assert receiver.received.qsize() == 3


def test_a_lost_commit_tells_nobody(client: Client, receiver: Receiver) -> None:
    """The vendor itself takes the room for failed; so does it after a panic."""
    client.switch(callback_first=True, lost_commits=1)
    client.create()
    client.switch(panic=True)
    client.create()
    assert receiver.received.empty()
    assert len(client.vendor.rooms) == 2


def test_a_failing_censor_does_not_silence_it(client: Client, receiver: Receiver) -> None:
    """A room that the censor refused is told as created."""
    client.switch(censor="fail", callback_first=True)
    client.create()
    assert receiver.received.qsize() == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[", "nonsense", "http://h:x/"])
def test_nobody_listens(client: Client, url: str) -> None:
    """A URL that leads nowhere does no harm."""
    client.switch(callback_url=url, callback_first=True)
    assert client.create().status_code == 200
