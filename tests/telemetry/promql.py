"""The metrics and labels in a PromQL expression, to be checked against the existing ones.

The parser does no more than that needs; promtool checks the grammar.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
      | (?P<range>\[[^]]*])
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+|[a-z]\w*)?)
      | (?P<name>[a-zA-Z_:][\w:]*)
      | (?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){},@])
    )\s*""",
    re.VERBOSE,
)
_KEYWORDS = frozenset({"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"})
_AGGREGATIONS = frozenset(
    {
        *("sum", "min", "max", "avg", "group", "count", "stddev", "stdvar"),
        *("topk", "bottomk", "quantile", "count_values"),
    }
)
_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_MATCHING = frozenset({"=", "!=", "=~", "!~"})


class Matcher(Struct, frozen=True):
    """A condition on a label."""

    label: str
    sign: str
    value: str


class Selector(Struct, frozen=True):
    """A metric's name and which of its series."""

    metric: str
    matchers: tuple[Matcher, ...] = ()


class Named(Struct, frozen=True):
    """The names in an expression; `grouping` are the labels of `by`, `on` and the like."""

    selectors: tuple[Selector, ...]
    grouping: frozenset[str]
    aggregates: bool


Known = Mapping[str, Mapping[str, frozenset[str] | None]]
"""Metrics by name, their labels by name, the values of each; None where it may be any."""


def named_in(expression: str) -> Named:
    """Parse an expression. Raises ValueError where that fails."""
    tokens = [*_tokens(expression), ("end", "")]
    selectors, grouping, aggregates = [], set[str](), False
    at = 0
    while at < len(tokens):
        kind, text = tokens[at]
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        at += 1
        if text == "{":
            raise ValueError("a selector without a metric's name")
        if kind != "name" or text.lower() in _KEYWORDS:
            continue
        if text in _GROUPING:
            names, at = _until(")", tokens, at) if following == "(" else ([], at)
            grouping.update(name for kind, name in names if kind == "name")
        elif text in _AGGREGATIONS:
            aggregates = True
        elif following == "{":
            inside, at = _until("}", tokens, at)
            selectors.append(Selector(text, tuple(_matchers(inside))))
        elif following != "(":  # else it is a function
            selectors.append(Selector(text))
    return Named(tuple(selectors), frozenset(grouping), aggregates)


def mistakes_in(expression: str, known: Known) -> list[str]:
    """Return a message for each name in an expression that does not exist."""
    named = named_in(expression)
    found = []
    for selector in named.selectors:
        labels = known.get(selector.metric)
        if labels is None:
            found.append(f"no metric {selector.metric}")
            continue
        for matcher in selector.matchers:
            found += _mistakes(selector.metric, matcher, labels)
    everywhere = {label for each in named.selectors for label in known.get(each.metric, ())}
    found += [f"no label {label} to group by" for label in sorted(named.grouping - everywhere)]
    return found


def labels_left(expression: str, known: Known) -> frozenset[str]:
    """Return the labels that the expression's results can have."""
    named = named_in(expression)
    if named.aggregates:
        return named.grouping
    return frozenset(known[named.selectors[0].metric])  # an operator leaves those on its left


def _tokens(expression: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise ValueError(f"not understood: {expression[at:]}")
        yield str(match.lastgroup), match[str(match.lastgroup)]
        at = match.end()


def _until(
    end: str, tokens: Sequence[tuple[str, str]], at: int
) -> tuple[Sequence[tuple[str, str]], int]:
    """Return the tokens from the bracket at `at` to its `end`, and the position after it."""
    for index in range(at + 1, len(tokens)):
        if tokens[index][1] == end:
            return tokens[at + 1 : index], index + 1
    raise ValueError(f"no {end}")


def _matchers(tokens: Sequence[tuple[str, str]]) -> Iterator[Matcher]:
    parts = [token for token in tokens if token[1] != ","]
    if len(parts) % 3:
        raise ValueError("matchers that are not understood")
    for label, sign, value in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if label[0] != "name" or sign[1] not in _MATCHING or value[0] != "text":
            raise ValueError("a matcher that is not understood")
        yield Matcher(label[1], sign[1], value[1][1:-1].replace("\\\\", "\\"))


def _mistakes(
    metric: str, matcher: Matcher, labels: Mapping[str, frozenset[str] | None]
) -> Iterator[str]:
    if matcher.label not in labels:
        yield f"{metric} has no label {matcher.label}"
        return
    values = labels[matcher.label]
    if values is None or not matcher.value:  # an empty one asks whether there is the label
        return
    for wanted in _alternatives(matcher):
        if not any(wanted.fullmatch(value) for value in values):
            yield f"{metric} has no {matcher.label} like {wanted.pattern}"


def _alternatives(matcher: Matcher) -> Sequence[re.Pattern[str]]:
    """Return every alternative by itself, so that none goes stale beside a good one."""
    if matcher.sign in {"=", "!="}:
        return [re.compile(re.escape(matcher.value))]
    whole = matcher.value
    return [re.compile(each) for each in ([whole] if "(" in whole else whole.split("|"))]
