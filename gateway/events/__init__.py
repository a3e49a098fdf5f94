"""Event streams of rooms: one poll a watched room, however many readers."""

from .event_streams import Bounds, EventStreams, Standing, Tally, TooManyStreams, Watch
from .feed import EVENTS
from .frames import event
from .reader import End
from .room_feeds import RoomFeeds
from .waking import Waker

__all__ = [
    "EVENTS",
    "Bounds",
    "End",
    "EventStreams",
    "RoomFeeds",
    "Standing",
    "Tally",
    "TooManyStreams",
    "Waker",
    "Watch",
    "event",
]
