"""Threads that hand items on without a queue: the newest one to work on, or one at a time to finish."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar('T')


class Newest(Generic[T]):
    """A place for one item between two threads: a newer one replaces the one that waits."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._item: T | None = None
        self._closed = False

    def put(self, item: T) -> bool:
        """Leave an item; return whether it replaced one that nobody took."""
        with self._condition:
            replaced = self._item is not None
            self._item = item
            self._condition.notify()
            return replaced

    def take(self) -> T | None:
        """Wait for an item and take it; None where the place was closed."""
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Wake whoever waits, with None."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()


class Worker(Generic[T]):
    """A thread that gives the newest item to a function, one at a time, so that no queue can grow."""

    def __init__(self, function: Callable[[T], None], name: str) -> None:
        self.function = function
        self.newest: Newest[T] = Newest()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def put(self, item: T) -> bool:
        """Hand over an item; return whether it replaced one that was not begun."""
        return self.newest.put(item)

    def stop(self) -> None:
        """Finish the item at work, forget the one that waits, and end the thread."""
        self.newest.close()
        self.thread.join()

    def _run(self) -> None:
        while (item := self.newest.take()) is not None:
            self.function(item)


class Relay(Generic[T]):
    """A thread that takes items over, one at a time: who brings the next one waits until the last one is done."""

    def __init__(self, function: Callable[[T], None], name: str) -> None:
        self.function = function
        self._condition = threading.Condition()
        self._item: T | None = None  # until it is done
        self._closed = False
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def put(self, item: T) -> None:
        """Hand over an item as soon as the one before is done."""
        with self._condition:
            self._condition.wait_for(lambda: self._item is None)
            self._item = item
            self._condition.notify_all()

    def stop(self) -> None:
        """Finish the item at work, and end the thread."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
        self.thread.join()

    def _run(self) -> None:
        while (item := self._next()) is not None:
            try:
                self.function(item)
            finally:
                self._done()

    def _next(self) -> T | None:
        with self._condition:
            self._condition.wait_for(lambda: self._closed or self._item is not None)
            return self._item

    def _done(self) -> None:
        with self._condition:
            self._item = None
            self._condition.notify_all()
