"""The server of any generation that the environment names for tests, beside the private one."""

import os

from mes.influx.server import Target

URL = os.environ.get("TAKTLINE_TEST_INFLUX_URL")


def given_target() -> Target:
    """As $TAKTLINE_TEST_INFLUX_URL, _DATABASE, _ORG, _USER and _SECRET say."""
    assert URL is not None
    return Target(
        URL,
        os.environ.get("TAKTLINE_TEST_INFLUX_DATABASE", "taktline_test"),
        org=os.environ.get("TAKTLINE_TEST_INFLUX_ORG", "-"),
        user=os.environ.get("TAKTLINE_TEST_INFLUX_USER"),
        secret=os.environ.get("TAKTLINE_TEST_INFLUX_SECRET"),
    )
