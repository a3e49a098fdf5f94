"""Commands, files and settings named in the documents must exist."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path

import click
import pytest

from gateway.cli import main
from gateway.settings import Settings, variables

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.joinpath(".github").glob("*.md"))]
NAMES = [document.name for document in DOCUMENTS]
TEXTS = {document: document.read_text(encoding="utf-8") for document in DOCUMENTS}

FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SHELL = {"sh", "console"}
OPERATORS = set("();<>|&")
ASSIGNMENT = re.compile(r"\w+=")
PLACES = (".", ".github/**", "gateway/**", "openapi", "tests/**")


def prose(text: str) -> str:
    """Return a document without its code blocks."""
    return FENCED.sub("", text)


def shell_lines(text: str) -> Iterator[str]:
    """Yield the command lines of the code blocks, without the output of sessions."""
    for language, code in FENCED.findall(text):
        if language not in SHELL:
            continue
        for line in code.replace("\\\n", " ").splitlines():
            if language == "sh":
                yield line
            elif line.lstrip().startswith("$ "):
                yield line.lstrip().removeprefix("$ ")


def commands(line: str) -> Iterator[list[str]]:
    """Yield the commands of a line as words, redirections excluded."""
    command: list[str] = []
    for word in shlex.shlex(line, posix=True, punctuation_chars=True):
        if set(word) <= OPERATORS:
            yield command
            command = []
        else:
            command.append(word)
    yield command


def named_commands(text: str) -> Iterator[list[str]]:
    """Yield every command of a document's code blocks and quoted prose."""
    inline = re.findall(r"`([^`\n]+)`", prose(text))
    for line in [*shell_lines(text), *(each for each in inline if "'" not in each)]:
        for command in commands(line):
            words = list(dropwhile(ASSIGNMENT.match, command))
            if words:
                yield words


def of_gateway(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each `gateway` command with arguments."""
    for program, *arguments in named_commands(text):
        if Path(program).name == "gateway" and arguments:
            yield arguments


def of_ours(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the module and arguments of each `python -m tests.…`."""
    for words in named_commands(text):
        match words:
            case [python, "-m", module, *arguments] if Path(python).name == "python":
                if module.startswith("tests"):
                    yield module, arguments
            case _:
                pass


GATEWAY = sorted({tuple(each) for text in TEXTS.values() for each in of_gateway(text)})
OURS = sorted({(module, *rest) for text in TEXTS.values() for module, rest in of_ours(text)})


def fits(arguments: tuple[str, ...]) -> bool:
    """Return true if the command line accepts these arguments; run nothing."""
    name, *rest = arguments
    try:
        if name.startswith("-"):
            main.make_context("gateway", list(arguments))
        else:
            main.commands[name].make_context(name, rest)
    except click.exceptions.Exit:  # --version and --help
        return True
    except (KeyError, click.UsageError):
        return False
    return True


def test_documents_are_searched() -> None:
    """The search finds known commands."""
    assert ("serve",) in GATEWAY
    assert ("check", "--offline", "--fail-on", "error") in GATEWAY
    assert ("tests.bench.soak", "--minutes", "10") in OURS


@pytest.mark.parametrize("arguments", GATEWAY, ids=" ".join)
def test_commands_exist(arguments: tuple[str, ...]) -> None:
    """Each `gateway …` in a document is a command with valid options and arguments."""
    assert fits(arguments)


@pytest.mark.parametrize(
    "arguments",
    [("sarve",), ("serve", "now"), ("check", "--ofline"), ("check", "--fail-on", "a"), ("--v",)],
    ids=" ".join,
)
def test_others_do_not(arguments: tuple[str, ...]) -> None:
    """An unknown command, option, value or argument fails the check."""
    assert not fits(arguments)


def test_every_command_is_told() -> None:
    """Every command is in a document."""
    assert set(main.commands) <= {arguments[0] for arguments in GATEWAY}


@pytest.mark.parametrize("command", OURS, ids=" ".join)
def test_our_programs_exist(command: tuple[str, ...]) -> None:
    """Each `python -m tests.…` is a program with these options."""
    module, *arguments = command
    told = subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-m", module, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    for option in (each for each in arguments if each.startswith("-")):
        assert re.search(rf"{option}\b", told)


def anchors(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*?) *$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_links_lead_somewhere(document: Path) -> None:
    """Each link within the repository leads to a file, and to a heading if named."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(TEXTS[document])):
        if re.match("[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        assert path.exists(), target
        assert not anchor or anchor in anchors(path.read_text(encoding="utf-8")), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_files_exist(document: Path) -> None:
    """Each named file exists: from the root, from `gateway/`, or by its name."""
    for name in re.findall(r"`([\w./*-]+\.(?:py|md|yaml|toml|sh))`", TEXTS[document]):
        tops = (".", "gateway") if "/" in name else PLACES
        assert any(any(ROOT.glob(f"{top}/{name}")) for top in tops), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_settings_exist(document: Path) -> None:
    """Each named GATEWAY_ variable exists; GATEWAY_X_… stands for several."""
    ours = {each.name for each in variables(Settings)}
    ours |= {f"{each.name}_FILE" for each in variables(Settings) if each.file}
    for name, open_end in re.findall(r"\b(GATEWAY_[A-Z_]+)\b(…?)", TEXTS[document]):
        assert name in ours or (open_end and any(each.startswith(name) for each in ours)), name
