"""Turn a bundle into the files that other programs and devices run, each checked against the Keras network.

| format      | file              | input                                    | output                               |
|-------------|-------------------|------------------------------------------|--------------------------------------|
| onnx        | model.onnx        | `pixels`: a picture, see `graph.build`   | `probabilities`, `seen`, `boxes`     |
| onnx-int8   | model-int8.onnx   | (N, 28, 28) float32, 0.0 paper .. 1.0 ink | (N, 10) float32 probabilities        |
| litert      | model.tflite      | the same                                 | the same                             |
| litert-int8 | model-int8.tflite | the same; 8-bit integers inside          | the same, in steps of 1/256          |
| savedmodel  | savedmodel/       | the same as litert, endpoint `serve`     | the same as litert                   |

Only `model.onnx` holds the picture geometry; the others take what `Prediction.seen` shows, so the app that runs them
lays a picture out like MNIST first (`inkdigits.preprocess` is the reference). All answer calibrated probabilities.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inkdigits.bundle import KERAS_FILE, ONNX_FILE, Bundle
from inkdigits.errors import ExportError, MissingExtraError
from inkdigits.files import sha256_of, write_atomically
from inkdigits.recognizer import WEIGHTS, load, located

if TYPE_CHECKING:
    from inkdigits.runtimes import Answers, Runtime

PARITY_IMAGES = 1000
"""How many training images every exported file answers beside Keras; the test images decide nothing."""
REPRESENTATIVE_IMAGES = 500
"""How many other training images show the 8-bit converter which range each value takes."""
EXPORT_FILE = "export.json"


@dataclass(frozen=True)
class Tolerance:
    """How far an exported file may be from the Keras network.

    Attributes:
        difference: the largest allowed difference of one probability.
        changed: the largest allowed part of pictures whose most likely digit differs.
    """

    difference: float
    changed: float


@dataclass(frozen=True)
class Parity:
    """What the comparison with the Keras network found.

    Attributes:
        images: how many were compared.
        largest_difference: of one probability.
        changed_answers: pictures whose most likely digit differs.
    """

    images: int
    largest_difference: float
    changed_answers: int


@dataclass(frozen=True)
class Exported:
    """A file (or folder) that was written and checked.

    Attributes:
        format: one of `FORMATS`.
        path: where it is.
        bytes: its size.
        sha256: of the file; None for a folder.
        parity: what the check found.
        tolerance: what the check allows.
    """

    format: str
    path: Path
    bytes: int
    sha256: str | None
    parity: Parity
    tolerance: Tolerance

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; the path is only the file's name, as export.json stands beside it."""
        return {**dataclasses.asdict(self), "path": self.path.name}


@dataclass(frozen=True)
class _Format:
    file: str
    tolerance: Tolerance
    write: Callable[[Bundle, Any, Path], None]
    runtime: Callable[[Path], Runtime]


def export(
    bundle: Bundle | str | Path, formats: Sequence[str] = ("onnx", "litert"), out: str | Path | None = None
) -> list[Exported]:
    """Write a bundle in other formats and check each against the Keras network on 1,000 training images of MNIST.

    A file that is over its tolerance is not written. What was found goes into `export.json` beside the files.

    Args:
        bundle: what `train` made, its folder, or a bundled model's name.
        formats: some of `FORMATS`.
        out: the folder to write to; None takes `export` inside the bundle (`export/NAME` here for a bundled model).

    Returns:
        One Exported per format, in the order asked for.

    Raises:
        ExportError: an unknown format, a failed conversion, or a file that disagrees with the Keras network.
        BundleError: the bundle is damaged or holds no Keras network.
        DatasetError: MNIST is not here and cannot be fetched.
        MissingExtraError: the converter is not installed.
    """
    from inkdigits.runtimes import KerasRuntime

    unknown = [name for name in formats if name not in FORMATS]
    if unknown or not formats:
        raise ExportError(f"Expected formats among {', '.join(FORMATS)}. Received: {', '.join(unknown) or 'none'}.")
    bundle = bundle if isinstance(bundle, Bundle) else Bundle.load(located(bundle))
    load(bundle.folder)  # a card that was edited stops here
    ours = bundle.folder.parent == WEIGHTS  # the installed package is no place for what a user exports
    inside = Path("export") / bundle.card.name if ours else bundle.folder / "export"
    folder = inside if out is None else Path(out)
    model = bundle.keras_model()
    pixels = _some_images(PARITY_IMAGES, 30)
    expected = _joint(KerasRuntime(model, bundle.card.temperature, bundle.card.open_set).answer(pixels))
    done: list[Exported] = []
    for name in dict.fromkeys(formats):
        done.append(_export_one(bundle, model, name, folder, pixels, expected))
        _record(bundle, done, folder)
    return done


