"""The simulated vendor's client API: presence, the timer of ten minutes, and the list."""

from typing import Any

from tests.sandbox.conftest import NOW, Client


def status(client: Client, live_id: str) -> int:
    """Return the state of a room."""
    state: int = client.room(live_id)["live_status"]
    return state


def started(client: Client, **fields: Any) -> str:
    """Create a room, start it and return its id."""
    live_id: str = client.new_room(**fields)["live_id"]
    assert client.start(live_id).status_code == 200
    return live_id


def listed(client: Client, query: str = "live_status=1") -> dict[str, Any]:
    """Return a page of the list."""
    page: dict[str, Any] = client.client_call("GET", f"list?{query}").json()["data"]
    return page


def test_a_started_room_is_living(client: Client) -> None:
    """It begins at this moment; started again it begins anew."""
    live_id = started(client)
    assert client.room(live_id)["start_time"] == int(NOW)
    client.clock.now += 30
    client.start(live_id)
    assert client.room(live_id)["start_time"] == int(NOW) + 30


def test_a_room_ends_after_ten_minutes_without_a_heartbeat(client: Client) -> None:
    """Not before; an anchor's heartbeat begins them anew, another user's does not."""
    live_id = started(client)
    client.clock.now += 15
    client.beat(live_id)
    client.join(live_id, "bob")
    client.clock.now += 599
    assert status(client, live_id) == 1
    client.clock.now += 2
    assert status(client, live_id) == 2
    assert client.room(live_id)["end_time"] == int(client.clock.now)


def test_a_heartbeat_tells_of_the_end(client: Client) -> None:
    """A user in a room hears its state, also once it has ended."""
    live_id = started(client)
    client.clock.now += 601
    client.join(live_id)
    beat = client.beat(live_id).json()["data"]
    assert beat == {"live_id": live_id, "live_status": 2}


def test_a_user_is_in_one_room(client: Client) -> None:
    """Who joins another room has left the first."""
    first, second = started(client), started(client)
    assert client.beat(first).status_code == 500
    assert client.beat(second).status_code == 200
    client.join(first)
    assert client.beat(first).status_code == 200


def test_the_list_has_living_rooms_with_their_users(client: Client) -> None:
    """With `push_url` for whoever asks, and how many are in each just then."""
    client.new_room()
    live_id = started(client)
    client.join(live_id, "bob")
    page = listed(client)
    [room] = page["list"]
    assert (page["total_count"], page["end_page"]) == (1, True)
    assert (room["live_id"], room["online_count"], room["anchor_status"]) == (live_id, 2, 1)
    assert room["push_url"].startswith("rtmp://")
    client.clock.now += 21
    [room] = listed(client)["list"]
    assert (room["online_count"], room["anchor_status"]) == (0, 0)


def test_pages_of_the_list(client: Client) -> None:
    """The room that changed last comes first."""
    rooms = []
    for _ in range(3):
        rooms.append(started(client))
        client.clock.now += 1
    client.join(rooms[0])
    client.beat(rooms[0])
    query = "live_status=1&page_size=2&page_num={}"
    pages = [listed(client, query.format(number)) for number in (1, 2, 3)]
    found = [[room["live_id"] for room in page["list"]] for page in pages]
    assert found == [[rooms[0], rooms[2]], [rooms[1]], []]
    assert [(page["total_count"], page["page_total"]) for page in pages] == [(3, 2)] * 3


def test_a_token_is_for_its_user_alone(client: Client) -> None:
    """Bob's token starts no room of alice's, and one made with another key nothing at all."""
    live_id = client.new_room()["live_id"]
    assert client.start(live_id, "bob").status_code == 500
    token = client.token("alice")
    client.vendor.tokens.key = "another key, long enough for this algorithm"
    assert client.client_call("PUT", live_id, token=token).status_code == 401
    assert status(client, live_id) == 0


def test_a_token_makes_its_user(client: Client) -> None:
    """Who is unknown is known from then on, and can have rooms."""
    client.token("zoe")
    assert client.create(anchor_id="zoe").json()["data"]["anchor_info"]["user_id"] == "zoe"
