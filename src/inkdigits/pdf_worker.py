"""Draws the pages of a PDF, in a process of its own: `python pdf_worker.py FIRST DPI PIXELS MEMORY < file.pdf`.

What stands in a PDF is a program of sorts: it may take any time and memory, and may find a flaw in what draws it. So
`documents` runs this file apart, and ends it when it takes too long. On stdout comes a line of JSON that says it has
started, one with the number of pages, then for each page a line and its pixels. It imports nothing of inkdigits, to
start at once.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pypdfium2

POINTS_PER_INCH = 72


def main() -> None:
    """Draw every page from the first that is asked for."""
    first, dpi, most_pixels, most_memory = map(int, sys.argv[1:])
    _hold_memory(most_memory)
    import pypdfium2

    _tell({"started": True})
    try:
        document = pypdfium2.PdfDocument(sys.stdin.buffer.read())
    except pypdfium2.PdfiumError as error:
        locked = error.err_code in (pypdfium2.raw.FPDF_ERR_PASSWORD, pypdfium2.raw.FPDF_ERR_SECURITY)
        return _tell({"locked": locked})
    _tell({"pages": len(document)})
    for number in range(first, len(document) + 1):
        _draw(document, number, dpi / POINTS_PER_INCH, most_pixels)
    return None


def _draw(document: pypdfium2.PdfDocument, number: int, scale: float, most_pixels: int) -> None:
    import pypdfium2

    try:
        with contextlib.closing(document[number - 1]) as page:
            area = page.get_width() * page.get_height()  # in points
            scale = min(scale, math.sqrt(most_pixels / area)) * (1 - 1e-5)  # sides are rounded up, 170.0001 too
            bitmap = page.render(scale=scale, rev_byteorder=True)
    except (pypdfium2.PdfiumError, ArithmeticError, ValueError, MemoryError):
        return _tell({})
    channels, stride = bitmap.n_channels, bitmap.stride
    _tell({"width": bitmap.width, "height": bitmap.height, "channels": channels, "stride": stride})
    with contextlib.closing(bitmap), memoryview(bitmap.buffer) as pixels:
        sys.stdout.buffer.write(pixels)
    sys.stdout.buffer.flush()
    return None


def _tell(what: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(what).encode() + b"\n")
    sys.stdout.buffer.flush()


def _hold_memory(most: int) -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no such limit, some systems refuse it
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    main()
