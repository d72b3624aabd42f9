"""What may stand between us and an OPC UA server: every finding has a code of its own, and says what to do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from adapters.opcua.certificate_info import Card, belong_together, card, lacking, read_certificate, read_key
from adapters.opcua.certificates import readable_by_others
from adapters.settings import OpcUaController, SecurityPolicy

SOON = timedelta(days=30)
LEAST_BITS = 2048

_Read = TypeVar("_Read")


class Code(StrEnum):
    """All findings; docs/certificates.md has a line for each."""

    POLICY_NONE = "policy-none"
    CERTIFICATE_MISSING = "certificate-missing"
    CERTIFICATE_UNREADABLE = "certificate-unreadable"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_EXPIRES_SOON = "certificate-expires-soon"
    CERTIFICATE_NOT_YET_VALID = "certificate-not-yet-valid"
    CERTIFICATE_OTHER_URI = "certificate-other-uri"
    CERTIFICATE_USAGE = "certificate-usage"
    KEY_MISSING = "key-missing"
    KEY_UNREADABLE = "key-unreadable"
    KEY_OPEN_TO_OTHERS = "key-open-to-others"
    KEY_NOT_OF_CERTIFICATE = "key-not-of-certificate"
    KEY_TOO_SHORT = "key-too-short"
    HOST_UNKNOWN = "host-unknown"
    SERVER_UNREACHABLE = "server-unreachable"
    NO_OPCUA = "no-opcua"
    PATH_UNKNOWN = "path-unknown"
    POLICY_NOT_OFFERED = "policy-not-offered"
    MODE_NOT_OFFERED = "mode-not-offered"
    POLICY_DEPRECATED = "policy-deprecated"
    LOGIN_NOT_OFFERED = "login-not-offered"
    PASSWORD_IN_CLEAR = "password-in-clear"  # noqa: S105  # a name, no password
    TRUST_MISSING = "trust-missing"
    SERVER_CERTIFICATE_UNREADABLE = "server-certificate-unreadable"
    SERVER_CERTIFICATE_OTHER = "server-certificate-other"
    SERVER_CERTIFICATE_UNTRUSTED = "server-certificate-untrusted"
    SERVER_CERTIFICATE_EXPIRED = "server-certificate-expired"
    SERVER_CERTIFICATE_EXPIRES_SOON = "server-certificate-expires-soon"
    SERVER_CERTIFICATE_NOT_YET_VALID = "server-certificate-not-yet-valid"
    SERVER_CERTIFICATE_OTHER_URI = "server-certificate-other-uri"
    SERVER_CERTIFICATE_USAGE = "server-certificate-usage"
    USER_CERTIFICATE = "user-certificate"
    CREDENTIAL_MISSING = "credential-missing"
    LOGIN_REFUSED = "login-refused"
    CERTIFICATE_REJECTED = "certificate-rejected"
    CERTIFICATE_FAULTED = "certificate-faulted"
    TOO_MANY_SESSIONS = "too-many-sessions"
    CONNECTION_CLOSED = "connection-closed"
    REFUSED = "refused"
    CLOCK_DIFFERS = "clock-differs"


_RENEW = "make a new pair with `mes certs renew`, and have the controller trust it"
_PUT_RIGHT = "correct `security` in the plant's file, or put the right file there"
_THEIR_NEW = "have a new certificate made on the controller, then `mes certs trust` it here"
_CLOCKS = "set the clocks of the controller and of this machine by the same time server"

REMEDIES: Mapping[Code, str] = {
    Code.POLICY_NONE: "choose a policy that the server offers, Basic256Sha256 at least, then `mes certs create`",
    Code.CERTIFICATE_MISSING: "make it with `mes certs create` (with --mend if its key is there)",
    Code.CERTIFICATE_UNREADABLE: _PUT_RIGHT,
    Code.CERTIFICATE_EXPIRED: _RENEW,
    Code.CERTIFICATE_EXPIRES_SOON: "begin with `mes certs renew --prepare`, which disturbs nothing",
    Code.CERTIFICATE_NOT_YET_VALID: "look at this machine's clock",
    Code.CERTIFICATE_OTHER_URI: "`mes certs renew` makes one for the `application_uri` of the plant's file",
    Code.CERTIFICATE_USAGE: _RENEW,
    Code.KEY_MISSING: "make the pair with `mes certs create` (with --mend if the certificate is there)",
    Code.KEY_UNREADABLE: "run this as the user that the collector runs as; a key with a passphrase cannot be used",
    Code.KEY_OPEN_TO_OTHERS: "chmod 600 it; if anybody else may have read it, `mes certs renew`",
    Code.KEY_NOT_OF_CERTIFICATE: "`mes certs create --mend` ends a renewal that stopped; else put the right key back",
    Code.KEY_TOO_SHORT: _RENEW,
    Code.HOST_UNKNOWN: "correct `url` in the plant's file, or look at this machine's name server",
    Code.SERVER_UNREACHABLE: "look at cable, address, port and firewall, and whether the OPC UA server is switched on",
    Code.NO_OPCUA: "correct the port in `url` (OPC UA is 4840 by default), and look whether a proxy stands between",
    Code.PATH_UNKNOWN: "correct the path in `url`, after HOST:PORT; `mes look` lists those that the server names",
    Code.POLICY_NOT_OFFERED: "switch the policy on at the server, or choose one that it offers",
    Code.MODE_NOT_OFFERED: "switch the mode on at the server, or choose one that it offers",
    Code.POLICY_DEPRECATED: "update the controller's firmware; what it offers has been broken and is not spoken here",
    Code.LOGIN_NOT_OFFERED: "allow it at the server, or change `user` in the plant's file",
    Code.PASSWORD_IN_CLEAR: "choose a policy and mode SignAndEncrypt: nothing is sent before that",
    Code.TRUST_MISSING: "run `mes certs trust` for this controller",
    Code.SERVER_CERTIFICATE_UNREADABLE: _THEIR_NEW,
    Code.SERVER_CERTIFICATE_OTHER: "find out why it changed; if it is meant, `mes certs trust --replace`",
    Code.SERVER_CERTIFICATE_UNTRUSTED: "compare its thumbprint at the controller, then `mes certs trust`",
    Code.SERVER_CERTIFICATE_EXPIRED: _THEIR_NEW,
    Code.SERVER_CERTIFICATE_EXPIRES_SOON: _THEIR_NEW,
    Code.SERVER_CERTIFICATE_NOT_YET_VALID: _CLOCKS,
    Code.SERVER_CERTIFICATE_OTHER_URI: _THEIR_NEW,
    Code.SERVER_CERTIFICATE_USAGE: _THEIR_NEW,
    Code.USER_CERTIFICATE: "put the user's certificate and its key there, PEM or DER without a passphrase",
    Code.CREDENTIAL_MISSING: "put the password into the file of this name, in the folder of credentials",
    Code.LOGIN_REFUSED: "check `user`, its password in the credential, and the rights it has at the server",
    Code.CERTIFICATE_REJECTED: "at the controller, move our certificate from the rejected ones to the trusted ones",
    Code.CERTIFICATE_FAULTED: "look at the server's reason; `mes certs show` tells what our certificate says",
    Code.TOO_MANY_SESSIONS: "end other clients, or raise the server's limit; a running collector holds one session",
    Code.CONNECTION_CLOSED: "most often the server does not trust our certificate: look among its rejected ones",
    Code.REFUSED: "look at the server's own log, which knows more",
    Code.CLOCK_DIFFERS: _CLOCKS,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be; `stops`: there is no connection because of it."""

    code: Code
    detail: str
    stops: bool = True

    @property
    def remedy(self) -> str:
        """What to do."""
        return REMEDIES[self.code]


