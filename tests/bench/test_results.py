import pytest

from tests.bench.results import FILE, Row, replaced, told

_TEXT = """# Results

<!-- one -->
old
<!-- end of one -->

A note.

<!-- two -->
<!-- end of two -->
"""


def test_a_table_replaces_its_own_section_only() -> None:
    """A new table leaves other sections as they are."""
    once = replaced(_TEXT, "one", "| new \\1 |\n| row |")
    assert once == _TEXT.replace("old\n", "| new \\1 |\n| row |\n")
    assert "row" in once.partition("A note.")[0]
    assert replaced(once, "two", "| second |").startswith(once.partition("<!-- end of two")[0])


def test_a_table_without_a_section_is_refused() -> None:
    """A table without a section is refused."""
    with pytest.raises(ValueError, match="three"):
        replaced(_TEXT, "three", "")


@pytest.mark.parametrize("name", ["benchmark", "soak", "overload", "scaling", "streams"])
def test_each_script_has_its_section(name: str) -> None:
    """RESULTS.md has a section for each script."""
    assert "| x |" in replaced(FILE.read_text("utf-8"), name, "| x |")


def test_a_missed_row_says_so() -> None:
    """A row that missed its bound is marked; a row without one is not."""
    assert "**missed**" in str(Row("a", "b", "1", "≥ 2", reached=False, detail=""))
    assert str(told("a", "1")) == "| a | – | 1 | – |  |"
