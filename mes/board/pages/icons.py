"""The signs of the states: a shape each, so that nobody needs to see colours. Paths in a box of 24 by 24."""

from collections.abc import Mapping

SIGNS: Mapping[str, str] = {
    "producing": "M6 3l15 9-15 9z",
    "starved": "M12 3v11m0 0l-5-5m5 5l5-5M4 20h16",
    "blocked": "M3 12h10m0 0L8 7m5 5l-5 5M18 4v16",
    "down": "M4 4l16 16M20 4L4 20",
    "setup": "M14 4a5 5 0 0 0-5 7l-6 6 4 4 6-6a5 5 0 0 0 7-5l-4 2-3-3 2-4z",
    "idle": "M7 4v16M17 4v16",
    "planned_stop": "M5 5h14v14H5z",
    "no_data": "M8 9a4 4 0 1 1 6 3c-1 1-2 2-2 3m0 4v1",
}
FILLED = frozenset({"producing", "planned_stop"})