def _export_one(
    bundle: Bundle, model: Any, name: str, folder: Path, pixels: NDArray[np.uint8], expected: NDArray[np.float32]
) -> Exported:
    from inkdigits.serving import quiet

    wanted = FORMATS[name]
    folder.mkdir(parents=True, exist_ok=True)
    stage = Path(tempfile.mkdtemp(dir=folder, prefix=f".{wanted.file}.", suffix=".part"))
    try:
        staged = stage / wanted.file
        with quiet():
            wanted.write(bundle, model, staged)
            answers = _joint(wanted.runtime(staged).answer(pixels))
        parity = compare(expected, answers)
        check(parity, wanted.tolerance, name)
        _publish(staged, folder / wanted.file, stage)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    path = folder / wanted.file
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    size, digest = sum(file.stat().st_size for file in files), sha256_of(path) if path.is_file() else None
    return Exported(name, path, size, digest, parity, wanted.tolerance)


def _joint(answers: Answers) -> NDArray[np.float32]:
    """(N, 11): the probability of each digit and, last, of there being none."""
    return np.column_stack([answers.probabilities * answers.digitness[:, None], 1 - answers.digitness])


def compare(expected: NDArray[np.float32], answers: NDArray[np.float32]) -> Parity:
    """Compare two runtimes' probabilities, a row for each of the same pictures."""
    difference = np.abs(expected.astype(np.float64) - answers)
    changed = int((expected.argmax(axis=1) != answers.argmax(axis=1)).sum())
    return Parity(len(expected), float(difference.max()), changed)


def check(parity: Parity, tolerance: Tolerance, name: str) -> None:
    """Raise an ExportError when a comparison is over its tolerance; NaN counts as over it."""
    within = parity.largest_difference <= tolerance.difference
    if not within or parity.changed_answers > tolerance.changed * parity.images:
        raise ExportError(
            f"Expected the {name} file to agree with Keras: probabilities within {tolerance.difference:g} and at most "
            f"{tolerance.changed:.1%} changed answers. Received: a difference of {parity.largest_difference:g} and "
            f"{parity.changed_answers} changed answers in {parity.images}. The file was not written."
        )


def _publish(staged: Path, target: Path, stage: Path) -> None:
    if target.is_dir():  # a folder cannot be replaced in one step: move the old one out of the way first
        target.rename(stage / "old")
    staged.replace(target)


def _record(bundle: Bundle, done: Sequence[Exported], folder: Path) -> None:
    # What an earlier call exported of this very network stays on record.
    path, source = folder / EXPORT_FILE, bundle.card.files[KERAS_FILE]
    entries: dict[str, Any] = {}
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        if before["source"] == source:
            entries = {entry["format"]: entry for entry in before["exports"]}
    except (OSError, ValueError, KeyError, TypeError):
        entries = {}
    entries.update({exported.format: exported.to_dict() for exported in done})
    document = {"model": bundle.card.name, "source": source, "exports": list(entries.values())}
    write_atomically(path, json.dumps(document, indent=2) + "\n")


