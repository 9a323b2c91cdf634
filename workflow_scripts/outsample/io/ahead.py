"""The next piece of work done beside the current one, in the same order and with the same outcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item], threads: int) -> Iterator[Item]:
    """The same items in the same order; with two threads, the next one is made while the caller works on the last.

    One item is made at a time, so that two are alive: the one the caller works on, and the one in the making (and for a
    moment a third, until the caller lets go of the one before). Only the time depends on `threads`. It gains where both
    sides spend their time in NumPy and pyarrow, which let other threads run.

    Args:
        items: made lazily, e.g. by a generator that reads one symbol after another.
        threads: threads that the job may use; 1 takes the items in the caller's own thread.
    Raises: what `items` raises, at the item concerned.
    """
    if threads < 2:
        yield from items
        return
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(next, iterator, end)
        while True:
            item = upcoming.result()
            if item is end:
                return
            upcoming = pool.submit(next, iterator, end)
            yield item  # type: ignore[misc]
            del item
