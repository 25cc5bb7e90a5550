"""A picture in which ink cannot be told from a shadow or a table is seen in other ways, too, by every runtime alike."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

import inkdigits
from inkdigits import geometry, graph, trial
from inkdigits.bundle import Bundle
from inkdigits.operators import OPSET, Ops
from inkdigits.preprocess import normalize, normalize_batch
from inkdigits.recognizer import WEIGHTS, Recognizer
from inkdigits.runtimes import KerasRuntime, OnnxRuntime
from pictures import picture
from test_graph import small_network
from written import half_in_shadow

Pixels = NDArray[np.uint8]


def on_a_table(pixels: Pixels) -> Pixels:
    """A border of an eighth of the longer side, dark and grainy."""
    border = max(pixels.shape) // 8
    height, width = (side + 2 * border for side in pixels.shape)
    table = np.random.default_rng(0).normal(45, 8, (height, width)).clip(0, 255).astype(np.uint8)
    table[border:-border, border:-border] = pixels
    return table


WORSE: dict[str, Callable[[Pixels], Pixels]] = {
    "half in shadow": lambda pixels: half_in_shadow(pixels, 0.35),
    "half in a soft shadow": lambda pixels: half_in_shadow(pixels, 0.5, blur=6),
    "light ink, half in light": lambda pixels: 255 - half_in_shadow(pixels, 0.35),
    "the right half in shadow": lambda pixels: np.hstack([pixels[:, :100], pixels[:, 100:] * 0.35]).astype(np.uint8),
    "half in shadow on a table": lambda pixels: on_a_table(half_in_shadow(pixels, 0.35)),
}


@pytest.mark.parametrize("worse", WORSE)
def test_digits_in_worse_light_are_read(recognizer: Recognizer, worse: str) -> None:
    shown = [WORSE[worse](picture(digit)) for digit in range(10)]
    answers = recognizer.classify(shown)
    assert [answer.digit for answer in answers] == list(range(10))
    assert sum(answer.rejected for answer in answers) <= 2
    boxes = recognizer.answer(shown[:1]).boxes[0], normalize(picture(0)).box
    offset = (shown[0].shape[0] - picture(0).shape[0]) // 2
    np.testing.assert_allclose(boxes[0], boxes[1] + (offset, offset, 0, 0), atol=8)


def test_every_runtime_tries_the_same() -> None:
    bundle = Bundle.load(WEIGHTS / "default")
    keras = KerasRuntime(bundle.keras_model(), bundle.card.temperature, bundle.card.open_set)
    onnx = OnnxRuntime(WEIGHTS / "default" / "model.onnx", threads=1)
    plain = picture(5)
    shown = [worse(picture(digit)) for worse in WORSE.values() for digit in (3, 7)]
    shown += [plain, half_in_shadow(np.full_like(plain, 220), 0.4), 255 - on_a_table(plain)]
    # Sizes at which sides of 96 pixels are a tie, and those of which not every pixel is seen.
    shown += [cv2.resize(half_in_shadow(plain, 0.35), size) for size in ((385, 704), (187, 704), (1216, 703))]
    shown += [cv2.resize(half_in_shadow(picture(2), 0.35), (3200, 2000))]
    for pixels in (np.stack(shown[:4] + shown[-7:-5]), *(one[None] for one in shown[4:])):
        ours, theirs = onnx.answer(pixels), keras.answer(pixels)
        assert np.abs(ours.seen - theirs.seen).max() <= 1.01 / 255
        np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=0.01)
        np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=2e-3)
        np.testing.assert_allclose(ours.digitness, theirs.digitness, atol=2e-3)
    assert ours.probabilities.argmax() == 2, "of the last, which is 16 times as wide and 12.5 times as high"
    np.testing.assert_allclose(ours.boxes[0], normalize(picture(2)).box * (16, 12.5, 16, 12.5), atol=100)


def test_a_picture_gets_the_same_answer_in_any_company(recognizer: Recognizer) -> None:
    """Whether it is seen otherwise or not."""
    shown = [picture(4), WORSE["half in shadow"](picture(3)), picture(8, noise=3), 255 - picture(1)]
    together = recognizer.answer(np.stack(shown))
    for index, pixels in enumerate(shown):
        alone = recognizer.answer(pixels)
        for name in ("seen", "boxes", "probabilities", "digitness"):
            np.testing.assert_allclose(getattr(together, name)[index], getattr(alone, name)[0], atol=1e-5)


@pytest.mark.parametrize(("blur", "most"), [(0.0, 12), (3.0, 0), (20.0, 0), (60.0, 0)])
def test_hardly_a_digit_is_seen_on_empty_paper_in_shadow(recognizer: Recognizer, blur: float, most: int) -> None:
    """What is left of an edge as sharp as a knife may pass for a 1."""
    seen, count = 0, 0
    for size, level, left in itertools.product([(240, 320), (60, 90), (400, 150)], [220, 130], [0.1, 0.3, 0.5, 0.7]):
        empty = half_in_shadow(np.full(size, level, np.uint8), left, blur)
        answers = recognizer.classify([empty, empty[::-1], empty.T])
        seen, count = seen + sum(not answer.rejected for answer in answers), count + len(answers)
    assert count == 72 and seen <= most


def test_what_is_plain_or_has_the_layout_of_mnist_is_seen_once(mnist: Any) -> None:
    from inkdigits.datasets import load_dataset

    images = load_dataset("mnist", "test").images[:500].copy()
    images[::5, 13:15, 6:22] = 255  # struck out
    shown = inkdigits.load("default", threads=1).answer(images)
    alike = np.isneginf(normalize_batch(images)[2])
    assert alike.sum() > 450 and (shown.digitness[alike] < trial.UNSURE).any()
    assert np.array_equal(np.rint(shown.seen[alike] * 255), images[alike])
    votes = np.array([-np.inf, 3, -3, 2.4, -2.4, 0, 3, -3], np.float32)
    digitness = np.array([0.1, 0.9, 0.9, 0.9, 0.9, 0.9, 0.4, 0.0], np.float32)
    assert trial.doubtful(votes, digitness).tolist() == [False] * 3 + [True] * 5


def test_a_network_that_cannot_tell_a_digit_sees_pictures_once() -> None:
    shaded = WORSE["half in shadow"](picture(3))
    guess = normalize(shaded)
    assert abs(guess.vote) < trial.PLAIN
    runtime = OnnxRuntime(graph.build(small_network(10)).SerializeToString(), threads=1)
    answers = runtime.answer(shaded[None])
    assert np.abs(answers.seen[0] - guess.seen).max() <= 1.01 / 255 and answers.digitness.tolist() == [1.0]


# ---- how the best way is chosen

BEST = [
    # votes, guessed; digits and digitness of: dark narrow, dark wide, light narrow, light wide; way and score
    (0.0, 0.5, "3377", [0.9, 0.8, 0.1, 0.1], 0, 0.8),  # two that agree: the lesser counts
    (0.0, 0.5, "3577", [0.9, 0.99, 0.1, 0.1], 1, -6),  # one alone
    (0.0, 0.5, "3577", [0.9, 0.9, 0.99, 0.99], 2, -4),  # light ink, where that is not plain
    (-3.0, 0.5, "3577", [0.9, 0.9, 0.99, 0.99], 2, 0.99),  # where it is
    (-3.0, 0.5, "3377", [0.99, 0.99, 0.3, 0.3], 0, -4),  # dark ink on a plainly dark table
    (0.0, 0.9999, "3377", [0.9, 0.9, 0.1, 0.1], None, 0.9999),  # the guess is surer by more than 4, and there it is
    (0.0, 0.99, "3577", [0.1, 0.9, 0.1, 0.1], None, -4),  # nowhere else is it rather that digit
    (0.0, 0.99, "3577", [0.55, 0.9, 0.1, 0.1], None, 0.99),  # there it is, rather
    (-3.0, 0.4, "3579", [0.1, 0.1, 0.1, 0.1], None, 0.4),  # where ink is plain that does not matter
    (0.0, 0.99, "3377", [0.9, 0.9, 0.1, 0.1], 0, 0.9),
    (0.0, 0.0, "3377", [0.6, 0.6, 0.1, 0.1], 0, 0.6),  # the guess has no ink
    (0.0, 0.0, "3377", [0.4, 0.4, 0.1, 0.1], None, 0.0),
]


@pytest.mark.parametrize(("vote", "guessed", "digits", "digitness", "way", "score"), BEST)
def test_the_best_way_is_the_likeliest_digit(
    vote: float, guessed: float, digits: str, digitness: list[float], way: int | None, score: float
) -> None:
    probabilities = np.full((1, trial.WAYS, 10), 0.01, np.float32)
    probabilities[0, range(trial.WAYS), [int(digit) for digit in digits]] = 0.91
    likely, votes = np.array([digitness], np.float32), np.array([vote], np.float32)
    first = np.eye(10, dtype=np.float32)[[int(digits[0])]], np.array([guessed], np.float32)
    seen = np.ones((1, trial.WAYS, 28, 28), np.float32)
    best = trial.best(votes, first, seen, probabilities, likely)
    assert best.taken.tolist() == [way is not None]
    chosen = int(best.way[0])
    assert way is None or chosen == way
    of_it = guessed if way is None else likely[0, chosen]
    expected = score if score >= 0 else 1 / (1 + np.exp(-np.log(of_it / (1 - of_it)) - score))
    assert best.digitness[0] == pytest.approx(expected, abs=1e-4)
    seen[0, chosen] = 0
    assert trial.best(votes, first, seen, probabilities, likely).way[0] != chosen, "where there is ink"


def test_the_graph_chooses_as_the_reference_does() -> None:
    rng, count = np.random.default_rng(0), 400
    votes = rng.uniform(-5, 5, count).astype(np.float32)
    guessed = np.where(rng.random(count) < 0.2, 0, rng.random(count)).astype(np.float32)
    likely = rng.choice([0.0, 0.1, 0.45, 0.55, 0.9, 0.999, 1.0], (count, trial.WAYS)).astype(np.float32)
    digits = rng.dirichlet(np.full(3, 0.3), (count, trial.WAYS)).astype(np.float32)
    digits = np.pad(digits, ((0, 0), (0, 0), (0, 7)))  # often the same
    inked = rng.random((count, trial.WAYS)) < 0.8
    seen = np.zeros((count, trial.WAYS, 28, 28), np.float32)
    seen[inked, 14, 14] = 1
    named = np.pad(rng.dirichlet(np.full(3, 0.3), count), ((0, 0), (0, 7))).astype(np.float32)
    expected = trial.best(votes, (named, guessed), seen, digits, likely)
    ops = Ops()
    names = ["votes", "named", "guessed", "inked", "probabilities", "digitness"]
    results = graph._best(ops, "votes", ("named", "guessed"), *names[3:])
    kinds = [TensorProto.BOOL if name == "inked" else TensorProto.FLOAT for name in names]
    outputs = [TensorProto.BOOL, TensorProto.INT64, TensorProto.FLOAT]
    made = helper.make_graph(
        ops.nodes,
        "best",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(names, kinds, strict=True)],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(results, outputs, strict=True)],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = (votes, named, guessed, inked.reshape(-1), digits.reshape(-1, 10), likely.reshape(-1))
    taken, way, digitness = session.run(None, dict(zip(names, given, strict=True)))
    some = inked.any(1)
    assert 50 < expected.taken.sum() < 350
    np.testing.assert_array_equal(taken, expected.taken)
    np.testing.assert_array_equal(way[some], expected.way[some])
    np.testing.assert_allclose(digitness, expected.digitness, atol=1e-6)


@pytest.mark.parametrize(("reach", "smooth"), [(11, False), (23, True)])
def test_even_light_is_the_same_in_the_graph(reach: int, smooth: bool) -> None:
    rng = np.random.default_rng(1)
    shown = np.stack([half_in_shadow(picture(digit, noise=4, seed=digit), 0.4) for digit in (2, 5, 8)])
    shown = shown.astype(np.float32) + rng.normal(0, 1, shown.shape).astype(np.float32)
    ops = Ops()
    result = geometry.evenly_lit(ops, "picture", reach, smooth)
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("picture", result)]
    made = helper.make_graph(ops.nodes, "even", infos[:1], infos[1:])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (seen,) = session.run(None, {"picture": shown[None]})
    np.testing.assert_allclose(seen[0], trial.evenly_lit(shown, reach, smooth), atol=1e-2)


def test_ways_that_have_nothing_to_show_are_empty() -> None:
    light, dark = picture(4), 255 - picture(4)
    for pixels, shown in ((light, [True, True, False, False]), (dark, [True] * 4)):
        vote = normalize(pixels).vote
        assert abs(vote) >= trial.PLAIN
        seen, boxes = trial.ways(pixels, vote)
        assert seen.shape == (4, 28, 28) and boxes.shape == (4, 4)
        assert seen[~np.array(shown)].sum() == boxes[~np.array(shown)].sum() == 0
    crossed = np.full((60, 80), 220, np.uint8)
    crossed[27:33] = crossed[:, 37:43] = 50  # it reaches all sides
    assert not trial.ways(crossed, np.float32(0))[0][:2].any()
    crossed[:, 77:] = 220  # but for 3 pixels
    assert trial.ways(crossed, np.float32(0))[0][:2].any((1, 2)).all()