def _some_images(count: int, first: int) -> NDArray[np.uint8]:
    """Training images from all over the set, beginning with the one at `first`."""
    from inkdigits.datasets import load_dataset

    images = load_dataset("mnist", "train").images
    return images[first :: max(1, len(images) // count)][:count]


def _write_onnx(bundle: Bundle, model: Any, path: Path) -> None:
    path.write_bytes(bundle.read(ONNX_FILE))


def _write_onnx_int8(bundle: Bundle, model: Any, path: Path) -> None:
    from inkdigits.quantization import quantized
    from inkdigits.serving import calibrated, to_onnx

    network = to_onnx(calibrated(model, bundle.card.temperature, bundle.card.open_set))
    path.write_bytes(quantized(network).SerializeToString())


def _write_litert(bundle: Bundle, model: Any, path: Path) -> None:
    _to_litert(bundle, model, path)


def _write_int8(bundle: Bundle, model: Any, path: Path) -> None:
    from inkdigits.preprocess import normalize_batch

    seen, *_ = normalize_batch(_some_images(REPRESENTATIVE_IMAGES, 0))

    def representative() -> Iterator[list[NDArray[np.float32]]]:
        for image in seen:
            yield [image[None]]

    import tensorflow as tf

    _to_litert(
        bundle,
        model,
        path,
        optimizations=[tf.lite.Optimize.DEFAULT],
        representative_dataset=representative,
        target_spec={"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]},
    )


def _to_litert(bundle: Bundle, model: Any, path: Path, **options: Any) -> None:
    from inkdigits.serving import calibrated

    _need_tensorflow("LiteRT")
    try:
        calibrated(model, bundle.card.temperature, bundle.card.open_set).export(
            path, format="litert", verbose=False, **options
        )
    except ImportError as error:
        raise MissingExtraError(error.name or "ai-edge-litert", "train") from None
    except Exception as error:
        raise ExportError(f"Expected a network that LiteRT can run. It cannot be converted: {error}") from error


def _write_savedmodel(bundle: Bundle, model: Any, path: Path) -> None:
    from inkdigits.serving import calibrated

    _need_tensorflow("a SavedModel")
    calibrated(model, bundle.card.temperature, bundle.card.open_set).export(
        path, format="tf_saved_model", verbose=False
    )


def _need_tensorflow(what: str) -> None:
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            f"Expected Keras to run on TensorFlow to export {what}. Received: the backend {keras.backend.backend()}. "
            "Run the command again with KERAS_BACKEND=tensorflow."
        )


def _onnx_runtime(path: Path) -> Runtime:
    from inkdigits.runtimes import OnnxRuntime

    return OnnxRuntime(path)


def _network_runtime(path: Path) -> Runtime:
    from inkdigits.runtimes import NetworkRuntime

    return NetworkRuntime(path)


def _litert_runtime(path: Path) -> Runtime:
    from inkdigits.runtimes import LiteRTRuntime

    return LiteRTRuntime(path)


def _savedmodel_runtime(path: Path) -> Runtime:
    from inkdigits.runtimes import SavedModelRuntime

    return SavedModelRuntime(path)


_EXACT = Tolerance(difference=1e-4, changed=0.0)
_EIGHT_BITS = Tolerance(difference=0.3, changed=0.005)

FORMATS: dict[str, _Format] = {
    "onnx": _Format(ONNX_FILE, _EXACT, _write_onnx, _onnx_runtime),
    "onnx-int8": _Format("model-int8.onnx", _EIGHT_BITS, _write_onnx_int8, _network_runtime),
    "litert": _Format("model.tflite", _EXACT, _write_litert, _litert_runtime),
    "litert-int8": _Format("model-int8.tflite", _EIGHT_BITS, _write_int8, _litert_runtime),
    "savedmodel": _Format("savedmodel", _EXACT, _write_savedmodel, _savedmodel_runtime),
}
"""Everything a bundle can be exported to."""