def own_findings(settings: OpcUaController, *, now: datetime) -> list[Finding]:
    """What is wrong with our own certificate and key; nobody is asked."""
    security = settings.security
    found: list[Finding] = _user_findings(settings)
    if security.policy is SecurityPolicy.NONE:
        said = "nothing on this connection is protected: security policy None"
        return [*found, Finding(Code.POLICY_NONE, said, stops=False)]
    assert security.certificate is not None
    assert security.private_key is not None
    missing, unreadable = Code.CERTIFICATE_MISSING, Code.CERTIFICATE_UNREADABLE
    certificate = _read(security.certificate, read_certificate, missing, unreadable, found)
    key = _read(security.private_key, read_key, Code.KEY_MISSING, Code.KEY_UNREADABLE, found)
    if certificate is not None:
        try:
            found += own_card_findings(card(certificate), settings.application_uri, now=now)
        except ValueError as error:
            found.append(Finding(unreadable, f"{security.certificate} holds what cannot be read: {error}"))
    if key is not None:
        if readable_by_others(security.private_key):
            said = f"others than its owner may read {security.private_key}"
            found.append(Finding(Code.KEY_OPEN_TO_OTHERS, said, stops=False))
        if certificate is not None and not belong_together(certificate, key):
            said = f"{security.private_key} is not the key of {security.certificate}"
            found.append(Finding(Code.KEY_NOT_OF_CERTIFICATE, said))
    return found


