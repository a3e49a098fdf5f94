"""A gateway below a path prefix that nginx strips."""

import re
from pathlib import Path

from tests import clients
from tests.live.browser import needs_chromium, rendered
from tests.live.fault_server import rooms, serving
from tests.live.gateways import gateway_at, token
from tests.live.nginx import needs_nginx, nginx

PREFIX = "/live"


@needs_nginx
async def test_it_is_whole_below_its_prefix(tmp_path: Path) -> None:
    """Every path that the gateway tells a client leads back to it through the proxy."""
    async with (
        serving(rooms) as server,
        gateway_at(server.url, ROOT_PATH=PREFIX, JWT_ISSUER="https://id.test") as gateway,
    ):
        passes = f"location {PREFIX}/ {{ proxy_pass http://127.0.0.1:{gateway.port}/;"
        host = "proxy_set_header Host $http_host; }"
        with nginx(tmp_path, f"{passes} {host}") as proxy:
            async with clients.async_client(proxy.url) as client:
                index = (await client.get(f"{PREFIX}/")).json()
                index.pop("service")
                page = (await client.get(index["docs"])).text
                links = re.findall(r'(?:src|href)="(/[^"]+)"', page)
                assert len(links) == 6
                for path in (*index.values(), *links):
                    assert path.startswith(f"{PREFIX}/")
                    assert (await client.get(path)).status_code == 200, path
                assert f'data-document="{index["openapi"]}"' in page
                document = (await client.get(index["openapi"])).json()
                assert document["servers"] == [{"url": PREFIX}]

                refused = await client.get(f"{PREFIX}/v1/rooms/1")
                [metadata] = re.findall(
                    'resource_metadata="([^"]+)"', refused.headers["www-authenticate"]
                )
                resource = (await client.get(metadata)).json()["resource"]
                assert resource == f"{proxy.url}{PREFIX}"


@needs_nginx
@needs_chromium
async def test_a_browser_shows_the_docs_below_the_prefix(tmp_path: Path) -> None:
    """The page finds its scripts and the document, and would send requests below the prefix."""
    async with serving(rooms) as server, gateway_at(server.url, ROOT_PATH=PREFIX) as gateway:
        passes = f"location {PREFIX}/ {{ proxy_pass http://127.0.0.1:{gateway.port}/; }}"
        with nginx(tmp_path, passes) as proxy:
            shown = await rendered(f"{proxy.url}{PREFIX}/docs", tmp_path / "profile")
    assert f'<option value="{PREFIX}">' in shown
    for operation in ("createRoom", "getRoom", "stopRoom"):
        assert f'id="operations-rooms-{operation}"' in shown


async def test_a_created_room_is_below_the_prefix() -> None:
    """`Location` must be the path that clients use; the gateway itself knows no prefix."""
    alice = {"Authorization": f"Bearer {token('alice')}"}
    async with serving(rooms) as server, gateway_at(server.url, ROOT_PATH=PREFIX) as gateway:
        created = await gateway.client.post("/v1/rooms", json={"title": "t"}, headers=alice)
        location = created.headers["location"]
        assert location.startswith(f"{PREFIX}/v1/rooms/")
        assert (await gateway.client.get(location, headers=alice)).status_code == 404
        path = location.removeprefix(PREFIX)
        assert (await gateway.client.get(path, headers=alice)).status_code == 200
