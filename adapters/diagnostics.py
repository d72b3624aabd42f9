"""What an adapter tells an engineer about its connection: stable codes with a sentence, a remedy and the tags meant."""

from dataclasses import dataclass
from enum import StrEnum

from adapters.reading import TagId


class DiagnosticCode(StrEnum):
    """What a diagnostic is about; pages translate by this code, and a code never changes its meaning."""

    INSECURE_CONNECTION = "insecure_connection"
    CERTIFICATE = "certificate"
    SERVER_LIMITS = "server_limits"  # the server grants less than was requested: intervals, queues, items
    TAG_REFUSED = "tag_refused"  # the controller does not deliver the tag at all
    VALUE_UNREADABLE = "value_unreadable"  # it delivers something that cannot be decoded as the tag's type
    HEARTBEAT_NEVER_READ = "heartbeat_never_read"
    HEARTBEAT_UNREADABLE = "heartbeat_unreadable"  # it was read before
    POLLS_LATE = "polls_late"
    TRANSACTION_ID_ZERO = "transaction_id_zero"
    ANSWERS_IN_DOUBT = "answers_in_doubt"
    # by what is made of the readings
    NO_VALUE = "no_value"  # a tag is delivered without a value: bad quality, or a structure
    VALUE_UNMAPPED = "value_unmapped"  # a state or product code that the plant's file does not explain
    VALUE_UNUSABLE = "value_unusable"  # a list or text where a number is wanted, or the other way round
    COUNTER_STILL = "counter_still"  # a counter does not move while its station produces
    WORDS_SWAPPED = (
        "words_swapped"  # a counter moves by multiples of 65,536: its registers are read the wrong way round
    )


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One present fact about a connection. Equal diagnostics are the same one.

    `text` and `remedy` are English sentences without running figures, so that a sentence stays the same as long as the
    fact does. `tags`: those concerned, in configured order; empty where it concerns the whole controller.
    """

    code: DiagnosticCode
    text: str
    remedy: str
    tags: tuple[TagId, ...] = ()
