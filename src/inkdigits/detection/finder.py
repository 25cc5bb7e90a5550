"""Finding all digits of a picture with a trained network for pages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.errors import BundleError

KEY = "inkdigits-pages"
"""The key of the network's card in an ONNX file's metadata; its value is JSON."""
FORMAT = "inkdigits-pages/1"
"""Of the card and the file."""
_OUTPUTS = ("boxes", "scores", "probabilities")


@dataclass(frozen=True)
class Found:
    """The n digits of a picture, surest first."""

    boxes: NDArray[np.float32]
    """(n, 4): x, y, width, height of the ink, in pixels of the picture."""
    scores: NDArray[np.float32]
    """(n,): the probability that a digit is there."""
    probabilities: NDArray[np.float32]
    """(n, 10): the probability of each digit, if one is there; rows sum to 1."""


class Finder:
    """A network for pages on ONNX Runtime; the file is made by `inkdigits.detection.graph`."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Open an ONNX file.

        Args:
            path: of the file.
            threads: threads to use; by default as many as there are cores.

        Raises:
            BundleError: it is missing, damaged, or not a network for pages.
        """
        from inkdigits.runtimes import open_onnx

        self._session: Any = open_onnx(path, threads)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        names = [[value.name for value in side] for side in (self._session.get_inputs(), self._session.get_outputs())]
        if names != [["pixels"], list(_OUTPUTS)] or KEY not in self.metadata:
            raise BundleError(f"Expected an ONNX file that finds the digits of a page. {path} is another one.")
        self.card: dict[str, Any] = json.loads(self.metadata[KEY])
        if self.card.get("format") != FORMAT:
            raise BundleError(f"Expected {path} in the format {FORMAT}; it says {self.card.get('format')}.")

    def find(self, pixels: NDArray[np.uint8]) -> Found:
        """Find the digits of a picture: uint8 (H, W), or (H, W, C) with C 1, 3 or 4."""
        picture = pixels[..., None] if pixels.ndim == 2 else pixels
        return Found(*self._session.run(None, {"pixels": np.ascontiguousarray(picture)}))
