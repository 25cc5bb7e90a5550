"""A trained model as a folder: the network twice (Keras and ONNX), its history, and the card that vouches for them.

    runs/quick/
      model.keras     logits, for training on, opening up and exporting
      model.onnx      a picture's pixels in, calibrated probabilities out; all that recognizing needs
      history.csv     one row per epoch
      model.json      the card: how it was made, how it is calibrated, and the SHA-256 of the files above

Loading checks those hashes and runs no code from the folder.
"""

from __future__ import annotations

import csv
import io
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inkdigits import calibration
from inkdigits.card import CARD_KEY, FORMAT, Card
from inkdigits.errors import BundleError
from inkdigits.files import sha256_of, staged_folder, write_atomically

if TYPE_CHECKING:
    import onnx

CARD_FILE = "model.json"
KERAS_FILE = "model.keras"
ONNX_FILE = "model.onnx"
HISTORY_FILE = "history.csv"
PACKAGES = ("keras", "tensorflow-cpu", "tensorflow", "jax", "torch", "numpy", "onnx", "onnxruntime")
"""Whose versions the card records, where they are installed."""
ONNX_TOLERANCE = 1e-4
"""The greatest difference of a probability between the Keras network and the stored ONNX graph."""


@dataclass(frozen=True)
class Bundle:
    """A trained model's folder, whose files were checked against its card.

    Attributes:
        folder: where it is.
        card: what `model.json` says.
    """

    folder: Path
    card: Card

    @classmethod
    def load(cls, folder: str | Path) -> Bundle:
        """Open a bundle folder and check every file that its card lists.

        Raises:
            BundleError: the folder is missing, damaged, foreign, or from a newer inkdigits; the message says which.
        """
        folder = Path(folder)
        bundle = cls(folder, read_card(folder))
        for name in bundle.card.files:
            bundle.read(name)
        return bundle

    def read(self, name: str) -> bytes:
        """The content of one of the bundle's files, checked against the card.

        Raises:
            BundleError: the card does not list it, it is missing, or it is not what the card says.
        """
        expected = self.card.files.get(name)
        if expected is None:
            has = ", ".join(sorted(self.card.files))
            raise BundleError(
                f"Expected {name} in the bundle {self.folder}, which only holds {has}: enough to recognize digits. "
                "What you are doing needs a bundle that `inkdigits train` has written."
            )
        try:
            content = (self.folder / name).read_bytes()
        except FileNotFoundError:
            raise BundleError(
                f"Expected {name} in the bundle {self.folder}, as its {CARD_FILE} lists it. It is missing: "
                "the bundle is damaged. Copy the whole folder again or train it anew."
            ) from None
        except OSError as error:
            raise BundleError(f"Expected to read {self.folder / name}: {error}") from None
        actual = sha256_of(content)
        if actual != expected:
            raise BundleError(
                f"Expected {self.folder / name} with SHA-256 {expected}. Received: {actual}. "
                "The bundle is damaged: copy the whole folder again or train it anew."
            )
        return content

    def keras_model(self) -> Any:
        """The network as an uncompiled keras.Model: (N, 28, 28) float32 in [0, 1] -> (N, 10) logits.

        Raises:
            BundleError: there is none, it is damaged, it holds layers that could run code, or it was trained
            with another version of the preprocessing.
            MissingExtraError: Keras is not installed.
        """
        from inkdigits.preprocess import VERSION
        from inkdigits.serving import load_keras

        if self.card.preprocessing != VERSION:
            raise BundleError(
                f"Expected a network for version {VERSION} of the preprocessing. {self.folder} was trained with "
                f"version {self.card.preprocessing}: use its model.onnx, which holds that version, or train it anew."
            )
        self.read(KERAS_FILE)
        return load_keras(self.folder / KERAS_FILE)


def read_card(folder: Path) -> Card:
    """The card of a bundle folder; its files are not checked.

    Raises:
        BundleError: there is no card, it is malformed, foreign, or from a newer inkdigits.
    """
    path = folder / CARD_FILE
    if not folder.is_dir():
        came = "a file" if folder.exists() else "nothing there"
        raise BundleError(f"Expected {folder} to be a bundle: a folder that `inkdigits train` wrote. Received: {came}.")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise BundleError(
            f"Expected {folder} to be a bundle: a folder that `inkdigits train` wrote. It holds no {CARD_FILE}."
        ) from None
    except OSError as error:
        raise BundleError(f"Expected to read {path}: {error}") from None
    return Card.from_json(content, str(path))


