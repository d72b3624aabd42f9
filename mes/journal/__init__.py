"""The durable local journal of events: append, consumers' cursors, recovery; the only place that knows SQL."""

from mes.journal.reader import JournalReader
from mes.journal.store import Future
from mes.journal.writer import Entry, Journal

__all__ = ["Entry", "Future", "Journal", "JournalReader"]
