"""Why a request to a provider did not end in an answer we can use."""

from __future__ import annotations


class Trouble(Exception):
    """A request that did not end in an answer we can use."""


class Refusal(Trouble):
    """Any status but success. ``retry_after``: seconds the provider asks us to wait, None if it does not say."""

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.retry_after = retry_after


class NoAnswer(Trouble):
    """The connection failed or took too long. ``sent``: the request may have been heard."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__(sent)
        self.sent = sent


class Unreadable(Trouble):
    """The provider says success, and then nothing that we understand."""
