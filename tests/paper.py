"""PDFs made by hand, as no program would write them: for tests of what comes from anybody."""

from __future__ import annotations

import io
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def scanned(*pages: NDArray[np.uint8], dpi: int = 72) -> bytes:
    """A PDF whose pages are pictures, as scanners write them."""
    first, *others = map(Image.fromarray, pages)
    stream = io.BytesIO()
    first.save(stream, "PDF", save_all=True, append_images=others, resolution=dpi)
    return stream.getvalue()


def pdf(*pages: bytes, size: tuple[int, int] = (612, 792), notes: bytes = b"") -> bytes:
    """A PDF whose pages are drawn by these content streams; `size` in points, `notes` for the trailer."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    kids = []
    for content in pages:
        squeezed = zlib.compress(content, 9)
        objects.append(b"<< /Filter /FlateDecode /Length %d >>\nstream\n%b\nendstream" % (len(squeezed), squeezed))
        box = b"/MediaBox [0 0 %d %d]" % size
        objects.append(b"<< /Type /Page /Parent 2 0 R %b /Contents %d 0 R >>" % (box, len(objects)))
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%b] /Count %d >>" % (b" ".join(kids), len(kids))
    body = b"%PDF-1.4\n"
    places = []
    for number, each in enumerate(objects, start=1):
        places.append(b"%010d 00000 n \n" % len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"xref\n0 %d\n0000000000 65535 f \n%b" % (len(objects) + 1, b"".join(places))
    trailer = b"trailer\n<< /Size %d /Root 1 0 R %b >>\n" % (len(objects) + 1, notes)
    return body + table + trailer + b"startxref\n%d\n%%%%EOF\n" % len(body)


BLACK_HALF = b"0 0 306 792 re f\n"
"""Draws the left half of a page of 612 x 792 points black."""
LOCKED = b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%b> /U <%b> >> /ID [<00> <00>]" % (b"11" * 32, b"22" * 32)
"""For the trailer: asks for a password that nobody knows."""
