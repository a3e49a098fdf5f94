import copy
import pickle

import pytest

from gateway.secret import Secret

CANARY = "canary-of-a-secret"


def test_only_reveal_gives_the_text() -> None:
    """`reveal` returns the text that was put in."""
    assert Secret(CANARY).reveal() == CANARY


@pytest.mark.parametrize("shown", ["{!r}", "{!s}", "{}", "{!a}"])
def test_it_formats_as_a_placeholder(shown: str) -> None:
    """Every way of formatting shows the placeholder."""
    text = shown.format(Secret(CANARY))
    assert text.startswith("Secret(")
    assert "canary" not in text


def test_it_shows_nothing_inside_a_container() -> None:
    """A secret in a container shows the placeholder."""
    assert f"{[Secret(CANARY)]}" == "[Secret(…)]"
    assert "%s" % Secret(CANARY) == "Secret(…)"  # noqa: UP031  # logging formats this way


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_cannot_be_pickled(protocol: int) -> None:
    """Every pickle protocol refuses a secret without quoting it."""
    with pytest.raises(TypeError) as refused:
        pickle.dumps(Secret(CANARY), protocol)
    assert "canary" not in str(refused.value)


def test_it_cannot_be_copied() -> None:
    """A secret cannot be copied."""
    with pytest.raises(TypeError):
        copy.deepcopy(Secret(CANARY))


def test_it_offers_nothing_to_look_into() -> None:
    """A secret has no length, no attribute dictionary and no iterator."""
    secret = Secret(CANARY)
    for name in ("__len__", "__dict__", "__iter__", "__getitem__"):
        assert not hasattr(secret, name)


def test_equal_texts_are_equal_secrets() -> None:
    """Secrets are equal by text, even invalid Unicode, and never equal a plain text."""
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("\udcff") != Secret("ÿ")
    assert Secret("a") != "a"
