# SPDX-License-Identifier: Apache-2.0
"""@peakline.profile: a block around each call of a function."""

import functools
import inspect
import threading
import types
from typing import Any, Callable, Optional, TypeVar, cast

from ._block import Track, track
from ._errors import PeaklineError

F = TypeVar("F", bound=Callable[..., Any])


class Calls:
    """What is known of the calls of one decorated function: its attribute `peakline`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0  # calls that ended, by return or exception
        self.last: Optional[Track] = None
        self.largest: Optional[Track] = None  # the call with the highest peak

    def _add(self, block: Track) -> None:
        with self._lock:
            self.count += 1
            self.last = block
            try:
                if self.largest is None or block.peak_bytes > self.largest.peak_bytes:
                    self.largest = block
            except PeaklineError:
                pass  # asked for, `last` says why

    @property
    def peak_bytes(self) -> int:
        """The highest peak of all calls, each above its own start."""
        block = self.largest or self.last
        if block is None:
            raise PeaklineError("the function was not called yet")
        return block.peak_bytes


class _Measured:
    """One call."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._block = track()

    def __enter__(self) -> None:
        self._block.start()

    def __exit__(self, *exception: object) -> None:
        self._block.stop()
        self._calls._add(self._block)


def profile(function: F) -> F:
    """Measures each call of the function: def, async def, and generators (from the first item to
    the last). The function gets an attribute `peakline`, a Calls.

    A call counts the whole process while it runs: other threads and, while an async function
    waits, other tasks too."""
    if isinstance(function, (staticmethod, classmethod)):
        return cast(F, type(function)(profile(function.__func__)))  # in either order
    if not callable(function) or isinstance(function, type):
        raise PeaklineError(f"@peakline.profile measures functions; {function!r} is none")
    calls = Calls()
    # What is called of an object is a method of its type: that is async or a generator, or not.
    is_object = not inspect.isroutine(function) and not isinstance(function, functools.partial)
    called = type(function).__call__ if is_object else function

    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called):

        @functools.wraps(function)
        async def measured(*args: Any, **keywords: Any) -> Any:
            with _Measured(calls):
                return await function(*args, **keywords)

    elif inspect.isasyncgenfunction(called):

        @functools.wraps(function)
        async def measured(*args: Any, **keywords: Any) -> Any:
            with _Measured(calls):
                inner = function(*args, **keywords)
                try:
                    item = await inner.__anext__()
                    while True:
                        try:
                            sent = yield item
                        except GeneratorExit:
                            raise
                        except BaseException as error:
                            item = await inner.athrow(error)
                        else:
                            item = await inner.asend(sent)
                except StopAsyncIteration:
                    return
                finally:
                    await inner.aclose()

    elif inspect.isgeneratorfunction(called):

        @functools.wraps(function)
        def measured(*args: Any, **keywords: Any) -> Any:
            with _Measured(calls):
                return (yield from function(*args, **keywords))

        if getattr(called, "__code__", measured.__code__).co_flags & inspect.CO_ITERABLE_COROUTINE:
            measured = types.coroutine(measured)  # it may be awaited, as before

    else:

        @functools.wraps(function)
        def measured(*args: Any, **keywords: Any) -> Any:
            with _Measured(calls):
                return function(*args, **keywords)

    measured.peakline = calls  # type: ignore[attr-defined]
    return cast(F, measured)
