"""The programs that can run a model, all behind one method: pictures in, probabilities out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inkdigits import trial
from inkdigits.calibration import answers, split
from inkdigits.errors import BundleError
from inkdigits.preprocess import SIZE, normalize_batch

CHUNK = 256
"""Pictures that a network sees at a time."""
CHUNK_PIXELS = 16_000_000
"""Pixels that go to a runtime at a time, which bounds its memory."""

Array = NDArray[np.float32]
_OUTPUTS = ("probabilities", "digitness", "seen", "boxes")


@dataclass(frozen=True)
class Answers:
    """What a model says about N pictures."""

    probabilities: Array
    """(N, 10) float32, calibrated, summing to 1; 0.1 everywhere for a picture without ink."""
    digitness: Array
    """(N,) float32: the probability that the picture shows a digit; 1.0 from a network that was not trained to tell."""
    seen: Array
    """(N, 28, 28) float32 in [0, 1]: what the network saw, 0.0 paper, 1.0 ink."""
    boxes: Array
    """(N, 4) float32: x, y, width, height of the ink in pixels of the picture; 0.0 when there is none."""

    @property
    def confidences(self) -> Array:
        """(N,) float32: the probability that the picture shows a digit, and that it is the most likely one."""
        return np.asarray(self.probabilities.max(axis=1, initial=0) * self.digitness, np.float32)


class Runtime(Protocol):
    """Anything that answers pictures."""

    name: str

    def answer(self, pixels: NDArray[np.uint8]) -> Answers:
        """Answer N pictures of one size: uint8 (N, H, W) or (N, H, W, C) with C 1, 3 or 4; N may be 0."""
        ...


class OnnxRuntime:
    """ONNX Runtime on the CPU, for files made by `inkdigits.graph`: the geometry is in the file."""

    name = "onnx"

    def __init__(self, model: Path | bytes, threads: int | None = None) -> None:
        """Open a model.

        Args:
            model: the `.onnx` file or its content.
            threads: threads to use; by default as many as there are cores.

        Raises:
            BundleError: it is not an ONNX model; or, when it answers, not one made by inkdigits.
        """
        what = "the model" if isinstance(model, bytes) else str(model)
        self._session = open_onnx(model, threads)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        """The model's `metadata_props`; inkdigits keeps its card there."""
        values = (self._session.get_inputs(), self._session.get_outputs())
        self._ours = [[value.name for value in side] for side in values] == [["pixels"], list(_OUTPUTS)]
        self._what = what

    def answer(self, pixels: NDArray[np.uint8]) -> Answers:
        """See `Runtime.answer`."""
        if not self._ours:
            raise BundleError(
                f"Expected an ONNX model made by inkdigits, with the input 'pixels'. {self._what} has other inputs or "
                "outputs. Export one with: inkdigits export BUNDLE"
            )
        planes = pixels[..., None] if pixels.ndim == 3 else pixels
        parts = [self._session.run(None, {"pixels": chunk}) for chunk in _chunks(planes)]
        return _joined(parts)


