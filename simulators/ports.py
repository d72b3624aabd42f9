"""Where the simulated plant answers for somebody's own client."""

from collections.abc import Mapping
from types import MappingProxyType

FIXED_PORTS: Mapping[str, int] = MappingProxyType({"weld-plc": 48400, "final-plc": 48401, "paint-plc": 15020})
"""The plant's own ports by controller."""
