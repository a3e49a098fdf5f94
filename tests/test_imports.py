"""The direction of imports, and no state at module level: what keeps the house in order.

cli → sandbox's runner → app → metrics → edge, identity, upstream, cache, stores, telemetry → rooms
"""

import ast
import sys
from collections import Counter
from pathlib import Path

import grimp
import pytest

import gateway

GRAPH = grimp.build_graph("gateway", include_external_packages=True)
SOURCE = Path(gateway.__file__).parent

DIRECTION: dict[str, set[str]] = {
    "__main__": {"cli"},
    "cli": {"commands", "edge", "sandbox"},
    "commands": {
        "app",
        "checks",
        "keyring",
        "identity",
        "processes",
        "rooms",
        "sandbox",
        "serving",
        "settings",
        "telemetry",
        "traces",
    },
    "checks": {
        "callback_url",
        "identity",
        "keyring",
        "redis_url",
        "rooms",
        "secret",
        "serving",
        "settings",
        "shared_store",
        "threads",
        "upstream",
    },
    "sandbox": {
        *{"app", "callback_url", "edge", "keyring", "identity", "metrics", "rooms", "serving"},
        *{"settings", "telemetry"},
    },
    "app": {
        "background",
        "broadcasting",
        "cache",
        "handover",
        "keyring",
        "edge",
        "identity",
        "metrics",
        "orders",
        "rooms",
        "rotation",
        "settings",
        "sharing",
        "telemetry",
        "threads",
        "traces",
        "upstream",
        "watching",
    },
    "watching": {
        *{"background", "cache", "events", "identity", "metrics", "rooms", "secret", "settings"},
    },
    "broadcasting": {
        *{"cache", "edge", "metrics", "rooms", "settings", "sharing", "upstream"},
    },
    "events": {"rooms", "secret", "telemetry"},
    "sharing": {
        *{"background", "cache", "metrics", "redis_url", "rooms", "settings"},
        *{"shared_store", "stores"},
    },
    "background": set(),
    "metrics": {"edge", "events", "identity", "rooms", "shared_store", "telemetry", "upstream"},
    "keyring": {
        *{"background", "handover", "identity", "secret", "settings"},
        *{"threads", "upstream", "telemetry"},
    },
    "handover": {"secret"},
    "orders": {"handover", "rooms"},
    "refusal_replica": {"background", "orders", "rooms", "shared_refusals", "shared_store"},
    "shared_refusals": {"rooms", "shared_store"},
    "side_thread": set(),
    "rotation": {"settings", "telemetry"},
    "edge": {"callback_url", "events", "media_type", "rooms", "secret", "telemetry"},
    "identity": {"rooms", "secret", "single_flight", "telemetry"},
    "upstream": {"media_type", "proxy", "rooms", "secret", "single_flight", "telemetry"},
    "cache": {"rooms", "shared_store", "single_flight", "telemetry"},
    "stores": {"rooms", "shared_store"},
    "callback_url": {"secret"},
    "media_type": set(),
    "single_flight": set(),
    "telemetry": set(),
    "traces": {"edge", "rooms", "settings", "upstream"},
    "processes": {
        *{"app", "edge", "handover", "keyring", "metrics", "orders"},
        *{"refusal_replica", "rooms", "rotation", "serving", "settings", "shared_store"},
        *{"side_thread", "telemetry", "traces"},
    },
    "settings": {"proxy", "redis_url", "secret"},
    "serving": {"threads"},
    "rooms": {"secret", "single_flight"},
    "proxy": {"secret"},
    "redis_url": {"secret"},
    "shared_store": {"redis_url", "telemetry"},
    "secret": set(),
    "threads": set(),
}
"""What each part may import of the others; any may import the package's own `__version__`."""

RUNNER = {
    *{"gateway.sandbox", "gateway.sandbox.console_page", "gateway.sandbox.run"},
    *{"gateway.sandbox.terminal", "gateway.sandbox.welcome"},
}

OURS = sorted(name for name in GRAPH.modules if name.split(".")[0] == "gateway")


def part(module: str) -> str:
    """Return the part of the house that a module belongs to; empty for the root and others."""
    house, _, inner = module.partition(".")
    return inner.partition(".")[0] if house == "gateway" else ""


def imported_by(module: str) -> set[str]:
    """Return the modules of ours that `module` imports."""
    return {name for name in GRAPH.find_modules_directly_imported_by(module) if name in OURS}


def modules_of(name: str) -> list[str]:
    """Return the modules of a part."""
    return [module for module in OURS if part(module) == name]


def test_every_part_has_its_place() -> None:
    """A new part is put into the direction before it is used."""
    assert {part(module) for module in OURS} - {""} == set(DIRECTION)


def test_no_module_is_overlooked() -> None:
    """Every file of ours is in the graph that the tests look at."""
    files = {path.relative_to(SOURCE.parent).with_suffix("") for path in SOURCE.rglob("*.py")}
    assert {".".join(file.parts).removesuffix(".__init__") for file in files} == set(OURS)


