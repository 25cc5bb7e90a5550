"""Every error a caller may want to catch. A message says what was expected, what came, and what to do."""

from __future__ import annotations


class InkdigitsError(Exception):
    """The parent of every error that inkdigits raises on purpose."""


class ImageError(InkdigitsError):
    """Something given as an image cannot be read as one, or is over a limit."""


class ImageSizeError(ImageError):
    """An image, or a document, has more bytes, pixels or pages than are read."""


class DatasetError(InkdigitsError):
    """A dataset cannot be found, fetched or trusted."""


class RecipeError(InkdigitsError):
    """A training recipe, an architecture's option or a sweep holds an unknown or impossible value."""


class DivergenceError(RecipeError):
    """A training came to nothing: its loss became infinite or not a number."""


class BundleError(InkdigitsError):
    """A trained model's files are missing, damaged, foreign or from a newer version."""


class ExportError(InkdigitsError):
    """A model could not be exported, or the exported file disagrees with the original."""


class MissingExtraError(InkdigitsError):
    """An optional part of inkdigits is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"Expected the package '{package}', which is not installed. "
            f"Install it with: pip install 'inkdigits[{extra}]'"
        )
