"""The exported geometry is the reference: the same pictures through ONNX and through `preprocess`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import golden
from inkdigits import calibration, graph
from inkdigits.preprocess import normalize
from inkdigits.runtimes import OnnxRuntime

PICTURES = golden.pictures()
VECTORS = np.load(golden.FILE)


def small_network(answers: int = 10) -> onnx.ModelProto:
    """A network of one layer with fixed random weights; with 11 answers the last one is for "no digit"."""
    weights = np.random.default_rng(0).normal(0, 0.05, (784, answers)).astype(np.float32)
    nodes = [
        helper.make_node("Reshape", ["image", "flat"], ["values"]),
        helper.make_node("MatMul", ["values", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["answer"], axis=1),
    ]
    body = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 28, 28])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["N", answers])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([-1, 784]), "flat")],
    )
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 15)])


@pytest.fixture(scope="module")
def runtime() -> OnnxRuntime:
    model = graph.build(small_network(), {"greeting": "hello"})
    return OnnxRuntime(model.SerializeToString(), threads=1)


@pytest.mark.parametrize("name", PICTURES)
def test_golden_vectors(runtime: OnnxRuntime, name: str) -> None:
    answers = runtime.answer(PICTURES[name][None])
    assert np.abs(answers.seen[0] * 255 - VECTORS[f"seen/{name}"]).max() <= 1.01
    assert np.allclose(answers.boxes[0], VECTORS[f"box/{name}"], atol=0.01)
    assert answers.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert answers.digitness.tolist() == [float(VECTORS[f"seen/{name}"].any())]


@pytest.mark.parametrize("name", PICTURES)
def test_an_open_set_network_is_asked_two_questions(name: str) -> None:
    """Is it a digit, and if it is, which: as `calibration.split` says it."""
    network = small_network(11)
    session = onnxruntime.InferenceSession(network.SerializeToString(), providers=["CPUExecutionProvider"])
    runtime = OnnxRuntime(graph.build(network).SerializeToString(), threads=1)
    answers = runtime.answer(PICTURES[name][None])
    digits, digitness = calibration.split(session.run(None, {"image": answers.seen})[0])
    if not answers.seen.any():
        assert np.allclose(answers.probabilities, 0.1) and answers.digitness.tolist() == [0.0]
        return
    assert 0 < answers.digitness[0] < 1
    np.testing.assert_allclose(answers.probabilities, digits, atol=1e-6)
    np.testing.assert_allclose(answers.digitness, digitness, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    channels=st.sampled_from([1, 3, 4]),
    seed=st.integers(0, 2**32 - 1),
    smooth=st.booleans(),
)
def test_any_pixels_agree_with_the_reference(
    runtime: OnnxRuntime, height: int, width: int, channels: int, seed: int, smooth: bool
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, channels)).astype(np.uint8)
    if smooth:
        pixels = np.kron(pixels, np.ones((7, 7, 1), np.uint8))
    one, answers = normalize(pixels), runtime.answer(pixels[None])
    assert answers.seen[0].max() in (0.0, 1.0)
    # A tie at a threshold may fall either way in the last bit of a float; then a stroke more or less is seen.
    close = np.abs(answers.seen[0] - one.seen).max() <= 1.01 / 255
    assert close or np.abs(answers.seen[0] - one.seen).mean() < 0.05
    assert np.isfinite(answers.probabilities).all()


def test_synthetic_pictures_agree_with_the_reference(
    runtime: OnnxRuntime, mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scenes, worn digits, letters, several digits: what networks are trained on is what the file will see."""
    from inkdigits.datasets import load_dataset
    from inkdigits.synthesis import crops

    shown: list[np.ndarray] = []
    monkeypatch.setattr(crops, "normalize", lambda pixels: (shown.append(pixels), normalize(pixels))[1])
    data = load_dataset("mnist", "train")
    made = crops.Crops(data.images[:2000], data.labels[:2000])
    for seed in range(60):
        rng = np.random.default_rng(seed)
        (made.digit if seed % 2 else made.other)(rng)
    apart = []
    for pixels in shown:
        one, answers = normalize(pixels), runtime.answer(pixels[None])
        assert answers.digitness.tolist() == [float(not one.blank)]
        close = np.abs(answers.seen[0] - one.seen).max() <= 1.01 / 255
        if not close:  # a tie at a threshold may fall either way in the last bit of a float
            apart.append(float(np.abs(answers.seen[0] - one.seen).mean()))
    assert len(shown) >= 60
    assert len(apart) <= 0.05 * len(shown) and max(apart, default=0) < 0.1


def test_mnist_agrees_exactly(runtime: OnnxRuntime, mnist: Path) -> None:
    from inkdigits.datasets import load_dataset

    images = load_dataset("mnist", "test").images[:1000]
    opaque = np.full_like(images, 255)
    for shown in (images, np.stack([images] * 3, -1), np.stack([images, images, images, opaque], -1)):
        assert np.array_equal(np.rint(runtime.answer(shown).seen * 255), images)


def test_pictures_in_normal_form_and_others_share_a_batch(runtime: OnnxRuntime, mnist: Path) -> None:
    """A batch that needs no layout takes a shortcut; one picture that needs it changes nothing for the rest."""
    from inkdigits.datasets import load_dataset

    images = load_dataset("mnist", "test").images[:20].copy()
    all_normal = runtime.answer(images)
    images[7] = np.roll(images[7], 5, axis=0)  # off the middle
    mixed, others = runtime.answer(images), np.arange(20) != 7
    for name in ("seen", "boxes", "probabilities", "digitness"):
        assert np.allclose(getattr(mixed, name)[others], getattr(all_normal, name)[others], atol=1e-6)
    assert np.array_equal(mixed.seen[7], normalize(images[7]).seen)
    assert not np.array_equal(mixed.boxes[7], all_normal.boxes[7])


def test_a_blank_picture_favors_no_digit(runtime: OnnxRuntime) -> None:
    answers = runtime.answer(np.full((3, 40, 30, 3), 255, np.uint8))
    assert np.allclose(answers.probabilities, 0.1)
    assert not answers.digitness.any()
    assert not answers.seen.any()
    assert not answers.boxes.any()


def test_no_pictures_give_no_answers(runtime: OnnxRuntime) -> None:
    answers = runtime.answer(np.zeros((0, 28, 28), np.uint8))
    assert answers.probabilities.shape == (0, 10)
    assert answers.digitness.shape == answers.confidences.shape == (0,)
    assert answers.seen.shape == (0, 28, 28)
    assert answers.boxes.shape == (0, 4)


def test_metadata_travels_in_the_file(runtime: OnnxRuntime) -> None:
    assert runtime.metadata == {"greeting": "hello"}


def test_only_standard_operators_are_used() -> None:
    model = graph.build(small_network())
    assert {entry.domain for entry in model.opset_import} == {""}
    assert [value.name for value in model.graph.input] == ["pixels"]
    assert [value.name for value in model.graph.output] == ["probabilities", "digitness", "seen", "boxes"]
