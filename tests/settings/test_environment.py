"""The environment as a whole: all problems, files, unknown names, hidden secrets."""

import dataclasses
import pickle
import traceback
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.settings import (
    Problem,
    Settings,
    SettingsError,
    Variable,
    load,
    load_jwt,
    variables,
)

LONG = "x" * 32
CANARY = "canary-7Qe9"
NAMES = [name for each in variables(Settings) for name in each.names]
SECRETS = [each for each in variables(Settings) if each.file]


def test_every_problem_is_reported_at_once_and_in_order() -> None:
    """One run names every problem: missing, invalid, conflicting and unknown variables."""
    problems = _problems(
        {
            "GATEWAY_TYPO": "1",
            "GATEWAY_PORT": "0",
            "GATEWAY_JWT_LEEWAY": "soon",
            "GATEWAY_JWT_SECRET_PREVIOUS_FILE": "/nowhere",
            "GATEWAY_UPSTREAM_URL": "live.example.com",
            "GATEWAY_SECRET_KEY": "s k",
            "PATH": "/bin",
        }
    )
    assert [problem.variable for problem in problems] == [
        "GATEWAY_ACCESS_KEY",
        "GATEWAY_SECRET_KEY",
        "GATEWAY_UPSTREAM_URL",
        "GATEWAY_JWT_SECRET",
        "GATEWAY_JWT_SECRET_PREVIOUS_FILE",
        "GATEWAY_JWT_SECRET_PREVIOUS_FILE",
        "GATEWAY_JWT_LEEWAY",
        "GATEWAY_PORT",
        "GATEWAY_TYPO",
    ]


def test_the_error_reads_as_sentences() -> None:
    """The error's text is a sentence for each problem, that begins with its variable."""
    error = SettingsError(Problem("GATEWAY_HOST", "must be X"), Problem("GATEWAY_A", "must be Y"))
    assert str(error) == "GATEWAY_HOST must be X; GATEWAY_A must be Y"


def test_settings_are_frozen(minimal: dict[str, str]) -> None:
    """No field can be changed after loading."""
    settings = load(minimal)
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]  # what is tested


def test_the_environment_is_not_changed(minimal: dict[str, str]) -> None:
    """Two loads of one mapping give equal settings and do not change it."""
    before = dict(minimal)
    assert load(minimal) == load(minimal)
    assert minimal == before


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n\r\n"])
def test_a_file_gives_the_value_without_its_last_newlines(
    minimal: dict[str, str], tmp_path: Path, ending: str
) -> None:
    """Trailing newlines of a secret's file are stripped."""
    del minimal["GATEWAY_SECRET_KEY"]
    settings = load(minimal | _file(tmp_path, "GATEWAY_SECRET_KEY", f"sk{ending}".encode()))
    assert settings.secret_key.reveal() == "sk"


def test_a_file_keeps_everything_but_its_last_newlines(
    minimal: dict[str, str], tmp_path: Path
) -> None:
    """Blanks and inner newlines of a secret's file are kept."""
    del minimal["GATEWAY_JWT_SECRET"]
    content = f"\n a\nb{LONG} \t\n"
    settings = load(minimal | _file(tmp_path, "GATEWAY_JWT_SECRET", content.encode()))
    assert settings.jwt_secret is not None
    assert settings.jwt_secret.reveal() == content[:-1]


@pytest.mark.parametrize("variable", SECRETS, ids=lambda each: each.name)
def test_every_marked_variable_reads_its_file(
    minimal: dict[str, str], tmp_path: Path, variable: Variable
) -> None:
    """A missing file is a problem of its NAME_FILE variable."""
    minimal.pop(variable.name, None)
    problems = _problems(minimal | {variable.file_name: str(tmp_path / "absent")})
    assert variable.file_name in [problem.variable for problem in problems]


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"", b"\n\r\n"], ids=["not UTF-8", "empty", "only newlines"]
)
def test_a_file_without_a_usable_text(
    minimal: dict[str, str], tmp_path: Path, content: bytes
) -> None:
    """An empty file, or one that is not text, is a problem of the file variable."""
    del minimal["GATEWAY_ACCESS_KEY"]
    [problem] = _problems(minimal | _file(tmp_path, "GATEWAY_ACCESS_KEY", content))
    assert problem.variable == "GATEWAY_ACCESS_KEY_FILE"


