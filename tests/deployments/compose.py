"""The compose file of OPERATIONS.md, as Compose reads it."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import yaml

from gateway.settings import Settings
from tests.deployments.blocks import PEM, block, settings_of

IMAGE = "live-room-gateway:"
KEYS = MappingProxyType(
    {
        "./secrets/access_key": b"ak\n",
        "./secrets/secret_key": b"sk\n",
        "./secrets/jwt.pem": PEM,
        "./secrets/store_url": b"redis://gateway:secret@valkey:6379/0\n",
    }
)
"""Contents of key files, by their path here."""


def _interpolated(node: Any) -> Any:
    """Replace variables as Compose does. None is set, so `$$` alone is allowed."""
    match node:
        case dict():
            return {name: _interpolated(each) for name, each in node.items()}
        case list():
            return [_interpolated(each) for each in node]
        case str():
            assert "$" not in node.replace("$$", ""), f"Compose replaces a variable in {node}"
            return node.replace("$$", "$")
    return node


COMPOSE: dict[str, Any] = _interpolated(yaml.safe_load(block("compose")))
SERVICES: dict[str, Any] = COMPOSE["services"]
GATEWAYS = {name: each for name, each in SERVICES.items() if each["image"].startswith(IMAGE)}


def inside(service: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that a service has by its secrets, each with its path here."""
    return {f"/run/secrets/{name}": COMPOSE["secrets"][name]["file"] for name in service["secrets"]}


def gateway_settings(name: str) -> Settings:
    """Return the settings of one of the gateways."""
    service = GATEWAYS[name]
    files = {path: KEYS[source] for path, source in inside(service).items()}
    return settings_of(service["environment"], files)


def config(service: str, target: str) -> str:
    """Return the config that is in a service at `target`, or the path of its file here."""
    [source] = [each["source"] for each in SERVICES[service]["configs"] if each["target"] == target]
    of_it = COMPOSE["configs"][source]
    return str(of_it.get("content") or of_it["file"])


def seconds(text: str) -> int:
    """Return a duration such as `20s`."""
    found = re.fullmatch(r"(\d+)s", text)
    assert found, text
    return int(found[1])
