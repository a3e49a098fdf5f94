"""Clients in Kotlin, Swift and Dart: made by README's commands, and used as README's code does.

The Kotlin is compiled and run. No registry has a compiler of Swift or Dart, so those are read.
Maven fetches the generator and the compiler, so these tests are slow.
"""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.commands import ROOT
from tests.conftest import running_sandbox
from tests.generated import maven, readme

pytestmark = [pytest.mark.slow, maven.needs_maven]

DOCUMENT = ROOT / "openapi" / "gateway.json"


class Language(NamedTuple):
    """Where the sources of a client are, how a field looks in them, and its types."""

    name: str
    files: str
    field: str
    """A pattern with the groups `name` and `type`."""
    text: str
    integer: str
    """Of 64 bits."""


KOTLIN = Language(
    "kotlin",
    "src/main/kotlin/**/*.kt",
    r"^    val (?P<name>\w+): (?P<type>.+?)(?: = null)?,?$",
    "kotlin.String",
    "kotlin.Long",
)
SWIFT = Language(
    "swift",
    "Sources/**/*.swift",
    r"^    public var (?P<name>\w+): (?P<type>.+)$",
    "String",
    "Int64",
)
DART = Language("dart", "lib/**/*.dart", r"^  (?P<type>\S.*) (?P<name>\w+);$", "String", "int")
ALL = pytest.mark.parametrize("language", [KOTLIN, SWIFT, DART], ids=lambda each: each.name)


@pytest.fixture(scope="module")
def jars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generator, the compiler and the libraries of the Kotlin client."""
    return maven.fetched(tmp_path_factory.mktemp("maven"))


@pytest.fixture(scope="module")
def clients(jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the three clients, by language."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "openapi").mkdir()
    shutil.copy(DOCUMENT, folder / "openapi")
    [generator] = jars.glob("openapi-generator-cli-*.jar")
    main = " ".join((*maven.java([generator]), "org.openapitools.codegen.OpenAPIGenerator"))
    defined = f'openapi-generator-cli() {{ {main} "$@"; }}\n'
    with ThreadPoolExecutor() as pool:
        made = [defined + each for each in readme.commands()]
        list(pool.map(lambda each: maven.run("bash", "-c", each, at=folder), made))
    return folder / "clients"


def sources(clients: Path, language: Language) -> dict[str, str]:
    """Return the generated sources by the names of their files, in lower case."""
    found = (clients / language.name).glob(language.files)
    return {each.stem.lower().replace("_", ""): each.read_text("utf-8") for each in found}


def words(clients: Path, language: Language) -> set[str]:
    """Return all words in the generated sources."""
    return set(re.findall(r"\w+", " ".join(sources(clients, language).values())))


def fields(source: str, language: Language) -> dict[str, str]:
    """Return the type of each field of a generated class."""
    found = re.finditer(language.field, source, re.MULTILINE)
    return {each["name"]: each["type"] for each in found}


def test_readme_tells_what_is_tested(jars: Path) -> None:
    """README names the version of the generator, and has a command for each language."""
    [generator] = jars.glob("openapi-generator-cli-*.jar")
    version = generator.stem.rpartition("-")[2]
    assert f"=={version}`" in ROOT.joinpath("README.md").read_text("utf-8").replace("'`", "`")
    assert len(readme.commands()) == 3


@ALL
def test_the_types_of_a_room(clients: Path, language: Language) -> None:
    """`push_url` is optional, times are nullable, and ids and counters have 64 bits."""
    made = sources(clients, language)
    room = fields(made["room"], language)
    assert room["pushUrl"] == f"{language.text}?"
    assert room["startTime"] == room["endTime"] == f"{language.integer}?"
    assert {room[name] for name in ("chatId", "onlineCount", "pv", "uv")} == {language.integer}
    assert fields(made["anchor"], language)["imUserid"] == language.integer
    schema = json.loads(DOCUMENT.read_text("utf-8"))["components"]["schemas"]["Room"]
    assert len(room) == len(schema["properties"])
    assert {name for name, kind in room.items() if kind.endswith("?")} == {
        "pushUrl",
        "startTime",
        "endTime",
    }


@ALL
def test_a_create_needs_no_more_than_a_title(clients: Path, language: Language) -> None:
    """Every other field of a create is optional."""
    create = fields(sources(clients, language)["createroom"], language)
    assert [name for name, kind in create.items() if not kind.endswith("?")] == ["title"]
    assert len(create) > 5


@ALL
def test_apps_get_the_calls_that_they_make(clients: Path, language: Language) -> None:
    """The client has the calls for rooms, without those for machines and for streams."""
    made = words(clients, language)
    assert {"createRoom", "getRoom", "getRooms", "stopRoom", "deleteRoom"} <= made
    assert not {"watchRoom", "takeCallback", "getHealth"} & made


@pytest.mark.parametrize("language", [SWIFT, DART], ids=lambda each: each.name)
def test_readme_uses_what_is_there(clients: Path, language: Language) -> None:
    """Each type, member and argument in README's code is in the sources of the client."""
    used = readme.names(language.name)
    assert {"RoomsAPI" if language is SWIFT else "RoomsApi", "liveId", "stopRoom"} <= used
    assert used <= words(clients, language)


def test_the_text_in_swift_is_swift(clients: Path) -> None:
    """Models escape nothing in their text that Swift does not let them."""
    models = [each.read_text("utf-8") for each in (clients / "swift").glob("**/Models/*.swift")]
    escaped = {each for model in models for each in re.findall(r"\\(.)", model)}
    assert "\\" in escaped
    assert escaped <= set("0\\tnr\"'u(")


def test_the_kotlin_client_works(clients: Path, jars: Path, tmp_path: Path) -> None:
    """Compiled, it decodes both shapes of a room exactly, and has README's session."""
    paths = json.loads(DOCUMENT.read_text("utf-8"))["paths"]
    answer = paths["/v1/rooms/{live_id}"]["get"]["responses"]["200"]["content"]["application/json"]
    rooms = [answer["examples"][name]["value"] for name in ("viewer", "anchor")]
    with running_sandbox() as sandbox:
        session = readme.code("kotlin").replace("https://live.example.com", sandbox.url)
        (tmp_path / "Session.kt").write_text(session, "utf-8")
        compile_kotlin(jars, [clients / "kotlin/src/main/kotlin", maven.HERE, tmp_path], tmp_path)
        printed = maven.run(
            *maven.java([tmp_path, *jars.iterdir()]),
            "MainKt",
            sandbox.token("alice"),
            *map(json.dumps, rooms),
            at=tmp_path,
        )
    viewer, anchor, created, refused = printed.splitlines()
    assert viewer == "9007199254740995 9007199254740993 1791633600 null null"
    assert anchor == viewer.removesuffix("null") + rooms[1]["push_url"]
    assert re.fullmatch(r"\d+: rtmp://\S+", created)
    assert re.fullmatch(r"room_not_live \(request \w+\)", refused)


def compile_kotlin(jars: Path, sources: list[Path], classes: Path) -> None:
    """Compile to `classes`."""
    [serialization] = jars.glob("kotlin-serialization-compiler-plugin-*.jar")
    libraries = ":".join(map(str, jars.iterdir()))
    maven.run(
        *maven.java(jars.iterdir()),
        "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
        *("-no-stdlib", "-no-reflect", "-nowarn", f"-Xplugin={serialization}"),
        *("-cp", libraries, "-d", str(classes)),
        *map(str, sources),
        at=classes,
    )