@pytest.mark.parametrize("path", ["/nowhere/at/all", ".", "a\0b", "x" * 5000, "\udcff"])
def test_a_file_that_cannot_be_read(minimal: dict[str, str], path: str) -> None:
    """An unreadable path is a problem of the file variable and is not quoted."""
    del minimal["GATEWAY_ACCESS_KEY"]
    [problem] = _problems(minimal | {"GATEWAY_ACCESS_KEY_FILE": path})
    assert problem.variable == "GATEWAY_ACCESS_KEY_FILE"
    assert "nowhere" not in problem.message


def test_a_bad_value_in_a_file_is_the_file_variables_problem(
    minimal: dict[str, str], tmp_path: Path
) -> None:
    """The problem names the variable that the value came from."""
    del minimal["GATEWAY_JWT_SECRET"]
    [problem] = _problems(minimal | _file(tmp_path, "GATEWAY_JWT_SECRET", b"short"))
    assert problem.variable == "GATEWAY_JWT_SECRET_FILE"


def test_a_value_and_a_file_at_once(minimal: dict[str, str], tmp_path: Path) -> None:
    """A value and a file for one variable are a problem, even with equal content."""
    [problem] = _problems(minimal | _file(tmp_path, "GATEWAY_ACCESS_KEY", b"ak"))
    assert problem.variable == "GATEWAY_ACCESS_KEY"
    assert "GATEWAY_ACCESS_KEY_FILE" in problem.message


def test_an_empty_value_does_not_conflict_with_a_file(
    minimal: dict[str, str], tmp_path: Path
) -> None:
    """An empty variable counts as unset, on either side."""
    minimal["GATEWAY_ACCESS_KEY"] = ""
    minimal["GATEWAY_SECRET_KEY_FILE"] = ""
    settings = load(minimal | _file(tmp_path, "GATEWAY_ACCESS_KEY", b"from-a-file"))
    assert settings.access_key.reveal() == "from-a-file"
    assert settings.secret_key.reveal() == "sk"


def test_files_are_read_as_they_are_passed_in(minimal: dict[str, str]) -> None:
    """Files are read with the function that the caller passes in."""
    del minimal["GATEWAY_ACCESS_KEY"]
    files = {Path("/run/ak"): b"from-a-map"}
    settings = load({**minimal, "GATEWAY_ACCESS_KEY_FILE": "/run/ak"}, files.__getitem__)
    assert settings.access_key.reveal() == "from-a-map"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("GATEWAY_UPSTREAM_URI", "GATEWAY_UPSTREAM_URL"),
        ("GATEWAY_ACESS_KEY", "GATEWAY_ACCESS_KEY"),
        ("GATEWAY_JWT_SECRET_FILES", "GATEWAY_JWT_SECRET_FILE"),
        ("GATEWAY_PORT_FILE", "GATEWAY_PORT"),
        ("GATEWAY_JWT_JWKS_URL_FILE", "GATEWAY_JWT_JWKS_URL"),
        ("GATEWAY_host", "GATEWAY_HOST"),
        ("GATEWAY_", "GATEWAY_"),
        ("GATEWAY_密", "GATEWAY_"),
    ],
)
def test_an_unknown_name_gets_the_nearest(minimal: dict[str, str], name: str, nearest: str) -> None:
    """A misspelt name is a problem with the nearest known name, whether it is empty or not."""
    for value in ("1", ""):
        [problem] = _problems({**minimal, name: value})
        assert problem.variable == name
        assert nearest in problem.message


