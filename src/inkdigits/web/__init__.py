"""The web page and the HTTP service: `create_app` in `inkdigits.web.server`; everything runs on this machine."""

from __future__ import annotations

MAX_BYTES = 16 * 2**20
"""The largest picture that the service takes unless told otherwise, in bytes: a large photo of a phone."""
MAX_PIXELS = 24_000_000
"""The most pixels of a picture that the service takes unless told otherwise: twice those of most phones' photos."""
