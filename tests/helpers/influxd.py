"""A private influxd for tests: it fails, and does not skip, where the program is not installed."""

from mes.demo.influxd import CONFIG, Influxd, free_port, private_influxd

__all__ = ["CONFIG", "Influxd", "free_port", "private_influxd"]