def _user_findings(settings: OpcUaController) -> list[Finding]:
    """What is wrong with the certificate and key by which a user logs in."""
    if settings.user_certificate is None or settings.user_private_key is None:
        return []
    found: list[Finding] = []
    code = Code.USER_CERTIFICATE
    certificate = _read(settings.user_certificate, read_certificate, code, code, found)
    key = _read(settings.user_private_key, read_key, code, code, found)
    if certificate is not None and key is not None and not belong_together(certificate, key):
        found.append(Finding(code, f"{settings.user_private_key} is not the key of {settings.user_certificate}"))
    return found


def own_card_findings(ours: Card, application_uri: str, *, now: datetime) -> list[Finding]:
    """What is wrong with what our certificate says."""
    found: list[Finding] = []
    if now > ours.ends:
        found.append(Finding(Code.CERTIFICATE_EXPIRED, f"our certificate ended at {_utc(ours.ends)}", stops=False))
    elif ours.ends - now <= SOON:
        said = f"our certificate ends in {ours.days_left(now)} days, at {_utc(ours.ends)}"
        found.append(Finding(Code.CERTIFICATE_EXPIRES_SOON, said, stops=False))
    if now < ours.starts:
        said = f"our certificate is valid from {_utc(ours.starts)} only"
        found.append(Finding(Code.CERTIFICATE_NOT_YET_VALID, said, stops=False))
    if application_uri not in ours.uris:
        said = f"our certificate is for {_listed(ours.uris)}, and the plant's file says {application_uri}"
        found.append(Finding(Code.CERTIFICATE_OTHER_URI, said))
    if lacks := lacking(ours.usages, "client"):
        found.append(Finding(Code.CERTIFICATE_USAGE, f"our certificate lacks {_listed(lacks)}", stops=False))
    if ours.key_bits is not None and ours.key_bits < LEAST_BITS:
        found.append(Finding(Code.KEY_TOO_SHORT, f"our key has {ours.key_bits} bits, not {LEAST_BITS}", stops=False))
    return found


def their_card_findings(theirs: Card, application_uri: str | None, *, pinned: bool, now: datetime) -> list[Finding]:
    """What is wrong with what the server's certificate says; one that is pinned is taken nevertheless."""
    found: list[Finding] = []
    refused = not pinned
    if now > theirs.ends:
        said = f"the server's certificate ended at {_utc(theirs.ends)}"
        found.append(Finding(Code.SERVER_CERTIFICATE_EXPIRED, said, stops=refused))
    elif theirs.ends - now <= SOON:
        said = f"the server's certificate ends in {theirs.days_left(now)} days, at {_utc(theirs.ends)}"
        found.append(Finding(Code.SERVER_CERTIFICATE_EXPIRES_SOON, said, stops=False))
    if now < theirs.starts:
        said = f"the server's certificate is valid from {_utc(theirs.starts)} only"
        found.append(Finding(Code.SERVER_CERTIFICATE_NOT_YET_VALID, said, stops=refused))
    if application_uri not in theirs.uris:
        said = f"the server's certificate is for {_listed(theirs.uris)}, and the server calls itself {application_uri}"
        found.append(Finding(Code.SERVER_CERTIFICATE_OTHER_URI, said, stops=refused))
    if lacks := lacking(theirs.usages, "server"):
        said = f"the server's certificate lacks {_listed(lacks)}"
        found.append(Finding(Code.SERVER_CERTIFICATE_USAGE, said, stops=refused))
    return found


def _read(
    file: Path, read: Callable[[Path], _Read], missing: Code, unreadable: Code, found: list[Finding]
) -> _Read | None:
    try:
        return read(file)
    except FileNotFoundError:
        found.append(Finding(missing, f"there is no {file}"))
    except (OSError, ValueError) as error:
        found.append(Finding(unreadable, f"{file} cannot be read: {error}"))
    return None


def _utc(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _listed(names: list[str] | tuple[str, ...]) -> str:
    return ", ".join(names) or "nothing"
