"""Other processes that make what a network learns from, ahead of time."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from inkdigits.errors import InkdigitsError

T = TypeVar("T")


def ahead(
    make: Callable[..., T], tasks: Iterable[tuple[Any, ...]], workers: int, begin: Callable[..., None], *given: Any
) -> Iterator[T]:
    """`make(*task)` of every task, in their order; the next are made while one is used.

    Args:
        make: runs in one of the processes.
        tasks: its arguments.
        workers: processes; they end with this one, however it ends.
        begin: called in each of them first, as `begin(*given)`.
        given: to each of them, once.

    Raises:
        InkdigitsError: a process died.
    """
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(workers, context, _begin, (theirs, begin, *given))
    asked: deque[Future[T]] = deque()
    try:
        for task in tasks:
            asked.append(pool.submit(make, *task))
            if len(asked) > 2 * workers:
                yield asked.popleft().result()
        while asked:
            yield asked.popleft().result()
    except BrokenProcessPool:
        raise InkdigitsError("A process that makes pages has died; perhaps there was too little memory.") from None
    finally:
        ours.close()
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(theirs: Connection, begin: Callable[..., None], *given: Any) -> None:
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asked, which ends this one
    threading.Thread(target=_end, args=(theirs,), daemon=True).start()
    cv2.setNumThreads(1)
    begin(*given)


def _end(theirs: Connection) -> None:
    """Ends this process, whatever it is at, when the one that asked has closed its end or is gone."""
    with contextlib.suppress(EOFError, OSError):
        theirs.recv()
    os._exit(0)