def open_onnx(model: Path | bytes, threads: int | None = None) -> Any:
    """An ONNX Runtime session on the CPU for an `.onnx` file or its content.

    Raises:
        BundleError: it is not an ONNX model.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads that wait do not spin: steps are short here, and spinning takes time from the thread that works.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if threads is not None:
        options.intra_op_num_threads = threads
    source = model if isinstance(model, bytes) else str(model)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors have no public parent
        what = "the model" if isinstance(model, bytes) else model
        raise BundleError(f"Expected an ONNX model. {what} cannot be opened: {error}") from None


class _AfterNormalizing:
    """A runtime whose model sees what `preprocess.normalize_batch` made of the pictures, and `trial.ways` of some."""

    def answer(self, pixels: NDArray[np.uint8]) -> Answers:
        """See `Runtime.answer`."""
        parts = [self._part(pixels[start : start + CHUNK]) for start in range(0, len(pixels), CHUNK)]
        return _joined(parts)

    def _part(self, pixels: NDArray[np.uint8]) -> list[Array]:
        seen, boxes, votes = normalize_batch(pixels)
        probabilities, digitness, open_set = self._split(seen)
        doubtful = np.flatnonzero(trial.doubtful(votes, digitness)) if open_set else np.zeros(0, np.intp)
        if len(doubtful):
            each = [trial.ways(pixels[index], votes[index]) for index in doubtful]
            ink, places = (np.stack(values) for values in zip(*each, strict=True))
            digits, likely, _ = self._split(ink.reshape(-1, SIZE, SIZE))
            digits, likely = digits.reshape(-1, trial.WAYS, 10), likely.reshape(-1, trial.WAYS)
            guess = probabilities[doubtful], digitness[doubtful]
            best = trial.best(votes[doubtful], guess, ink, digits, likely)
            taken, way = doubtful[best.taken], best.way[best.taken]
            for values, others in ((seen, ink), (boxes, places), (probabilities, digits)):
                values[taken] = others[best.taken, way]
            digitness[doubtful] = best.digitness
        return [probabilities, digitness, seen, boxes]

    def _split(self, seen: Array) -> tuple[Array, Array, bool]:
        """What the model says of ink (N, 28, 28), as `calibration.split` does, and whether it was trained to tell."""
        rows = self._answers(seen)
        probabilities, digitness = (part.copy() for part in split(rows))
        blank = ~seen.any((1, 2))
        probabilities[blank], digitness[blank] = 0.1, 0
        return probabilities, digitness, rows.shape[1] > 10

    def _answers(self, seen: Array) -> Array:
        raise NotImplementedError


class NetworkRuntime(_AfterNormalizing):
    """ONNX Runtime for `model-int8.onnx`, which holds a network without the geometry."""

    name = "onnx-int8"

    def __init__(self, model: Path, threads: int | None = None) -> None:
        """Open a file with input (N, 28, 28) float32 and output (N, 10) or (N, 11) float32, see `calibration.answers`.

        Raises:
            BundleError: it is not such a file.
        """
        self._session = open_onnx(model, threads)
        given, answered = self._session.get_inputs(), self._session.get_outputs()
        shapes = [[value.shape[1:] for value in side] for side in (given, answered)]
        if shapes not in ([[[SIZE, SIZE]], [[width]]] for width in (10, 11)):
            raise BundleError(f"Expected a network made by inkdigits, (N, 28, 28) -> (N, 10). {model} is not one.")
        self._input = given[0].name

    def _answers(self, seen: Array) -> Array:
        return np.asarray(self._session.run(None, {self._input: seen})[0], np.float32)


class KerasRuntime(_AfterNormalizing):
    """Keras, on whatever backend it runs."""

    name = "keras"

    def __init__(self, model: Any, temperature: float = 1.0, open_set: bool = False) -> None:
        """Use a Keras model (N, 28, 28) -> (N, 10) logits; see `calibration.answers`."""
        self._model, self._temperature, self._open_set = model, temperature, open_set

    def _answers(self, seen: Array) -> Array:
        import keras

        logits = keras.ops.convert_to_numpy(self._model(seen, training=False))
        return answers(logits, self._temperature, open_set=self._open_set)


class LiteRTRuntime(_AfterNormalizing):
    """LiteRT (formerly TensorFlow Lite), for `.tflite` files made by `inkdigits export`."""

    name = "litert"

    def __init__(self, model: Path, threads: int | None = None) -> None:
        """Open a `.tflite` file with input (N, 28, 28) float32 and output (N, 10) or (N, 11) float32, see
        `calibration.answers`.

        Raises:
            BundleError: it is not such a file.
        """
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_path=str(model), num_threads=threads)
        except (ValueError, RuntimeError, OSError) as error:
            raise BundleError(f"Expected a LiteRT model. {model} cannot be opened: {error}") from None
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        if tuple(self._input["shape"][1:]) != (SIZE, SIZE) or tuple(self._output["shape"][1:]) not in ((10,), (11,)):
            raise BundleError(f"Expected a LiteRT model made by inkdigits, (N, 28, 28) -> (N, 10). {model} is not one.")

    def _answers(self, seen: Array) -> Array:
        self._interpreter.resize_tensor_input(self._input["index"], seen.shape)
        self._interpreter.allocate_tensors()
        self._interpreter.set_tensor(self._input["index"], seen)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output["index"]), np.float32)


class SavedModelRuntime(_AfterNormalizing):
    """TensorFlow, for the folder that `inkdigits export` makes as a SavedModel."""

    name = "savedmodel"

    def __init__(self, model: Path) -> None:
        """Open a folder with the endpoint `serve`, from (N, 28, 28) float32 to (N, 10) or (N, 11) float32."""
        import tensorflow as tf

        self._model = tf.saved_model.load(str(model))  # the endpoint alone does not keep its variables alive

    def _answers(self, seen: Array) -> Array:
        return np.asarray(self._model.serve(seen), np.float32)


def _chunks(planes: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    size = int(np.prod(planes.shape[1:])) or 1
    step = max(1, min(CHUNK, CHUNK_PIXELS // size))
    for start in range(0, len(planes), step):
        yield np.ascontiguousarray(planes[start : start + step])


def _joined(parts: list[list[Array]]) -> Answers:
    if not parts:
        empty = ((0, 10), (0,), (0, SIZE, SIZE), (0, 4))
        return Answers(*(np.zeros(shape, np.float32) for shape in empty))
    return Answers(*(np.concatenate([part[index] for part in parts]) for index in range(len(_OUTPUTS))))