@pytest.mark.parametrize(
    "name", ["GATEWAY_SERVICE_HOST", "GATEWAY_SERVICE_PORT_HTTP", "GATEWAY_PORT_80_TCP_ADDR"]
)
def test_kubernetes_service_variables_are_explained(minimal: dict[str, str], name: str) -> None:
    """A name that Kubernetes injects for a Service called gateway gets its remedy."""
    [problem] = _problems({**minimal, name: "10.0.0.1"})
    assert "enableServiceLinks" in problem.message


def test_other_variables_are_left_alone(minimal: dict[str, str]) -> None:
    """Only names with the gateway's prefix are checked."""
    load({**minimal, "MY_GATEWAY_PORT": "x", "GATEWAY": "x", "gateway_port": "x"})


def test_tokens_need_only_their_own_part() -> None:
    """The settings for tokens load without upstream keys."""
    settings = load_jwt({"GATEWAY_JWT_SECRET": LONG, "GATEWAY_PORT": "x"})
    assert settings.jwt_secret is not None
    assert settings.jwt_secret.reveal() == LONG
    assert settings.jwt_user_claim == "sub"


def test_the_part_for_tokens_is_checked_as_the_whole_is() -> None:
    """The settings for tokens are checked for their own rules and unknown names."""
    with pytest.raises(SettingsError) as refused:
        load_jwt({"GATEWAY_JWT_SECERT": LONG, "GATEWAY_JWT_LEEWAY": "x"})
    assert [problem.variable for problem in refused.value.problems] == [
        "GATEWAY_JWT_SECRET",
        "GATEWAY_JWT_LEEWAY",
        "GATEWAY_JWT_SECERT",
    ]


def test_settings_show_no_secret(minimal: dict[str, str]) -> None:
    """Settings show no secret in repr or str, and cannot be pickled."""
    secret = CANARY + LONG
    minimal |= {
        "GATEWAY_ACCESS_KEY": secret,
        "GATEWAY_SECRET_KEY": secret,
        "GATEWAY_JWT_SECRET": secret,
        "GATEWAY_JWT_SECRET_PREVIOUS": secret,
        "GATEWAY_REDIS_URL": f"redis://:{secret}@redis",
    }
    settings = load(minimal)
    assert CANARY not in f"{settings!r}{settings}{vars(settings)}"
    with pytest.raises(TypeError):
        pickle.dumps(settings)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", ["{}", "{} ", "{}\n\0密", "https://u:{}@h\udcff", "{}=" * 2000])
def test_errors_show_no_value(name: str, shape: str) -> None:
    """No message and no traceback repeats a secret that was given in the wrong variable."""
    with pytest.raises(SettingsError) as refused:
        load({name: shape.format(*[CANARY] * 2000), "GATEWAY_X": CANARY})
    shown = "".join(traceback.format_exception(refused.value))
    assert CANARY not in shown + repr(refused.value) + repr(refused.value.problems)


@given(
    st.dictionaries(
        st.sampled_from(NAMES),
        st.text(st.characters(exclude_categories=())) | st.from_regex(r"[ -~]{0,40}"),
    )
)
@example({"GATEWAY_UPSTREAM_URL": "http://[::1]", "GATEWAY_JWT_JWKS_URL": "http://0x.0x"})
def test_load_ends_in_settings_or_settings_error(environ: dict[str, str]) -> None:
    """Any text in any variable gives settings or SettingsError."""

    def absent(path: Path) -> bytes:
        raise FileNotFoundError(path)

    try:
        assert isinstance(load(environ, absent), Settings)
    except SettingsError as error:
        assert error.problems  # noqa: PT017  # both outcomes are right


def _file(folder: Path, name: str, content: bytes) -> dict[str, str]:
    path = folder / "value"
    path.write_bytes(content)
    return {f"{name}_FILE": str(path)}


def _problems(environ: dict[str, str]) -> tuple[Problem, ...]:
    with pytest.raises(SettingsError) as refused:
        load(environ)
    return refused.value.problems
