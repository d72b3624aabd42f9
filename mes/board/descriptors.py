"""How many files and connections the process may have open."""

import contextlib
import resource

DESCRIPTORS_WANTED = 65_536


def raise_descriptor_limit() -> None:
    """Lets the process open as many files as the system allows, DESCRIPTORS_WANTED at most."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
