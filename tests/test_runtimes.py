"""Every runtime keeps one contract, and says clearly what it cannot open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inkdigits import graph
from inkdigits.errors import BundleError
from inkdigits.runtimes import CHUNK, Answers, LiteRTRuntime, OnnxRuntime
from test_graph import small_network


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x07" + bytes(500)])
def test_a_damaged_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.onnx cannot be opened"):
        OnnxRuntime(path)


def test_a_foreign_onnx_model_is_refused_when_it_answers() -> None:
    foreign = OnnxRuntime(small_network().SerializeToString())
    with pytest.raises(BundleError, match="made by inkdigits"):
        foreign.answer(np.zeros((1, 28, 28), np.uint8))


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_a_damaged_litert_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.tflite cannot be opened"):
        LiteRTRuntime(path)


def test_chunks_do_not_show(mnist: Path) -> None:
    from inkdigits.datasets import load_dataset

    runtime = OnnxRuntime(graph.build(small_network()).SerializeToString(), threads=1)
    images = load_dataset("mnist", "test").images[: 2 * CHUNK + 3]
    together = runtime.answer(images)
    assert isinstance(together, Answers)
    for index in (0, CHUNK - 1, CHUNK, 2 * CHUNK, 2 * CHUNK + 2):
        alone = runtime.answer(images[index : index + 1])
        assert np.allclose(alone.probabilities[0], together.probabilities[index], atol=1e-6)
        assert np.allclose(alone.digitness[0], together.digitness[index], atol=1e-6)


def test_confidence_is_of_being_a_digit_and_of_being_this_one() -> None:
    probabilities = np.array([[0.9, 0.1, *[0] * 8], [0.1] * 10, [0, 1, *[0] * 8]], np.float32)
    digitness = np.array([0.5, 0.0, 1.0], np.float32)
    answers = Answers(probabilities, digitness, np.zeros((3, 28, 28), np.float32), np.zeros((3, 4), np.float32))
    assert answers.confidences.dtype == np.float32
    np.testing.assert_allclose(answers.confidences, [0.45, 0.0, 1.0])


def test_an_open_set_file_gives_digitness_between_nothing_and_certainty(mnist: Path) -> None:
    from inkdigits.datasets import load_dataset

    runtime = OnnxRuntime(graph.build(small_network(11)).SerializeToString(), threads=1)
    answers = runtime.answer(load_dataset("mnist", "test").images[: CHUNK + 3])
    assert answers.digitness.min() > 0 and answers.digitness.max() < 1
    assert answers.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
