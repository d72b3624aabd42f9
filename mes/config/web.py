"""What the board's address asks for: a certificate with its key, and no password in the clear on the network."""

import ipaddress

from mes.config.findings import Findings
from mes.config.models.plant import WebShape


def check_web(shape: WebShape | None, findings: Findings) -> None:
    """Finds what would serve the board otherwise than the file seems to say."""
    if shape is None:
        return
    for one, other in (("certificate", "key"), ("key", "certificate")):
        if getattr(shape, one) is not None and getattr(shape, other) is None:
            remedy = f"name the file of its {other} too, or leave out `{one}`"
            findings.problem(("web", one), f"there is no `{other}`, so it would be of no use", remedy)
    if shape.certificate is not None and shape.proxy:
        remedy = "leave out `proxy`, or `certificate` and `key`"
        findings.problem(("web", "proxy"), "TLS is done here, and by a reverse proxy as well", remedy)
    if shape.certificate is None and not shape.proxy and not _is_loopback(shape.host):
        remedy = "name `certificate` and `key`, or say `proxy: true` behind a reverse proxy that does TLS"
        findings.warning(("web", "host"), "passwords go over the network in the clear", remedy)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
