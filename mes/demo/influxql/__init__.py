"""The part of InfluxQL that 1.x, 2.x and 3 answer alike: read, held to its limits, and answered over rows in memory."""

from mes.demo.influxql.evaluate import Row, Series, evaluate
from mes.demo.influxql.lint import lint
from mes.demo.influxql.parse import NotInfluxQL, Select, ShowTagValues, parse

__all__ = ["NotInfluxQL", "Row", "Select", "Series", "ShowTagValues", "evaluate", "lint", "parse"]
