"""Our OPC UA client where servers are odd: sessions left behind, passwords in clear, answers that are none."""

import pytest
from asyncua import ua
from asyncua.crypto.security_policies import SecurityPolicyNone

from adapters.errors import ControllerMisconfigured, ControllerUnavailable
from adapters.opcua.client import LeftOpen, QuietClient
from adapters.opcua.session import translated

NOWHERE = "opc.tcp://127.0.0.1:1/"
IN_CLEAR = ua.UserTokenPolicy(TokenType=ua.UserTokenType.UserName, SecurityPolicyUri=SecurityPolicyNone.URI)


def client(left: LeftOpen) -> QuietClient:
    return QuietClient(NOWHERE, left, request_timeout_s=1, watchdog_s=100)


async def test_a_session_that_cannot_be_closed_is_given_up() -> None:
    """After two connections that failed at it, the third does without: the server's time-out ends that session."""
    left = LeftOpen()
    first = client(left)
    first._remember()  # as after a login
    for _ in range(2):
        assert left.session is not None
        with pytest.raises(ConnectionError):
            await client(left).create_session()

    assert left.session is None


@pytest.mark.parametrize("mode", [ua.MessageSecurityMode.Sign, ua.MessageSecurityMode.None_])
def test_a_password_is_never_sent_in_clear(mode: ua.MessageSecurityMode) -> None:
    """Whatever the endpoints said before: what the session asks for decides, and an open password is not given."""
    subject = client(LeftOpen())
    subject.security_policy = SecurityPolicyNone()  # type: ignore[no-untyped-call]  # asyncua is only partly typed
    subject.security_policy.Mode = mode
    subject._policy_ids = [IN_CLEAR]  # as a session's answer says
    asked = ua.ActivateSessionParameters()

    with pytest.raises(ControllerMisconfigured, match="password in clear"):
        subject._add_user_auth(asked, "reader", "hunter2")
    assert b"hunter2" not in repr(asked).encode()


@pytest.mark.parametrize("odd", [AssertionError(), IndexError("0"), TypeError("t"), ValueError("v")])
def test_an_answer_that_is_none_is_no_defect_of_ours(odd: Exception) -> None:
    """What asyncua stumbles over in a server's answer is trouble with that server, with what it stumbled over."""
    with pytest.raises(ControllerUnavailable, match=type(odd).__name__), translated("connecting"):
        raise odd