def save(
    folder: str | Path,
    model: Any,
    *,
    recipe: Mapping[str, Any],
    architecture: Mapping[str, Any],
    seed: int,
    data: Mapping[str, Any],
    validation_logits: ArrayLike,
    validation_labels: ArrayLike,
    history: Sequence[Mapping[str, Any]],
    training: Mapping[str, Any],
) -> Bundle:
    """Calibrate a trained network on its validation images and write the bundle.

    A crash leaves the old bundle, the new one, or one that `load` calls damaged; never one that loads and is wrong.

    Args:
        folder: where to; made when missing. Files of an older bundle in it are replaced.
        model: keras.Model, (N, 28, 28) float32 in [0, 1] -> (N, 10) logits.
        recipe: everything the training was told, as JSON-ready values.
        architecture: {"name": str, "options": {...}}.
        seed: of the training.
        data: {"name": str, "sha256": str, "train": images, "validation": images}.
        validation_logits: (N, 10), what `model` answers to the validation images.
        validation_labels: (N,) digits 0..9; 10 for pictures of no digit, which make it an open-set model.
        history: one mapping per epoch, written to history.csv.
        training: {"seconds": float, "cpu_seconds": float, "epochs": int}.

    Returns:
        The bundle as written.

    Raises:
        BundleError: the network holds layers that would be refused on loading, or cannot be stored as ONNX.
    """
    from inkdigits import preprocess

    folder = Path(folder)
    card = Card(
        format=FORMAT,
        name=folder.resolve().name,
        architecture=dict(architecture),
        recipe=dict(recipe),
        seed=seed,
        data=dict(data),
        preprocessing=preprocess.VERSION,
        parameters=int(model.count_params()),
        packages=packages(),
        hardware=hardware(),
        training=dict(training),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        files={},
        **_calibrate(validation_logits, validation_labels),
    )
    with staged_folder(folder) as stage:
        model.save(stage / KERAS_FILE, include_optimizer=False)
        (stage / ONNX_FILE).write_bytes(onnx_file(stage / KERAS_FILE, card))
        (stage / HISTORY_FILE).write_text(_as_csv(history), encoding="utf-8")
        text = card.with_files({file.name: sha256_of(file) for file in sorted(stage.iterdir())}).to_json()
        card = Card.from_json(text, str(folder / CARD_FILE))  # a card that could not be read back stops here
    write_atomically(folder / CARD_FILE, text)
    (folder / "evaluation.json").unlink(missing_ok=True)  # of the model that stood here before
    return Bundle(folder, card)


def _calibrate(logits: ArrayLike, labels: ArrayLike) -> dict[str, Any]:
    temperature = calibration.fit_temperature(logits, labels)
    truth = np.asarray(labels).astype(np.intp)
    open_set = bool(truth.max() == calibration.OTHER)
    rows = calibration.answers(logits, temperature, open_set=open_set)[truth < calibration.OTHER]
    probabilities, digitness = calibration.split(rows)
    digits = truth[truth < calibration.OTHER]
    true = np.maximum(probabilities[np.arange(len(digits)), digits], np.finfo(np.float32).tiny)
    return {
        "temperature": temperature,
        "reject_threshold": calibration.reject_threshold(
            probabilities.max(axis=1) * digitness, calibration.KEEP_OPEN if open_set else calibration.KEEP
        ),
        "open_set": open_set,
        "conformal_threshold": calibration.conformal_threshold(probabilities, digits),
        "coverage": calibration.COVERAGE,
        "validation": {
            "accuracy": float(np.mean(probabilities.argmax(axis=1) == digits)),
            "loss": float(-np.log(true.astype(np.float64)).mean()),
        },
    }


def onnx_file(network: Path, card: Card) -> bytes:
    """The content of `model.onnx` for a Keras file and its card, with the geometry of this version of inkdigits.

    Raises:
        BundleError: the network holds layers that are refused, or cannot be stored as ONNX.
    """
    from inkdigits import graph, serving

    model = serving.load_keras(network)  # what will be read back, so layers that are refused show up now
    served = serving.calibrated(model, card.temperature, card.open_set)
    converted = serving.to_onnx(served)
    _check_onnx(served, converted)
    built = graph.build(converted, {CARD_KEY: card.to_json(files=False)})
    return bytes(built.SerializeToString())


def _check_onnx(served: Any, network: onnx.ModelProto) -> None:
    import onnxruntime

    images = np.random.default_rng(0).random((32, 28, 28), np.float32)
    try:
        session = onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
        answers: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: images})[0]
    except Exception as error:
        raise BundleError(f"Expected a network that ONNX Runtime can run. It cannot: {error}") from error
    difference = float(np.abs(answers - np.asarray(served(images, training=False))).max())
    if not difference <= ONNX_TOLERANCE:
        raise BundleError(
            f"Expected Keras and ONNX to agree within {ONNX_TOLERANCE:g}. Received: a difference of {difference:g}."
        )


def _as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def packages() -> dict[str, str]:
    """The versions of Python and of the packages that matter to a training, where they are installed."""
    found = {"python": platform.python_version()}
    for name in ("inkdigits", *PACKAGES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """This machine: its architecture, processor, number of cores and system."""
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count(),
        "system": platform.system(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
