"""The check of expressions finds every wrong name, and nothing wrong in a right expression."""

import pytest

from tests.telemetry.promql import Known, Matcher, Selector, labels_left, mistakes_in, named_in

KNOWN: Known = {
    "calls_total": {"job": None, "kind": frozenset({"read", "write"}), "code": frozenset({"200"})},
    "up": {"job": None, "instance": None},
}


def test_parsed() -> None:
    """Metrics, matchers and grouping are found among functions, keywords and numbers."""
    expression = (
        'sum by (job) (rate(calls_total{kind=~"read|write",job!="a{b}"}[5m:30s] offset 1h)) / 2.5e3'
        ' > bool 0 and on (instance) max_over_time(up[6h]) or absent(up{job="x"}) == +Inf'
    )
    named = named_in(expression)
    kind, job = Matcher("kind", "=~", "read|write"), Matcher("job", "!=", "a{b}")
    assert named.selectors == (
        Selector("calls_total", (kind, job)),
        Selector("up"),
        Selector("up", (Matcher("job", "=", "x"),)),
    )
    assert named.grouping == {"job", "instance"}


@pytest.mark.parametrize(
    "expression",
    [
        'sum by (kind) (rate(calls_total{code="200",kind!~"read"}[5m]))',
        'sum(calls_total{kind=~"re.+|write"}) without (code)',
        'calls_total{kind!=""} and on (job) up{instance="anything"}',
        'up{job=~"$job",instance=~"$instance"}',
        "vector(0)",
    ],
)
def test_right(expression: str) -> None:
    """An expression with existing names only has no mistakes."""
    assert mistakes_in(expression, KNOWN) == []


@pytest.mark.parametrize(
    ("expression", "mistake"),
    [
        ("rate(cals_total[5m])", "no metric cals_total"),
        ("calls_total + misses", "no metric misses"),
        ('calls_total{knid="read"}', "calls_total has no label knid"),
        ('calls_total{kind="reed"}', "calls_total has no kind like reed"),
        ('calls_total{kind!="reed"}', "calls_total has no kind like reed"),
        ('calls_total{kind=~"read|wrote"}', "calls_total has no kind like wrote"),
        ('calls_total{kind!~"(read|write)s"}', "calls_total has no kind like (read|write)s"),
        ('up{job="a"} + up{kind="read"}', "up has no label kind"),
        ("sum by (outcome) (calls_total)", "no label outcome to group by"),
        ("calls_total * on (knd) group_left () up", "no label knd to group by"),
    ],
)
def test_wrong(expression: str, mistake: str) -> None:
    """A wrong metric, label or value is found anywhere in an expression."""
    assert mistakes_in(expression, KNOWN) == [mistake]


@pytest.mark.parametrize(
    "expression",
    ["up{job}", 'up{job="a"', "sum by (job up", '{job="a"}', "up # what", 'up{"a"="b"}'],
)
def test_not_understood(expression: str) -> None:
    """An expression that cannot be parsed raises."""
    with pytest.raises(ValueError, match=r"not understood|no [)}]|without a metric"):
        named_in(expression)


def test_labels_left() -> None:
    """An aggregation leaves its grouping labels, any other expression the metric's labels."""
    assert labels_left("sum by (kind) (calls_total)", KNOWN) == {"kind"}
    assert labels_left("sum(calls_total)", KNOWN) == set()
    assert labels_left("rate(calls_total[5m])", KNOWN) == {"job", "kind", "code"}
