"""What a file shows, page by page: a PDF or a scan in TIFF has many pages, any other picture is one.

Pages of a PDF are drawn by PDFium, without JavaScript, in a process of their own (`pdf_worker`): a page that takes too
long, too much memory or finds a flaw ends that process and becomes an ImageError. The limits stand in `images`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from inkdigits import images
from inkdigits.errors import ImageError, ImageSizeError

SUFFIXES = images.SUFFIXES | {".pdf", ".heic", ".heif"}
"""Names of files that are taken for pictures or documents when a folder is searched, in lower case.

HEIC is not read, but whoever has a folder of such photos is told what to do.
"""
WORKER = Path(__file__).with_name("pdf_worker.py")
_HEAD = 1024
"""The mark of a PDF stands somewhere in its first bytes."""


@dataclass(frozen=True)
class Page:
    """One page of a document, or a picture.

    Attributes:
        number: counted from 1; None for a picture, which has no pages.
        of: how many pages there are.
        pixels: gives what `images.to_pixels` gives, and raises what it raises. Call it once.
    """

    number: int | None
    of: int
    pixels: Callable[[], NDArray[np.uint8]]


def is_pdf(content: bytes) -> bool:
    """Whether the content of a file is that of a PDF."""
    return b"%PDF-" in content[:_HEAD]


def pages(content: bytes, name: str) -> Iterator[Page]:
    """The pages of a document in order, each drawn when its turn comes; a picture is one page.

    Args:
        content: of a PDF or of an image file; of an animation it is the first frame.
        name: what error messages call it.

    Raises:
        ImageError: it is a PDF that is damaged, locked or empty, or has many pages that cannot be drawn.
            ImageSizeError: it is over a limit. What is wrong with a single page comes from its `pixels`.
    """
    if not is_pdf(content):
        frames = images.pages_of(content)
        several = _checked_count(len(frames), name) > 1
        for number, frame in enumerate(frames, start=1):
            called = f"{name} page {number}" if several else name
            pixels = partial(images.to_pixels, content, name=called, frame=frame)
            yield Page(number if several else None, len(frames), pixels)
        return
    if len(content) > images.MAX_DOCUMENT_BYTES:
        raise ImageSizeError(f"Expected at most {images.MAX_DOCUMENT_BYTES:,} bytes. Received: {name} with more.")
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        number, count, begun = 1, 1, 0
        while number <= count:  # again only after a page that ended the worker
            if begun == images.MAX_BAD_PAGES:
                raise ImageError(
                    f"Expected a PDF whose pages can be drawn. {begun} pages of {name} cannot; those from page {number}"
                    " on are left out. Save them as pictures first."
                )
            begun += 1
            with _Worker(file, number) as worker:
                if worker.line() is None:
                    raise ImageError(
                        f"Expected a program that draws PDFs, to read {name}. It does not start: install pypdfium2."
                    )
                count = _count(worker.line(), name)
                while number <= count and worker.alive:
                    yield Page(number, count, partial(_checked, worker.page(), f"{name} page {number}"))
                    number += 1


def _count(told: dict[str, Any] | None, name: str) -> int:
    if told is None or told.get("locked") is False:
        raise ImageError(f"Expected a whole PDF. {name} is damaged or cut short.")
    if "locked" in told:
        raise ImageError(
            f"Expected a PDF that opens without a password. {name} asks for one: save a copy without it first."
        )
    if not told["pages"]:
        raise ImageError(f"Expected a PDF with pages. {name} has none.")
    return _checked_count(int(told["pages"]), name)


def _checked_count(count: int, name: str) -> int:
    if count > images.MAX_PAGES:
        raise ImageSizeError(
            f"Expected at most {images.MAX_PAGES:,} pages. Received: {name} with more. Split it first."
        )
    return count


def _checked(drawn: NDArray[np.uint8] | None, name: str) -> NDArray[np.uint8]:
    """What the worker gave for a page, or in words that it gave nothing."""
    if drawn is None:
        raise ImageError(
            f"Expected a page that can be drawn. {name} is damaged, or takes more than "
            f"{images.MAX_PAGE_SECONDS:g} seconds or {images.MAX_PAGE_MEMORY / 2**30:g} GiB of memory. "
            "Save the page as a picture first."
        )
    return images.to_pixels(drawn, name=name)


class _Worker:
    """The process that draws, from one page on; whatever it says takes at most `MAX_PAGE_SECONDS`."""

    def __init__(self, file: IO[bytes], first: int) -> None:
        file.seek(0)
        limits = (images.PAGE_DPI, images.MAX_PAGE_PIXELS, images.MAX_PAGE_MEMORY)
        # -P: what happens to lie in the working folder is not imported.
        command = [sys.executable, "-P", str(WORKER), str(first), *map(str, limits)]
        self._process = subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self._process.stdout is not None
        self._stdout = self._process.stdout
        self.alive = True

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._stdout.close()

    def line(self) -> dict[str, Any] | None:
        """What the worker says next; None when it ended, or had to be ended."""
        with self._in_time():
            return self._line()

    def page(self) -> NDArray[np.uint8] | None:
        """The next page, (H, W, C) uint8; None when it cannot be drawn."""
        with self._in_time():
            told = self._line()
            if not told:
                return None
            height, stride = told["height"], told["stride"]
            rows = self._stdout.read(height * stride)
        if len(rows) < height * stride:
            self.alive = False
            return None
        width, channels = told["width"], told["channels"]
        padded = np.frombuffer(rows, np.uint8).reshape(height, stride)
        return padded[:, : width * channels].reshape(height, width, channels)

    def _line(self) -> dict[str, Any] | None:
        line = self._stdout.readline()
        self.alive = line.endswith(b"\n")
        return json.loads(line) if self.alive else None

    @contextlib.contextmanager
    def _in_time(self) -> Iterator[None]:
        timer = threading.Timer(images.MAX_PAGE_SECONDS, self._process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
