"""inkdigits reads handwritten digits.

    import inkdigits
    recognizer = inkdigits.load()
    recognizer.classify(["seven.png"])[0].digit

Importing this package loads neither TensorFlow nor anything else that is slow: public names are resolved on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inkdigits.bundle import Bundle as Bundle
    from inkdigits.datasets import Dataset as Dataset
    from inkdigits.datasets import load_dataset as load_dataset
    from inkdigits.errors import InkdigitsError as InkdigitsError
    from inkdigits.evaluation import Evaluation as Evaluation
    from inkdigits.evaluation import evaluate as evaluate
    from inkdigits.reading import Reading as Reading
    from inkdigits.recipes import Recipe as Recipe
    from inkdigits.recognizer import Prediction as Prediction
    from inkdigits.recognizer import Recognizer as Recognizer
    from inkdigits.recognizer import load as load
    from inkdigits.training import train as train

__version__ = "0.1.0"

_ROOMS = {
    "Bundle": "bundle",
    "Dataset": "datasets",
    "Evaluation": "evaluation",
    "InkdigitsError": "errors",
    "Prediction": "recognizer",
    "Reading": "reading",
    "Recipe": "recipes",
    "Recognizer": "recognizer",
    "evaluate": "evaluation",
    "load": "recognizer",
    "load_dataset": "datasets",
    "train": "training",
}
__all__ = ["__version__", *_ROOMS]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'inkdigits' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"inkdigits.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
