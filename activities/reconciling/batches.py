"""Long lists, a part at a time: nothing loads all of one."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

T = TypeVar("T")


async def in_batches(items: AsyncIterator[T], size: int) -> AsyncIterator[Sequence[T]]:
    """The same items, so many at a time."""
    batch: list[T] = []
    async for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
