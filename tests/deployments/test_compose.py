"""The compose file's parts fit each other, and the gateways in it."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployments.blocks import DOCUMENT, write_secrets
from tests.deployments.compose import (
    COMPOSE,
    GATEWAYS,
    IMAGE,
    KEYS,
    SERVICES,
    config,
    gateway_settings,
    seconds,
)
from tests.deployments.proxy import listens, upstreams
from tests.telemetry.promtool import promtool
from tests.telemetry.rules import RULES
from tests.test_container import DOCKERFILE

PROMETHEUS = "/etc/prometheus/prometheus.yml"
ADDRESSES = ip_network(COMPOSE["networks"]["default"]["ipam"]["config"][0]["subnet"])
GIVEN_OUT = ip_network(COMPOSE["networks"]["default"]["ipam"]["config"][0]["ip_range"])


def names(part: Any) -> list[str]:
    """Return the names in a list or a mapping; none without it."""
    return list(part or [])


def address(service: str) -> str:
    """Return a service's fixed address in the network that all but the store share."""
    return str(SERVICES[service]["networks"]["default"]["ipv4_address"])


def test_two_gateways() -> None:
    """There are two gateways at least, alike but for their addresses."""
    assert len(GATEWAYS) >= 2
    alike = [{**each, "networks": [*each["networks"]]} for each in GATEWAYS.values()]
    assert all(each == alike[0] for each in alike)


@pytest.mark.parametrize("name", GATEWAYS)
def test_settings(name: str) -> None:
    """A gateway's environment is a valid configuration with a shared store, and sound."""
    assert gateway_settings(name).redis_url is not None


@pytest.mark.parametrize("name", GATEWAYS)
def test_time_to_stop(name: str) -> None:
    """A gateway has time for its delay and its grace, and a second more, before it is killed."""
    settings = gateway_settings(name)
    needed = settings.shutdown_delay + settings.shutdown_grace
    assert seconds(GATEWAYS[name]["stop_grace_period"]) > needed


def test_all_that_is_named_is_defined() -> None:
    """Services name secrets, configs, networks and volumes that are defined, and all of these."""
    for part in ("secrets", "networks"):
        used = [name for each in SERVICES.values() for name in names(each.get(part, []))]
        assert set(used) | {"default"} == set(COMPOSE[part]) | {"default"}, part
    configs = [each["source"] for one in SERVICES.values() for each in one.get("configs", [])]
    assert sorted(configs) == sorted(COMPOSE["configs"])
    volumes = [each.split(":")[0] for one in SERVICES.values() for each in one.get("volumes", [])]
    assert sorted(volumes) == sorted(COMPOSE["volumes"])


def test_every_secret_is_told(tmp_path: Path) -> None:
    """The document names, or writes, each file of a secret."""
    written = {each.name for each in write_secrets(tmp_path).iterdir()}
    files = {Path(each["file"]).name for each in COMPOSE["secrets"].values()}
    assert written <= files
    assert all(f"`secrets/{name}`" in DOCUMENT for name in files - written)
    assert {f"./secrets/{name}" for name in files} >= set(KEYS)


@pytest.mark.parametrize("name", SERVICES)
def test_confined(name: str) -> None:
    """A service has a read-only root, no capabilities, and gets no privileges."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert ":" in service["image"]


@pytest.mark.parametrize("name", SERVICES)
def test_waits_for_services_with_a_health_check(name: str) -> None:
    """A service waits only for services whose health is checked, here or in their image."""
    for each, how in SERVICES[name].get("depends_on", {}).items():
        assert how == {"condition": "service_healthy"}
        of_image = SERVICES[each]["image"].startswith(IMAGE) and "HEALTHCHECK" in DOCKERFILE
        assert of_image or "healthcheck" in SERVICES[each]


def test_the_proxy_knows_the_gateways() -> None:
    """Requests go to the public port of every gateway, and to nothing else."""
    served = {f"{name}:{gateway_settings(name).port}" for name in GATEWAYS}
    assert upstreams() == served


def test_the_gateways_know_the_proxy() -> None:
    """Each gateway believes what nginx says of the client's address, and nobody else."""
    for name in GATEWAYS:
        assert gateway_settings(name).trusted_proxies == (ip_network(address("nginx")),)


def test_addresses() -> None:
    """Fixed addresses differ, are in the network, and are never given to another service."""
    fixed = [ip_address(address(name)) for name in ("nginx", *GATEWAYS)]
    assert len(set(fixed)) == len(fixed)
    assert all(each in ADDRESSES and each not in GIVEN_OUT for each in fixed)


def test_what_is_published() -> None:
    """Clients reach nginx alone; Prometheus is for this machine."""
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    port = listens()
    assert published == {"nginx": [f"443:{port}"], "prometheus": ["127.0.0.1:9090:9090"]}


def test_the_store_is_private() -> None:
    """The store's network has no way out, and only the store and the gateways are in it."""
    assert COMPOSE["networks"]["store"] == {"internal": True}
    inside = {name for name, each in SERVICES.items() if "store" in each.get("networks", [])}
    assert inside == {"valkey", *GATEWAYS}
    assert SERVICES["valkey"]["networks"] == ["store"]


def test_targets() -> None:
    """Prometheus scrapes the private port of every gateway, as one job."""
    [job] = yaml.safe_load(config("prometheus", PROMETHEUS))["scrape_configs"]
    [static] = job["static_configs"]
    scraped = {f"{name}:{gateway_settings(name).metrics_port}" for name in GATEWAYS}
    assert set(static["targets"]) == scraped


def test_prometheus_accepts_its_configuration(tmp_path: Path) -> None:
    """Prometheus accepts its configuration, with the alerts beside it."""
    for each in SERVICES["prometheus"]["configs"]:
        target = Path(each["target"])
        assert target.parent == Path(PROMETHEUS).parent
        text = config("prometheus", each["target"])
        content = RULES if text == "./gateway-alerts.yaml" else text
        tmp_path.joinpath(target.name).write_text(content)
    assert "SUCCESS" in promtool("check", "config", tmp_path / Path(PROMETHEUS).name)


def test_the_alerts_are_told() -> None:
    """The document tells how the file with the alerts is made."""
    file = Path(COMPOSE["configs"]["alerts"]["file"]).name
    assert f"gateway alerts > {file}" in DOCUMENT
