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
    """No way of formatting shows any of the text."""
    text = shown.format(Secret(CANARY))
    assert text.startswith("Secret(")
    assert "canary" not in text


def test_it_shows_nothing_inside_a_container() -> None:
    """A list or a percent format of secrets shows the placeholder too."""
    assert f"{[Secret(CANARY)]}" == "[Secret(…)]"
    assert "%s" % Secret(CANARY) == "Secret(…)"  # noqa: UP031  # logging formats this way


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_cannot_be_pickled(protocol: int) -> None:
    """Every pickle protocol refuses, without the text in the reason."""
    with pytest.raises(TypeError) as refused:
        pickle.dumps(Secret(CANARY), protocol)
    assert "canary" not in str(refused.value)


def test_it_cannot_be_copied() -> None:
    """Copies would be pickles in disguise."""
    with pytest.raises(TypeError):
        copy.deepcopy(Secret(CANARY))


def test_it_offers_nothing_to_look_into() -> None:
    """No length, no attribute dictionary, no iteration."""
    secret = Secret(CANARY)
    for name in ("__len__", "__dict__", "__iter__", "__getitem__"):
        assert not hasattr(secret, name)


def test_equal_texts_are_equal_secrets() -> None:
    """Secrets compare by text, also where it is not valid Unicode, and never equal a text."""
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("\udcff") != Secret("ÿ")
    assert Secret("a") != "a"
