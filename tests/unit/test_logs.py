"""What the program says of itself, from the first line on."""

import json
import subprocess
import sys

# Several threads say something at once, and the set-up takes its time, as on a busy machine.
SEVERAL_AT_ONCE = """
import threading, time
from mes import logs

set_up = logs._configure

def slowly(*values):
    time.sleep(0.3)
    set_up(*values)

logs._configure = slowly
logs.configure_logging()
begin = threading.Barrier(8)

def say(number):
    begin.wait()
    logs.get_logger().info("said", number=number)

threads = [threading.Thread(target=say, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_the_first_lines_are_set_up_like_all_others() -> None:
    """Whatever thread speaks first, and whoever speaks meanwhile: every line is JSON, on standard error."""
    run = subprocess.run([sys.executable, "-c", SEVERAL_AT_ONCE], capture_output=True, text=True, check=True)
    assert run.stdout == ""
    assert sorted(json.loads(line)["number"] for line in run.stderr.splitlines()) == list(range(8))
