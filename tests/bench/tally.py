"""The tally of the traffic: answers counted and checked.

A breach is a forbidden answer: another room's body, a `push_url` to anybody but the anchor, an
impossible status, a room after its delete, a duplicate create.
"""

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import msgspec

from .client import Answer
from .faulty import anchor_of, push_url_of

UPSTREAM_FAILED = frozenset({502, 503, 504})
LIMITED = frozenset({429})

_SHOWN = 10


class Tally:
    """Counts of answers by request and result, and the last breaches."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.unanswered: Counter[str] = Counter()
        self.breaches: Counter[str] = Counter()
        self.last_breaches: deque[str] = deque(maxlen=_SHOWN)

    def count(self, what: str, answer: Answer, allowed: frozenset[int]) -> None:
        """Count an answer; an unexpected status is a breach."""
        self.answers[what, answer.status] += 1
        if answer.status not in allowed | LIMITED | UPSTREAM_FAILED:
            self.breach(what, f"{answer.status} {answer.body[:300]!r}")

    def breach(self, what: str, text: str) -> None:
        """Record a forbidden answer."""
        self.breaches[what] += 1
        self.last_breaches.append(f"{what}: {text}")

    def by_status(self) -> str:
        """Return the count of each status."""
        statuses: Counter[int] = Counter()
        for (_, status), number in self.answers.items():
            statuses[status] += number
        return ", ".join(f"{status}: {number:,}" for status, number in sorted(statuses.items()))

    def by_request(self) -> list[str]:
        """Return a line for each kind of request: its statuses and its failures."""
        lines = []
        for what in sorted({each for each, _ in self.answers} | self.unanswered.keys()):
            statuses = {
                status: number for (name, status), number in self.answers.items() if name == what
            }
            shown = ", ".join(f"{status}: {number}" for status, number in sorted(statuses.items()))
            wrong = f"{self.unanswered[what]} unanswered, {self.breaches[what]} breaches"
            lines.append(f"{what}: {shown}; {wrong}")
        return lines


def fault_in(room: Mapping[str, Any], live_id: str, user_id: str | None) -> str | None:
    """Return the fault of a room for `user_id` (None: a batch), or None."""
    expected = {
        "live_id": live_id,
        "title": f"Room {live_id}",
        "cover_url": f"https://example.com/{live_id}.png",
        "extends": {"room": live_id},
        "chat_id": int(live_id) + 1,
        "hls_url": f"https://hls.bench.invalid/live/{live_id}.m3u8",
        "rtmp_url": f"rtmp://play.bench.invalid/live/{live_id}",
        "flv_url": f"https://flv.bench.invalid/live/{live_id}.flv",
    }
    for name, value in expected.items():
        if room.get(name) != value:
            return f"{name} is {room.get(name)!r}"
    anchor = anchor_of(live_id)
    if room["anchor_info"]["user_id"] != anchor:
        return f"its anchor is {room['anchor_info']['user_id']!r}"
    push_url = push_url_of(live_id) if user_id == anchor else None
    return None if room.get("push_url") == push_url else f"push_url is {room.get('push_url')!r}"


def room_in(answer: Answer) -> dict[str, Any]:
    """Return the room of an answer, or an empty one."""
    try:
        room = msgspec.json.decode(answer.body)
    except msgspec.MsgspecError:
        return {}
    return room if isinstance(room, dict) else {}