def test_no_two_modules_have_one_name() -> None:
    """A module or package has a name of its own, so that the name alone says which is meant."""
    names = Counter(name.rpartition(".")[2] for name in OURS)
    twice = {name for name, count in names.items() if count > 1}
    assert twice == set()


@pytest.mark.parametrize("name", DIRECTION)
def test_imports_run_one_way(name: str) -> None:
    """A part imports only those below it."""
    imported = {part(each) for module in modules_of(name) for each in imported_by(module)}
    assert imported - {"", name} <= DIRECTION[name]


def test_the_direction_has_no_circle() -> None:
    """The table itself runs one way."""
    remaining = dict(DIRECTION)
    while leaves := [name for name, below in remaining.items() if not below & remaining.keys()]:
        for name in leaves:
            del remaining[name]
    assert not remaining


@pytest.mark.parametrize("module", OURS)
def test_no_package_reaches_into_another(module: str) -> None:
    """A sibling is imported from its root; only within a package are imports relative."""
    for node in ast.walk(_tree(module)):
        match node:
            case ast.ImportFrom(module=str(source), level=0):
                named = [source]
            case ast.Import(names=aliases):
                named = [alias.name for alias in aliases]
            case ast.ImportFrom(level=level):
                assert level == 1
                continue
            case _:
                continue
        assert [name for name in named if part(name) and name.count(".") > 1] == []


@pytest.mark.parametrize("module", modules_of("rooms"))
def test_the_domain_knows_no_technology(module: str) -> None:
    """`rooms` imports the standard library and msgspec's types, nothing else."""
    imported = {name.split(".")[0] for name in GRAPH.find_modules_directly_imported_by(module)}
    assert imported - sys.stdlib_module_names <= {"gateway", "msgspec"}
    assert not imported & {"socket", "ssl", "http", "urllib"}


@pytest.mark.parametrize("module", sorted(set(modules_of("sandbox")) - RUNNER))
def test_the_simulated_vendor_is_a_second_opinion(module: str) -> None:
    """It shares nothing with the gateway that it stands behind, nor its client library."""
    assert {part(name) for name in imported_by(module)} <= {"sandbox"}
    assert not imported_by(module) & RUNNER
    assert not {"litestar", "httpx"} & GRAPH.find_modules_directly_imported_by(module)


@pytest.mark.parametrize(
    "module", [name for name in OURS if part(name) not in {"cli", "processes"}]
)
def test_only_the_entry_reads_the_environment(module: str) -> None:
    """The environment is passed in: elsewhere nothing looks at `os.environ`."""
    names = [node.attr for node in ast.walk(_tree(module)) if isinstance(node, ast.Attribute)]
    assert not {"environ", "getenv", "putenv"} & set(names)


MUTABLE = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
MAKERS = {"dict", "list", "set", "bytearray", "deque", "defaultdict", "OrderedDict", "Counter"}
MAKERS |= {"TTLCache", "LRUCache", "TLRUCache", "WeakValueDictionary", "WeakSet"}


def mutable_names(tree: ast.Module) -> list[str]:
    """Return the names that a module or a class body assigns a mutable container."""
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = []
    for statement in [*tree.body, *(each for owner in classes for each in owner.body)]:
        match statement:
            case ast.Assign(targets=targets, value=value):
                names = [ast.unparse(target) for target in targets]
            case ast.AnnAssign(target=target, value=value):
                names = [ast.unparse(target)]
            case _:
                continue
        if isinstance(value, MUTABLE) or (
            isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] in MAKERS
        ):
            found += names
    return found


def _tree(module: str) -> ast.Module:
    path = SOURCE.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text())


@pytest.mark.parametrize("module", OURS)
def test_no_module_holds_state(module: str) -> None:
    """A module-level table is frozen (`MappingProxyType`, `frozenset`, a tuple), private or not."""
    assert [name for name in mutable_names(_tree(module)) if name != "__all__"] == []


@pytest.mark.parametrize("module", OURS)
def test_no_function_rebinds_a_module_name(module: str) -> None:
    """`global` is state too."""
    assert not [node for node in ast.walk(_tree(module)) if isinstance(node, ast.Global)]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("seen = {}", ["seen"]),
        ("_seen: dict[str, int] = {'a': 1}", ["_seen"]),
        ("a = b = []", ["a", "b"]),
        ("rooms = collections.deque()", ["rooms"]),
        ("class A:\n    seen = set()", ["seen"]),
        ("TABLE = MappingProxyType({'a': 1})", []),
        ("NAMES = frozenset({'a'})\nALIAS = dict[str, int]\nPAIR = (1, 2)", []),
        ("def f():\n    seen = {}", []),
    ],
)
def test_the_search_for_state_finds_it(source: str, found: list[str]) -> None:
    """The search above sees each way to hold state, and no constant."""
    assert mutable_names(ast.parse(source)) == found
