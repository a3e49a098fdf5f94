"""The Kubernetes manifests' parts fit each other, and the gateway in them."""

import re
import shlex
from pathlib import PurePosixPath
from typing import Any

import yaml

from gateway.edge.paths import HEALTH, READINESS
from gateway.settings import Settings
from tests.deployments.blocks import PEM, block, settings_of
from tests.test_container import argument

MANIFESTS: dict[str, Any] = {each["kind"]: each for each in yaml.safe_load_all(block("kubernetes"))}
DEPLOYMENT = MANIFESTS["Deployment"]
TEMPLATE = DEPLOYMENT["spec"]["template"]
POD = TEMPLATE["spec"]
[CONTAINER] = POD["containers"]
LABELS: dict[str, str] = TEMPLATE["metadata"]["labels"]
PORTS: dict[str, int] = {each["name"]: each["containerPort"] for each in CONTAINER["ports"]}
AUTOSCALER = MANIFESTS["HorizontalPodAutoscaler"]["spec"]

KEYS = {
    "access_key": b"ak\n",
    "secret_key": b"sk\n",
    "jwt.pem": PEM,
    "store_url": b"rediss://gateway:secret@valkey.internal:6379/0\n",
}
"""Contents of the secret, by the keys in it."""


def settings() -> Settings:
    """Return the container's settings, with the secret where it is mounted."""
    [mount] = CONTAINER["volumeMounts"]
    folder = PurePosixPath(mount["mountPath"])
    environ = {each["name"]: each["value"] for each in CONTAINER["env"]}
    return settings_of(environ, {str(folder / name): text for name, text in KEYS.items()})


def test_kinds() -> None:
    """There is one manifest of each kind, all of one name."""
    assert set(MANIFESTS) == {
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
    }
    assert block("kubernetes").count("\nkind: ") == len(MANIFESTS)
    assert len({each["metadata"]["name"] for each in MANIFESTS.values()}) == 1


def test_settings() -> None:
    """The environment is a valid configuration with a shared store, and sound."""
    assert settings().redis_url is not None


def test_the_secret() -> None:
    """The command of the document makes the secret that is mounted, with these keys."""
    words = shlex.split(block("kubernetes secret").replace("\\\n", " "))
    assert words[:4] == ["kubectl", "create", "secret", "generic"]
    made, *options = words[4:]
    assert {each.removeprefix("--from-file=") for each in options} == set(KEYS)
    [volume] = POD["volumes"]
    [mount] = CONTAINER["volumeMounts"]
    assert volume["secret"]["secretName"] == made
    assert (mount["name"], mount["readOnly"]) == (volume["name"], True)


def test_the_secret_is_readable() -> None:
    """The container's user reads the secret by its group, and others do not."""
    user, group = argument("USER").split(":")
    assert user != "0"
    assert POD["securityContext"]["fsGroup"] == int(group)
    assert POD["volumes"][0]["secret"]["defaultMode"] == 0o440


def test_ports() -> None:
    """The container's ports are those that the gateway listens on."""
    assert {"http": settings().port, "metrics": settings().metrics_port} == PORTS


def test_probes() -> None:
    """Liveness asks whether the process runs, readiness whether it can serve, both in public."""
    probes = {name: CONTAINER[name]["httpGet"] for name in CONTAINER if name.endswith("Probe")}
    assert probes == {
        "livenessProbe": {"path": HEALTH, "port": "http"},
        "readinessProbe": {"path": READINESS, "port": "http"},
    }


def test_traffic_ends_before_the_gateway_does() -> None:
    """Readiness has failed thrice, as Kubernetes needs, before connections are refused."""
    probe = CONTAINER["readinessProbe"]
    noticed = probe.get("periodSeconds", 10) * probe.get("failureThreshold", 3)
    assert noticed < settings().shutdown_delay


def test_time_to_stop() -> None:
    """A pod has time for its delay and its grace, and a second more, before it is killed."""
    needed = settings().shutdown_delay + settings().shutdown_grace
    assert POD["terminationGracePeriodSeconds"] > needed


def test_selectors() -> None:
    """Deployment, Service, budget and spread select the pods of the Deployment."""
    [spread] = POD["topologySpreadConstraints"]
    assert DEPLOYMENT["spec"]["selector"] == {"matchLabels": LABELS}
    assert MANIFESTS["Service"]["spec"]["selector"] == LABELS
    assert MANIFESTS["PodDisruptionBudget"]["spec"]["selector"] == {"matchLabels": LABELS}
    assert spread["labelSelector"] == {"matchLabels": LABELS}


def test_the_service_is_public() -> None:
    """The Service leads to the public port alone."""
    [port] = MANIFESTS["Service"]["spec"]["ports"]
    assert port["targetPort"] == "http"


def test_the_autoscaler() -> None:
    """The autoscaler alone sets the number of this Deployment's pods; it can tell their load."""
    assert AUTOSCALER["scaleTargetRef"] == {
        "apiVersion": DEPLOYMENT["apiVersion"],
        "kind": "Deployment",
        "name": DEPLOYMENT["metadata"]["name"],
    }
    assert "replicas" not in DEPLOYMENT["spec"]
    [metric] = AUTOSCALER["metrics"]
    assert metric["resource"]["name"] in CONTAINER["resources"]["requests"]
    assert metric["resource"]["target"]["type"] == "Utilization"


def test_one_pod_is_always_there() -> None:
    """Neither a rollout nor a drained node takes the last pod."""
    assert AUTOSCALER["maxReplicas"] > AUTOSCALER["minReplicas"] >= 2
    budget = MANIFESTS["PodDisruptionBudget"]["spec"]["maxUnavailable"]
    assert 1 <= budget < AUTOSCALER["minReplicas"]
    assert DEPLOYMENT["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_a_core_a_pod() -> None:
    """A pod asks for a core for each worker, and is never throttled."""
    assert float(CONTAINER["resources"]["requests"]["cpu"]) == settings().workers
    assert "cpu" not in CONTAINER["resources"]["limits"]


def test_confined() -> None:
    """The container is no root, has no capabilities or token, and writes to no file."""
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert POD["automountServiceAccountToken"] is False
    assert CONTAINER["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


def test_no_service_link_is_a_setting() -> None:
    """Kubernetes adds no GATEWAY_ variable for a Service."""
    assert POD["enableServiceLinks"] is False
    assert re.fullmatch(r"live-room-gateway:\S+", CONTAINER["image"])
