"""Asking a queue for all of its jobs at once, and seldom."""

from __future__ import annotations

import abc
import time
from typing import Generic, TypeVar

from ...errors import BenchError

ASK_SECONDS = 10.0
"""An answer is good for so long."""

AnswerT = TypeVar("AnswerT")


class Asking(abc.ABC, Generic[AnswerT]):
    """What a queue said a few seconds ago.

    Args:
        known: What is known before it was asked.

    Attributes:
        known: The last answer, however old it is.
        asked: When it was asked, on the monotonic clock.
        trouble: Why it did not answer the last time; empty where it did.
    """

    def __init__(self, known: AnswerT) -> None:
        self.known = known
        self.asked = float("-inf")
        self.trouble = ""

    def lately(self) -> AnswerT:
        """The last answer, asked for again where it is old.

        A queue that does not answer for a while keeps what it said before.
        """
        if time.monotonic() - self.asked > ASK_SECONDS:
            try:
                self.ask()
            except BenchError as error:
                self.asked, self.trouble = time.monotonic(), error.found
        return self.known

    def ask(self) -> AnswerT:
        """Ask now.

        Raises:
            BenchError: It is not there, or does not answer.
        """
        known = self.answer()
        self.known, self.asked, self.trouble = known, time.monotonic(), ""
        return known

    @abc.abstractmethod
    def answer(self) -> AnswerT:
        """What it answers now.

        Raises:
            BenchError: It is not there, or does not answer.
        """
