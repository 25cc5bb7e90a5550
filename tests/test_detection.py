"""The network for pages: what it should answer, how it learns, and that its ONNX file is the network."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import handmade
from inkdigits import calibration as scores
from inkdigits import trial
from inkdigits.datasets import Dataset, load_dataset
from inkdigits.detection import (
    calibration,
    dates,
    graph,
    hearing,
    layers,
    lines,
    lining,
    looking,
    merging,
    network,
    progress,
    refinement,
    refining,
    training,
    transcript,
)
from inkdigits.detection.calibration import Calibration, Finds, Hearing, fitted, weighed
from inkdigits.detection.finder import KEY, Finder
from inkdigits.detection.learner import Learner
from inkdigits.detection.onnx_layers import OnnxLayers, weights_of
from inkdigits.detection.progress import Progress
from inkdigits.detection.targets import Targets, loss, targets
from inkdigits.detection.workers import ahead
from inkdigits.errors import BundleError, DivergenceError, InkdigitsError, RecipeError
from inkdigits.geometry import evenly_lit
from inkdigits.operators import OPSET, Ops
from inkdigits.recognizer import PAGES, WEIGHTS
from inkdigits.synthesis import pages as sheets
from inkdigits.synthesis.pages import Page
from inkdigits.training.engines import seeded
from parts import session_of
from pictures import ink, picture
from written import half_in_shadow, written


def blank_page(*boxes: tuple[float, float, float, float], digits: tuple[int, ...] = ()) -> Page:
    """A page of 64 x 96 pixels that has these digits, wherever they may be."""
    return Page(
        np.full((64, 96, 3), 255, np.uint8), np.array(boxes, np.float32).reshape(-1, 4), np.array(digits, np.uint8)
    )


# ---- what should be answered


def test_the_wanted_answers_to_a_page_made_by_hand() -> None:
    wanted = targets(blank_page((40, 20, 16, 24), (8, 30, 10, 20), digits=(7, 3)))
    assert wanted.heat.shape == wanted.digits.shape == wanted.weight.shape == (16, 24)
    assert wanted.sides.shape == (16, 24, 4)
    assert [tuple(cell) for cell in np.argwhere(wanted.heat == 1)] == [(8, 12), (10, 3)]  # middles (48, 32), (13, 40)
    assert wanted.digits[8, 12] == 7 and wanted.digits[10, 3] == 3
    assert wanted.weight[8, 12] == wanted.weight[10, 3] == 1
    assert wanted.sides[8, 12].tolist() == [10, 14, 6, 10]  # of the cell's middle, (50, 34)
    assert wanted.sides[10, 3].tolist() == [6, 12, 4, 8]
    assert 0 < wanted.heat[8, 11] < 1 and wanted.heat[0, 20] == 0 and wanted.weight[0, 20] == 0


def test_a_cell_belongs_to_the_digit_whose_middle_is_nearest() -> None:
    wanted = targets(blank_page((20, 20, 16, 24), (36, 20, 16, 24), digits=(1, 2)))
    row = wanted.digits[8][wanted.weight[8] > 0]
    assert row.tolist() == sorted(row.tolist()) and set(row.tolist()) == {1, 2}


@pytest.mark.parametrize(
    ("side", "kind"),
    [(6, "nothing"), (10, "either"), (12, "wanted"), (44, "wanted"), (50, "either"), (62, "nothing")],
)
def test_digits_of_a_size_for_another_scale_are_left_to_it(side: float, kind: str) -> None:
    wanted = targets(blank_page((10, 1, 0.6 * side, side), digits=(4,)))
    assert (wanted.heat == 1).any() == (kind == "wanted") == (wanted.weight > 0).any()
    assert (wanted.heat < 0).any() == (kind == "either")


def test_a_middle_at_the_very_end_of_the_page_has_a_cell() -> None:
    assert targets(blank_page((80, 52, 32, 24), digits=(4,))).heat[-1, -1] == 1


def answers_for(wanted: Targets) -> NDArray[np.float32]:
    """Answers that could not be better: (h, w, 15)."""
    answers = np.zeros((*wanted.heat.shape, network.OUTPUTS), np.float32)
    answers[..., 0] = np.where(wanted.heat > 0.999, 12, -12)
    answers[..., 1:11] = 12 * np.eye(10, dtype=np.float32)[wanted.digits]
    answers[..., 11:] = np.log(np.maximum(wanted.sides, 0.5))
    return answers


def test_the_loss_is_least_for_right_answers() -> None:
    wanted = targets(blank_page((40, 20, 16, 24), (8, 30, 10, 20), (60, 8, 6, 10), digits=(7, 3, 5)))
    right = answers_for(wanted)

    def cost(change: Callable[[NDArray[np.float32]], None]) -> float:
        answers = right.copy()
        change(answers)
        return float(loss(answers[None], *(part[None] for part in wanted)))

    def swap(answers: NDArray[np.float32]) -> None:
        answers[..., [1 + 7, 1 + 4]] = answers[..., [1 + 4, 1 + 7]]

    least = cost(lambda answers: None)
    assert np.isfinite(least)
    assert cost(swap) > least + 0.5
    assert cost(lambda answers: answers[8, 12].__setitem__(0, -6)) > least + 0.5, "a middle that is not found"
    assert cost(lambda answers: answers[3, 3].__setitem__(0, 6)) > least + 0.5, "a middle where nothing is"
    for side in range(11, 15):
        for factor in (0.5, 2.0):
            assert cost(lambda a, s=side, f=factor: np.add(a[..., s], np.log(f), out=a[..., s])) > least + 0.05
    either = np.argwhere(wanted.heat < 0)
    assert len(either) and cost(lambda answers: answers[tuple(either[0])].__setitem__(0, 9)) == pytest.approx(least)


def test_the_loss_of_a_page_without_digits_is_that_of_false_finds() -> None:
    wanted = targets(blank_page())
    nothing, something = answers_for(wanted), answers_for(wanted)
    something[5, 5, 0] = 5
    quiet, loud = (float(loss(a[None], *(part[None] for part in wanted))) for a in (nothing, something))
    assert 0 <= quiet < 1e-3 < loud


# ---- the network, in Keras and in ONNX


def shaken(model: Any, seed: int) -> Any:
    """The model with weights and batch statistics as a training may leave them."""
    rng = np.random.default_rng(seed)
    model.set_weights(
        [
            rng.uniform(0.5, 1.5, weight.shape) if weight.ndim == 1 else weight + rng.normal(0, 0.02, weight.shape)
            for weight in model.get_weights()
        ]
    )
    return model


def onnx_of(write: Callable[[OnnxLayers, str], str], model: Any) -> onnxruntime.InferenceSession:
    """A network's layout written as ONNX, on its own."""
    ops = Ops()
    answers = write(OnnxLayers(ops, weights_of(model)), "input")
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        ops.nodes, "g", [value("input", TensorProto.FLOAT, None)], [value(answers, TensorProto.FLOAT, None)]
    )
    made = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    return onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def model() -> Any:
    return shaken(layers.finding(), 1)


def assert_close(first: NDArray[np.float32], second: NDArray[np.float32]) -> None:
    """Equal up to 1e-4 of the values' size."""
    assert first.shape == second.shape
    assert np.abs(first - second).max() <= 1e-4 * max(1.0, float(np.abs(second).max()))


def test_keras_and_onnx_hold_the_same_network_for_pages(model: Any) -> None:
    session = onnx_of(network.layout, model)
    rng = np.random.default_rng(2)
    for height, width in ((16, 16), (32, 48), (64, 64), (160, 96), (48, 320)):
        pixels = rng.integers(0, 256, (1, height, width, 3)).astype(np.float32)
        (answers,) = session.run(None, {"input": pixels.transpose(0, 3, 1, 2)})
        expected = np.asarray(model(pixels, training=False))
        assert expected.shape == (1, height // network.STRIDE, width // network.STRIDE, network.OUTPUTS)
        assert_close(answers.transpose(0, 2, 3, 1), expected)


def test_keras_and_onnx_take_the_same_closer_look() -> None:
    closer = shaken(layers.refining(), 3)
    session = onnx_of(refinement.layout, closer)
    crops = np.random.default_rng(4).integers(0, 256, (7, 32, 32, 3)).astype(np.float32)
    crops[0] = 128  # nothing to see
    (answers,) = session.run(None, {"input": crops.transpose(0, 3, 1, 2)})
    assert_close(answers, np.asarray(closer(crops, training=False)))


def test_keras_and_onnx_see_the_same_on_a_line() -> None:
    reader = shaken(layers.lining(), 5)
    session = onnx_of(lines.layout, reader)
    for count, width in ((1, 16), (2, 96), (1, 336)):
        ink = np.random.default_rng(width).normal(0, 1, (count, lines.HEIGHT, width, 1)).astype(np.float32)
        (answers,) = session.run(None, {"input": ink.transpose(0, 3, 1, 2)})
        assert answers.shape == (count, width // lines.FRAME, lines.BLANK + 1)
        assert_close(answers, np.asarray(reader(ink, training=False)))


@pytest.mark.parametrize(
    "shape", [(20, 30), (47, 48), (48, 48), (2000, 3000), (40, 65_535), (3, 65_535), (40, 1_500_000), (8000, 8000)]
)
def test_no_picture_is_looked_at_with_too_many_pixels(shape: tuple[int, int]) -> None:
    ops = Ops()
    tall, wide = (side // 10 + 1 for side in shape) if max(shape) > 100_000 else shape
    picture, scale = graph._first_size(ops, ops.Expand(0.0, np.array([1, 1, tall, wide], np.int64)))
    sides = ops.Shape(picture)
    outputs = [
        helper.make_tensor_value_info(sides, TensorProto.INT64, None),
        helper.make_tensor_value_info(scale, TensorProto.FLOAT, None),
    ]
    made = helper.make_model(
        helper.make_graph(ops.nodes, "g", [], outputs), opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9
    )
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    (_, _, height, width), factor = session.run(None, {})
    assert height * width <= graph.MAX_PIXELS * 1.01
    wanted = 2 if min(tall, wide) < graph.SMALL else 1
    assert factor == pytest.approx(min(wanted, (graph.MAX_PIXELS / (tall * wide)) ** 0.5))


def test_what_is_found_twice_is_kept_once_and_all_that_found_it_vote() -> None:
    ops = Ops()
    results = merging._once(ops, "boxes", "scores", "digits")
    value = helper.make_tensor_value_info
    inputs = [value(name, TensorProto.FLOAT, None) for name in ("boxes", "scores", "digits")]
    outputs = [value(name, TensorProto.FLOAT, None) for name in results]
    made = helper.make_model(
        helper.make_graph(ops.nodes, "g", inputs, outputs), opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9
    )
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    corners = [(0, 0, 20, 40), (1, 1, 21, 41), (2, 0, 19, 38), (0, 2, 18, 20), (60, 0, 80, 40), (76, 0, 96, 40),
               (50, 20, 56, 36), (39, 20, 41, 36), (84, 0, 104, 40), (85, 0, 105, 40),
               (200, 0, 220, 40), (212, 5, 222, 25), (195.5, 15, 205.5, 35)]  # fmt: skip
    scores = np.array([0.7, 0.9, 0.6, 0.8, 0.95, 0.75, 0.9, 0.74, 0.73, 0.72, 0.97, 0.65, 0.64], np.float32)
    digits = np.full((13, 10), 0.0, np.float32)
    # 3, 8 and 3 are of one digit, 0 of the upper half of it; one 1 is a stroke of the 5, the other too far from both;
    # the nines share less than half of their union with the 6; 80 % of the 4 are in the 2, and 55 % of the 7
    for row, digit in enumerate((3, 8, 3, 0, 5, 6, 1, 1, 9, 9, 2, 4, 7)):
        digits[row, digit] = 1
    boxes, kept, named = session.run(None, {"boxes": np.array(corners, np.float32), "scores": scores, "digits": digits})
    assert boxes.tolist() == [list(corners[i]) for i in (10, 4, 1, 5, 7, 12)]
    assert kept.tolist() == pytest.approx([0.97, 0.95, 0.9, 0.75, 0.74, 0.64])
    assert named.argmax(axis=1).tolist() == [2, 5, 3, 6, 1, 7], "two votes of 0.7 and 0.6 outweigh one of 0.9"
    assert named.sum(axis=1).tolist() == pytest.approx([1] * 6)


def as_it_is(ops: Ops, gray: str = "gray") -> hearing.Seen:
    """A picture that is not evenly lit first."""
    return hearing.Seen(gray, ops.constant(np.array(False)))


@pytest.mark.parametrize(
    ("corners", "scores", "level"),
    [
        ([(10, 20, 30, 60), (40, 22, 60, 58), (70, 26, 80, 64)], [0.9, 0.8, 0.9], True),
        ([(10, 20, 30, 60)], [0.31], True),
        ([(10, 20, 30, 60), (40, 56, 60, 96)], [0.9, 0.9], False),
        ([(10, 20, 30, 60), (40, 56, 60, 96)], [0.9, 0.25], True),  # the other is not likely
        ([(10, 5, 20, 89), (40, 5, 60, 45), (70, 5, 90, 45), (40, 49, 60, 89)], [0.5, 0.9, 0.9, 0.9], False),
        ([(10, 5, 20, 89), (40, 25, 60, 65), (70, 25, 90, 65), (100, 27, 120, 67)], [0.5, 0.9, 0.9, 0.9], True),
        ([(10, 20, 30, 60)], [0.29], False),
        ([(90, 20, 110, 60), (980, 20, 1080, 60)], [0.9, 0.9], True),  # with paper 1,150 by 72
        ([(90, 20, 110, 60), (980, 20, 1085, 60)], [0.9, 0.9], False),
        ([(90, 2, 110, 42), (980, 2, 1080, 42)], [0.9, 0.9], False),  # cut by the picture it is 58 high
        ([], [], False),
    ],
)
def test_a_line_is_where_all_that_may_be_a_digit_stands_side_by_side(
    corners: list[tuple[float, ...]], scores: list[float], level: bool
) -> None:
    ops = Ops()
    names = ["boxes", "scores", "edge"]
    found = session_of(ops, names, [hearing.one_line(ops, *names)], TensorProto.BOOL)
    boxes, edge = np.array(corners, np.float32).reshape(-1, 4), np.array([1200, 90, 1200, 90], np.float32)
    (told,) = found.run(None, {"boxes": boxes, "scores": np.array(scores, np.float32), "edge": edge})
    assert bool(told) == level


def test_of_a_long_line_more_is_seen_above_and_below() -> None:
    """The network for lines sees 16 times as far across as up and down."""
    ops = Ops()
    names = ["boxes", "gray", "level"]
    every = ops.Squeeze(ops.Greater(ops.part("boxes", 0, 1, 1), 0.0), [1])
    session = session_of(ops, names, [hearing._laid(ops, "boxes", every, "gray", "level")[1]])
    for end in (500, 560, 760):
        boxes = np.array([(200, 90, 220, 110), (300, 90, 320, 110), (end, 90, end + 20, 110)], np.float32)
        given = {"boxes": boxes, "gray": np.zeros((1, 1, 200, 1000), np.float32)}
        (place,) = session.run(None, {**given, "level": np.array(True)})
        wide = end + 20 - 200 + 2 * hearing.AROUND[0] * 20
        wanted = 90 - max(hearing.AROUND[1] * 20, (wide / 16 - 20) / 2)
        np.testing.assert_allclose(place, [160, wanted, end + 60, 200 - wanted], rtol=1e-5)


@pytest.mark.parametrize("level", [True, False])
@pytest.mark.parametrize("rise", [0.0, 0.2, -0.5])
@pytest.mark.parametrize("count", [2, 5, 9])
def test_where_a_line_is_and_how_it_slopes(count: int, rise: float, level: bool) -> None:
    """Only where there is enough of it to tell; on a page less paper is seen around."""
    ops = Ops()
    names = ["boxes", "gray", "level"]
    members = ops.Squeeze(ops.Greater(ops.part("boxes", 0, 1, 1), "least"), [1])
    session = session_of(ops, [*names, "least"], list(hearing._laid(ops, "boxes", members, "gray", "level")))
    x, y = 200 + 40.0 * np.arange(count), 150 + 40.0 * rise * np.arange(count)
    corners = np.stack([x - 10, y - 20, x + 10, y + 20], 1).astype(np.float32)
    corners = np.vstack([corners, [(20, 10, 40, 280)]]).astype(np.float32)  # not of the line
    given = {"boxes": corners, "gray": np.zeros((1, 1, 300, 620), np.float32), "least": np.array(100, np.float32)}
    slope, place = session.run(None, {"level": np.array(level), **given})
    long = hearing.LONG[0 if level else 1] * 40 < np.ptp(x)
    expected = np.clip(rise, -hearing.STEEPEST, hearing.STEEPEST) if long else 0.0
    assert slope == pytest.approx(expected)
    across, down = 40 * np.array(hearing.AROUND if level else hearing.CLOSE)
    flat = y - expected * x
    begins = -expected * x.mean()
    wanted = [x.min() - 10 - across, flat.min() - 20 - down, x.max() + 10 + across, flat.max() + 20 + down]
    end = [620, 300 + begins, 620, 300 + begins]
    np.testing.assert_allclose(place, np.clip(wanted, [0, begins, 0, begins], end), rtol=1e-4)


def test_on_a_line_each_find_hears_what_was_seen_between_its_sides() -> None:
    reader = shaken(layers.lining(), 6)
    ops = Ops()
    names = ["gray", "place", "slope", "boxes", "scores", "digits"]
    heard, *_ = hearing._heard(ops, weights_of(reader), as_it_is(ops), *names[1:3], ("boxes", "scores", "digits"))
    asked = session_of(ops, names, [heard])
    line = written("31407", height=22)[18:50]  # 32 high: nothing is resized
    picture = np.full((60, line.shape[1] + 50), 200, np.uint8)
    picture[11:43, 20 : 20 + line.shape[1]] = line
    boxes = np.array([(50, 10, 70, 40), (88, 10, 92, 40), (24, 12, 36, 40), (140, 0, 230, 60)], np.float32)
    place = np.array([20.3, 11.4, 20 + line.shape[1] - 0.3, 42.7], np.float32)
    given = {
        "gray": picture[None, None].astype(np.float32), "place": place, "slope": np.array(0, np.float32),
        "boxes": boxes, "scores": np.array([0.5, 0.9, 0.3, 0.7], np.float32),
        "digits": np.full((4, 10), 0.1, np.float32),
    }  # fmt: skip
    (said,) = asked.run(None, given)
    ink = lining.padded(lining.seen(line))
    signs = scores.softmax(np.asarray(reader(ink[None], training=False))[0])[:, :10]
    for row, (left, _, right, _) in zip(said, boxes - 20, strict=True):
        inset = hearing.BETWEEN * (right - left)
        start = min(max(0, int((left + inset) // lines.FRAME)), len(signs) - 1)
        end = max(start + 1, int(np.ceil((right - inset) / lines.FRAME)))
        np.testing.assert_allclose(row, signs[start:end].max(0), atol=0.002)
    # Two finds in one place: one frame is shared by how likely each is, and how well it agrees with what was seen.
    alone = {**given, "boxes": boxes[1:2], "scores": given["scores"][1:2], "digits": given["digits"][1:2]}
    (single,) = asked.run(None, alone)
    digits = np.full((2, 10), 0.02, np.float32)
    digits[[0, 1], [single[0].argmax(), single[0].argmin()]] = 0.82
    alone |= {"boxes": boxes[[1, 1]], "scores": np.array([0.2, 0.6], np.float32), "digits": digits}
    (shared,) = asked.run(None, alone)
    np.testing.assert_allclose(shared.sum(0), single[0], rtol=0.01)
    fits = alone["scores"] * (digits @ single[0])
    np.testing.assert_allclose(shared, np.outer(fits / fits.sum(), single[0]), rtol=0.01)
    # A line at the very border is a pixel wide at least.
    alone["place"] = np.array([picture.shape[1], 60, picture.shape[1], 60], np.float32)
    assert np.isfinite(asked.run(None, alone)[0]).all()


def test_what_stands_beside_a_line_hears_nothing_of_it() -> None:
    reader = shaken(layers.lining(), 6)
    ops = Ops()
    names = ["level", "gray", "boxes", "scores", "digits"]
    heard = hearing.heard(ops, weights_of(reader), "level", as_it_is(ops), ("boxes", "scores", "digits"))
    session = session_of(ops, names, [heard])
    gray = np.pad(written("31407", height=22)[18:50], ((60, 60), (200, 200)), mode="edge")
    boxes = [(230, 64, 244, 90), (260, 66, 270, 88), (250, 65, 256, 80), (250, 10, 256, 50), (120, 66, 130, 88)]
    given = {
        "gray": gray[None, None].astype(np.float32), "boxes": np.array(boxes, np.float32),
        "scores": np.array([0.9, 0.8, 0.1, 0.1, 0.1], np.float32), "digits": np.full((5, 10), 0.1, np.float32),
    }  # fmt: skip
    (said,) = session.run(None, {"level": np.array(True), **given})
    assert said[:3].any(1).all() and not said[3:].any()
    (nothing,) = session.run(None, {"level": np.array(False), **given})
    assert nothing.shape == (5, 10) and not nothing.any()


SIXTY = "".join(chr(ord("0") + index) for index in range(60))


@pytest.mark.parametrize(
    ("corners", "scores", "expected"),
    [
        # two lines of a page, three digits and two, and one that stands alone
        ([(0, 0, 20, 40), (25, 3, 45, 43), (55, 0, 60, 40), (0, 60, 20, 100), (26, 62, 50, 98), (120, 0, 140, 40)],
         [0.9] * 6, ["012", "34"]),
        ([(0, 0, 20, 40), (60, 0, 80, 40), (140, 0, 160, 40)], [0.9] * 3, []),  # 60 and 80 apart: too far
        ([(0, 0, 20, 40), (59, 0, 79, 40), (118, 0, 138, 40)], [0.9] * 3, ["012"]),
        ([(0, 0, 20, 40), (30, 18, 50, 58)], [0.9] * 2, []),  # 18 down: too far
        ([(0, 0, 20, 40), (30, 17, 50, 57)], [0.9] * 2, ["01"]),
        ([(0, 0, 20, 40), (30, 0, 50, 101)], [0.9] * 2, []),  # too high
        ([(0, 10, 20, 50), (30, 0, 50, 98)], [0.9] * 2, ["01"]),
        ([(0, 0, 20, 40), (30, 0, 50, 40), (60, 0, 80, 40)], [0.9, 0.8, 0.3], ["01"]),  # the last one is not likely
        ([(50 * i, 8 * i, 50 * i + 30, 8 * i + 50) for i in range(60)], [0.9] * 60, [SIXTY]),
        ([(0, 0, 20, 40)], [0.9], []),
        ([], [], []),
    ],
)  # fmt: skip
def test_on_a_page_those_side_by_side_make_lines(
    corners: list[tuple[float, ...]], scores: list[float], expected: list[str]
) -> None:
    ops = Ops()
    names = ["boxes", "scores"]
    session = session_of(ops, names, [hearing.several_lines(ops, *names)], TensorProto.BOOL)
    boxes = np.array(corners, np.float32).reshape(-1, 4)
    (together,) = session.run(None, {"boxes": boxes, "scores": np.array(scores, np.float32)})
    assert together.shape == (len(expected), len(boxes))
    assert ["".join(chr(ord("0") + index) for index in np.flatnonzero(row)) for row in together] == expected


def test_on_a_crowded_page_the_surest_make_lines() -> None:
    ops = Ops()
    session = session_of(ops, ["boxes", "scores"], [hearing.several_lines(ops, "boxes", "scores")], TensorProto.BOOL)
    place = np.arange(hearing.CROWD + 50)
    boxes = np.stack([50.0 * place, 0 * place, 50.0 * place + 30, 0 * place + 50], 1).astype(np.float32)
    boxes[:, [0, 2]] += np.where(place % 2, 0, -15)[:, None]  # in pairs: 65 and 35 apart
    boxes[:, [0, 2]] += 100 * (place // 2)[:, None]
    scores = np.linspace(0.99, 0.31, len(place)).astype(np.float32)
    (together,) = session.run(None, {"boxes": boxes, "scores": scores})
    assert together.shape == (hearing.CROWD // 2, len(place))
    assert (together.sum(1) == 2).all() and not together[:, hearing.CROWD :].any()


def test_a_line_that_slopes_is_seen_level() -> None:
    ops = Ops()
    names = ["gray", "slope"]
    columns, rows = (ops.Range(*ends, 1) for ends in ((20, 200), (10, 50)))
    session = session_of(ops, names, [hearing._strip(ops, "gray", columns, rows, "slope")])
    line = np.abs(np.arange(-30, 70)).astype(np.float32)  # row 30 is the darkest
    gray = np.stack([np.interp(np.arange(100) - 0.2 * (x + 0.5), np.arange(100), line) for x in range(220)], 1).astype(
        np.float32
    )
    (level,) = session.run(None, {"gray": gray[None, None], "slope": np.array(0.2, np.float32)})
    assert level.shape == (1, 1, 40, 180)
    (beyond,) = session.run(None, {"gray": gray[None, None], "slope": np.array(3.0, np.float32)})
    assert np.isfinite(beyond).all() and (beyond[0, 0, :, -1] == gray[-1, 199]).all(), "as the border is"
    (as_it_is,) = session.run(None, {"gray": gray[None, None], "slope": np.array(0.0, np.float32)})
    assert np.array_equal(as_it_is[0, 0], gray[10:50, 20:200]), "to the last bit"
    np.testing.assert_allclose(level[0, 0], np.broadcast_to(line[10:50, None], (40, 180)), atol=0.5)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_line_is_seen_in_the_picture_at_its_scale(scale: float) -> None:
    """Finds are given in pixels of the original, and doubtful ones are asked about, too."""
    reader = shaken(layers.lining(), 6)
    ops = Ops()
    names = ["gray", "scale", "edge", "boxes", "scores", "digits"]
    asked = session_of(
        ops,
        names,
        list(merging.read(ops, names[0], ops.constant(np.array(False)), *names[1:], weights_of(reader), None)),
    )
    picture = np.pad(written("31407", height=36), ((20, 20), (0, 40)), mode="edge")
    rgb = np.repeat(picture[:, :, None], 3, axis=2)
    height, width = picture.shape
    corners = np.array([(60, 54, 90, 86), (120, 52, 140, 88), (170, 54, 210, 88)], np.float32)
    sure = np.array([0.9, 0.8, 0.06], np.float32)
    given = {
        "gray": picture[None, None].astype(np.float32), "scale": np.array(scale, np.float32),
        "edge": np.array([width, height, width, height], np.float32) / np.float32(scale),
        "boxes": corners / np.float32(scale), "scores": sure, "digits": np.full((3, 10), 0.1, np.float32),
    }  # fmt: skip
    boxes, _, _, heard = asked.run(None, given)
    np.testing.assert_allclose(boxes, corners / scale)
    ops, as_they_are = Ops(), Hearing(others=1.0, line=0.0, shift=0.0, share=0.0)
    *results, _ = merging.read(
        ops, names[0], ops.constant(np.array(False)), *names[1:], weights_of(reader), as_they_are
    )
    known = session_of(ops, names, results).run(None, given)
    np.testing.assert_allclose(known[0], corners[:2] / scale, rtol=1e-6)
    around = np.array(hearing.AROUND) * 36
    left, top = np.floor(np.maximum(corners[:2, :2].min(0) - around, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(corners[:2, 2:].max(0) + around, (width, height))).astype(int)
    ink = lining.seen(rgb[top:bottom, left:right])
    signs = scores.softmax(np.asarray(reader(lining.padded(ink)[None], training=False))[0])[:, :10]
    grow = ink.shape[1] / ((right - left) * lines.FRAME)
    for row, (start, _, end, _) in zip(heard, corners - left, strict=True):
        inset = hearing.BETWEEN * (end - start)
        first, last = int((start + inset) * grow), int(np.ceil((end - inset) * grow))
        np.testing.assert_allclose(row, signs[first:last].max(0), atol=0.002)


@pytest.mark.parametrize("trusted", [True, False])
def test_on_a_page_each_line_is_asked_about_its_finds(trusted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "TRUSTED", -1.0 if trusted else 2.0)
    reader = shaken(layers.lining(), 6)
    ops = Ops()
    names = ["level", "gray", "boxes", "scores", "digits"]
    third_alone = Hearing(others=0.0, line=0.0, shift=1.0, share=1.0)
    together = ops.Greater(
        ops.constant(np.array([[1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0, 0]], np.float32)), 0.0
    )
    finds = ("boxes", "scores", "digits")
    told = hearing.asked(ops, weights_of(reader), third_alone, "level", as_it_is(ops), together, finds)
    session = session_of(ops, names, list(told))
    line = np.pad(written("31407", height=36), ((20, 20), (0, 60)), mode="edge")
    gray = np.vstack([line, line])
    corners = [(60, 54, 90, 86), (120, 52, 140, 88), (170, 54, 210, 88), (60, 181, 90, 217), (120, 182, 140, 218),
               (95, 60, 105, 80), (300, 150, 320, 180), (145, 62, 157, 74)]  # fmt: skip
    boxes, sure = np.array(corners, np.float32), np.array([0.93, 0.85, 0.95, 0.92, 0.91, 0.1, 0.7, 0.8], np.float32)
    digits = np.full((8, 10), 0.1, np.float32)
    given = {
        "level": np.array(False), "gray": gray[None, None].astype(np.float32),
        "boxes": boxes, "scores": sure, "digits": digits,
    }  # fmt: skip
    found, likely, said = session.run(None, given)
    if not trusted:
        order = [2, 0, 3, 4, 1, 7, 6]  # surest first, without what is unlikely
        assert np.array_equal(likely, sure[order]) and (said == digits[0]).all()
        assert sorted(map(tuple, found)) == sorted(map(tuple, boxes[order]))
        return
    # What is unlikely or too small is asked about where it stands on a line, too; what stands alone is as it was.
    assert sorted(found[:, 0].tolist()) == sorted(boxes[:, 0].tolist())
    alone = likely[found[:, 0] == 300]
    assert alone == pytest.approx(0.7) and likely[found[:, 0] != 300] == pytest.approx(1 / (1 + np.exp(-1.0)))
    for members, others in (([0, 1, 2], [5, 7]), ([3, 4], [])):
        its = boxes[members]
        tall = (its[:, 3] - its[:, 1]).max()
        x, y = (its[:, 0] + its[:, 2]) / 2, (its[:, 1] + its[:, 3]) / 2
        slope = np.polyfit(x, y, 1)[0] if np.ptp(x) > hearing.LONG[1] * tall else 0.0
        down = (slope * x)[:, None] * [0, 1, 0, 1]
        level = its - down
        paper = np.array(hearing.CLOSE) * tall
        left, top = np.floor(level[:, :2].min(0) - paper).astype(int)
        right, bottom = np.ceil(level[:, 2:].max(0) + paper).astype(int)
        rows = np.arange(top, bottom)[:, None] + slope * (np.arange(left, right) + 0.5)
        strip = [np.interp(rows[:, i], np.arange(len(gray)), gray[:, left + i]) for i in range(right - left)]
        ink = seen_of(np.stack(strip, 1))
        signs = scores.softmax(np.asarray(reader(lining.padded(ink)[None], training=False))[0])[:, :10]
        grow = ink.shape[1] / ((right - left) * lines.FRAME)
        for index in members + others:
            start, end = boxes[index, 0] - left, boxes[index, 2] - left
            inset = hearing.BETWEEN * (end - start)
            first, last = int((start + inset) * grow), int(np.ceil((end - inset) * grow))
            heard = signs[first:last].max(0) + calibration.CAREFUL
            row = said[(np.abs(found - boxes[index]) < 1e-3).all(1)]
            np.testing.assert_allclose(row, [heard / heard.sum()], atol=0.01)


def test_on_a_page_a_line_too_long_to_be_seen_whole_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "TRUSTED", -1.0)
    for count, heard in ((12, True), (40, False)):
        ops = Ops()
        together = ops.Greater(ops.constant(np.ones((1, count), np.float32)), 0.0)
        third_alone = Hearing(others=0.0, line=0.0, shift=1.0, share=1.0)
        finds = ("boxes", "scores", "digits")
        reader = weights_of(shaken(layers.lining(), 6))
        told = hearing.asked(ops, reader, third_alone, "level", as_it_is(ops), together, finds)
        session = session_of(ops, ["level", "gray", *finds], list(told))
        left = 20 * np.arange(count) + 20
        boxes = np.stack([left, 0 * left + 40, left + 14, 0 * left + 60], 1).astype(np.float32)
        gray = np.random.default_rng(0).normal(128, 30, (1, 1, 100, 900)).astype(np.float32)
        given = {"level": np.array(False), "gray": gray, "boxes": boxes, "scores": np.full(count, 0.95, np.float32)}
        _, sure, _ = session.run(None, given | {"digits": np.full((count, 10), 0.1, np.float32)})
        assert sure == pytest.approx(1 / (1 + np.exp(-1.0)) if heard else 0.95)


@pytest.mark.parametrize(
    ("scores", "level", "expected"),
    [
        ([0.995, 0.6, 0.55, 0.1], False, [[1, 1, 1, 0]]),
        ([0.98, 0.6, 0.55, 0.1], False, []),  # all are doubtful
        ([0.98, 0.98, 0.98, 0.1], False, [[1, 1, 1, 0]]),
        ([0.98, 0.6, 0.55, 0.1], True, [[1, 1, 1, 0]]),
        ([0.8, 0.4, 0.2, 0.1], True, [[1, 1, 0, 0]]),
    ],
)
def test_no_line_is_made_of_what_is_doubtful(scores: list[float], level: bool, expected: list[list[int]]) -> None:
    ops = Ops()
    told = merging._lines(ops, "level", ("boxes", "scores", "digits"))
    session = session_of(ops, ["level", "boxes", "scores"], [told], TensorProto.BOOL)
    left = 30.0 * np.arange(4)
    boxes = np.stack([left, 0 * left, left + 20, 0 * left + 40], 1).astype(np.float32)
    given = {"level": np.array(level), "boxes": boxes, "scores": np.array(scores, np.float32)}
    assert session.run(None, given)[0].astype(int).tolist() == expected


def seen_of(strip: NDArray[np.float64]) -> NDArray[np.float32]:
    """`lining.seen` of gray levels that are not whole numbers."""
    wide = round(strip.shape[1] * lines.HEIGHT / strip.shape[0])
    small = cv2.resize(strip.astype(np.float32), (wide, lines.HEIGHT), interpolation=cv2.INTER_LINEAR)
    ink = small[small >= small.mean()].mean() - small
    return np.asarray(ink / np.sqrt((ink * ink).mean() + network.FAINT**2), np.float32)[..., None]


def test_what_was_heard_counts_as_much_as_was_fitted() -> None:
    ops = Ops()
    weights = Hearing(others=0.5, line=1.0, shift=0.2, share=0.5, temperature=2.0)
    names = ["boxes", "scores", "digits", "heard"]
    session = session_of(ops, names, list(hearing.said_together(ops, weights, *names)))
    digits, heard = np.full((3, 10), 0.01, np.float32), np.full((3, 10), 0.001, np.float32)
    digits[:, 4], digits[:, 9] = 0.6, 0.3
    heard[0, 9], heard[1, 9] = 0.9, 0.05
    given = {
        "boxes": np.arange(12, dtype=np.float32).reshape(3, 4), "scores": np.array([0.8, 0.95, 0.9], np.float32),
        "digits": digits, "heard": heard,
    }  # fmt: skip
    boxes, sure, said = session.run(None, given)
    assert boxes.tolist() == given["boxes"][:1].tolist(), "the others were not heard"
    careful = calibration.CAREFUL
    logits = [np.log((p + careful) / (1 - p + careful)) for p in (0.8, 0.9)]
    assert sure == pytest.approx([1 / (1 + np.exp(-(0.5 * logits[0] + logits[1] + 0.2)))], abs=1e-5)
    logs = 0.5 * np.log(digits[0] + careful) + 0.5 * np.log(heard[0] + careful)
    np.testing.assert_allclose(said[0], scores.softmax(logs[None].astype(np.float64), 2.0)[0], atol=1e-5)
    assert said[0].argmax() == 9


@pytest.mark.parametrize(
    ("scores", "digits", "said", "agrees"),
    [
        ([0.92, 0.95, 0.4], "123", [("1", 0.9), ("2", 0.6), ("5", 0.1)], True),  # 0.75 on the average
        ([0.92, 0.95, 0.4], "123", [("1", 0.9), ("2", 0.4), ("3", 1.0)], False),  # 0.65
        ([0.92, 0.95, 0.4], "123", [("1", 0.9), ("7", 0.9), ("3", 1.0)], False),  # another digit
        ([0.7, 0.6, 0.89], "123", [("1", 0.9), ("2", 0.9), ("3", 0.9)], False),  # none is sure
        ([0.7, 0.6, 0.91], "123", [("4", 0.9), ("5", 0.9), ("3", 0.9)], True),
        ([0.92, 0.95, 0.4, 0.99, 0.99], "12377", [("1", 0.9), ("2", 0.6), ("5", 0.1), ("4", 1.0), ("4", 1.0)], True),
    ],
)
def test_on_a_page_the_third_network_is_listened_to_where_it_sees_the_sure_digits(
    scores: list[float], digits: str, said: list[tuple[str, float]], agrees: bool
) -> None:
    ops = Ops()
    members = ops.constant(np.arange(len(scores)) < 3)  # what else stands there does not tell
    told = hearing._agrees(ops, members, "scores", "digits", "said")
    session = session_of(ops, ["scores", "digits", "said"], [told], TensorProto.BOOL)
    which, heard = (np.zeros((len(scores), 10), np.float32) for _ in range(2))
    which[range(len(scores)), [int(digit) for digit in digits]] = 0.9
    for row, (digit, likely) in enumerate(said):
        heard[row, int(digit)] = likely
    given = {"scores": np.array(scores, np.float32), "digits": which, "said": heard}
    assert bool(session.run(None, given)[0]) == agrees


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ([0.97, 0.6, 0.6], 1),  # each is less sure, and those that were doubtful already are none
        ([0.95, 0.85, 0.8], 3),  # less sure, but likely still
        ([0.6, 0.55, 0.52, 0.51], 0),
        ([0.985, 0.93, 0.8], 3),  # most are sure enough
        ([0.991, 0.6, 0.52, 0.51], 4),  # one is sure
        ([0.987, 0.6, 0.6], 1),  # hardly
        ([0.989, 0.54], 1),  # the mean is 2.33
        ([0.6, 0.55], 0),
        ([0.75], 0),  # what is alone stands on no line
        ([0.93], 1),
        ([], 0),
    ],
)
def test_where_something_may_be_a_digit_and_nothing_surely_is_all_are_doubted(given: list[float], left: int) -> None:
    ops = Ops()
    names = ["level", "boxes", "scores", "digits"]
    session = session_of(ops, names, list(merging._doubted(ops, *names)))
    count, sure = len(given), np.array(given, np.float32)
    boxes = np.arange(4 * count, dtype=np.float32).reshape(count, 4)
    digits = np.arange(10 * count, dtype=np.float32).reshape(count, 10)
    found = {"boxes": boxes, "scores": sure, "digits": digits}
    on_a_line = session.run(None, {"level": np.array(True), **found})
    assert count == 1 or all(np.array_equal(a, b) for a, b in zip(on_a_line, found.values(), strict=True)), (
        "as a field's are"
    )
    kept = session.run(None, {"level": np.array(False), **found})
    assert np.array_equal(kept[0], boxes[:left]) and np.array_equal(kept[2], digits[:left])
    assert count != 1 or all(np.array_equal(a, b) for a, b in zip(on_a_line, kept, strict=True))
    logits = np.log((sure + calibration.CAREFUL) / (1 - sure + calibration.CAREFUL))
    if not count or sure.max() > merging.SURE or logits.mean() > merging.USUAL:
        assert np.array_equal(kept[1], sure), "to the last bit"
        return
    expected = 1 / (1 + np.exp(-(logits - merging.DOUBT * (merging.USUAL - logits.mean()))))
    np.testing.assert_allclose(kept[1], expected[:left], atol=1e-5)
    assert (expected[left:] < hearing.LIKELY).all()


@pytest.mark.parametrize("number", ["", "7", "31407", "11", "1000"])
def test_how_likely_a_number_is_is_what_ctc_says(number: str) -> None:
    rng = np.random.default_rng(len(number))
    logits = rng.normal(0, 2, (12, 11)).astype(np.float32)
    logits[np.arange(len(number)) * 2, [int(digit) for digit in number]] += 6
    logits[np.arange(len(number)) * 2 + 1, lines.BLANK] += 6
    signs = np.asarray(scores.softmax(logits), np.float32)
    ops = Ops()
    digits = ops.constant(np.array([int(digit) for digit in number], np.int64))
    (likely,) = session_of(ops, ["signs"], [transcript.likelihood(ops, "signs", digits)]).run(None, {"signs": signs})
    expected = tf.nn.ctc_loss(
        np.array([[int(digit) for digit in number]], np.int32).reshape(1, -1), logits[None], [len(number)], [12],
        logits_time_major=False, blank_index=lines.BLANK,
    )  # fmt: skip
    assert likely == pytest.approx(np.exp(-expected.numpy()[0]), rel=1e-3, abs=1e-9)


NUMBERS = [
    # with the slashes that a date has, and what is read when they are taken for ones
    "24/12/2026", "9/10/26", "20/5/99", "1/12/2026", "31/12/2099", "1/1/1900",
    "10/3/1999", "1999/12/31", "2026/3/4", "11/11/11", "12/31/26",
    "2405/2026", "24/122026", "1/1/1950",
    # no dates: a month of 13, a day of 32, a year of 1850, too short, too long, digits alone
    "", "1", "11111", "13113126", "3211126", "3213112026", "24112118500", "24112118501", "2411211850", "1/2026",
    "24100126", "00112126", "2411211899", "2411212100", "314124", "3141592", "24112122026", "000000000", "0010110026",
]  # fmt: skip


def slashes() -> onnxruntime.InferenceSession:
    ops = Ops()
    return session_of(ops, ["digits"], [ops.real(dates.slashes(ops, ops.whole("digits")))])


@pytest.mark.parametrize("number", NUMBERS)
def test_ones_are_slashes_where_a_number_reads_like_a_date(number: str) -> None:
    read = number.replace("/", "1")
    (found,) = slashes().run(None, {"digits": np.array([int(digit) for digit in read], np.float32)})
    is_date = "/" in number and len(number) >= dates.SHORTEST
    told = "".join("/" if slash else digit for slash, digit in zip(found, read, strict=True))
    assert told == (number if is_date else read)


def test_few_numbers_read_like_a_date() -> None:
    session = slashes()
    rng = np.random.default_rng(0)
    for count, most in ((6, 0), (7, 0.02), (8, 0.003), (10, 0.001), (11, 0)):
        hits = [
            session.run(None, {"digits": rng.integers(0, 10, count).astype(np.float32)})[0].any() for _ in range(2000)
        ]
        assert np.mean(hits) <= most, count


@pytest.mark.parametrize("seen", ["slashes", "perhaps", "ones"])
def test_slashes_are_left_out_where_the_third_network_sees_that_there_may_be_some(seen: str) -> None:
    ops = Ops()
    names = ["signs", "boxes", "scores", "digits"]
    session = session_of(ops, names, list(dates.without_slashes(ops, "signs", tuple(names[1:]))))
    read = [int(digit) for digit in "24112126"]
    one = {"slashes": 0.01, "perhaps": 0.8, "ones": 0.99}[seen]
    signs = np.full((16, 11), 1e-4, np.float32)
    signs[1::2, lines.BLANK] = 1
    for place, digit in enumerate(read):
        sure = one if place in (2, 5) else 0.99
        signs[2 * place, [digit, lines.BLANK]] = sure, 1 - sure
    order = np.array([3, 5, 0, 7, 1, 2, 6, 4])
    boxes = np.stack([np.arange(8), np.zeros(8), np.arange(8) + 1, np.ones(8)], 1).astype(np.float32)[order]
    sure, which = np.linspace(0.99, 0.9, 8, dtype=np.float32), np.eye(10, dtype=np.float32)[read][order]
    given = dict(zip(names, (signs, boxes, sure, which), strict=True))
    kept = np.ones(8, bool) if seen == "ones" else ~np.isin(order, (2, 5))
    for left, whole in zip(session.run(None, given), (boxes, sure, which), strict=True):
        assert np.array_equal(left, whole[kept]), "surest first, as they were"
    empty = {"signs": signs, "boxes": boxes[:0], "scores": sure[:0], "digits": which[:0]}
    assert [len(each) for each in session.run(None, empty)] == [0, 0, 0]


def test_a_number_that_the_third_network_knows_better_is_its_own() -> None:
    """It reads 3147 where all together say 349: nobody found the 1."""
    ops = Ops()
    names = ["signs", "places", "boxes", "scores", "digits", "said_boxes", "said_scores", "said_digits"]
    results = transcript.corrected(ops, "signs", "places", ("boxes", "scores", "digits"), tuple(names[5:]))
    session = session_of(ops, names, list(results))
    signs = np.full((24, 11), 0.001, np.float32)
    signs[:, lines.BLANK] = 0.99
    for frame, digit in ((3, 3), (8, 1), (13, 4), (14, 4), (18, 7)):
        signs[frame], signs[frame, digit] = 0.001, 0.99 - 0.01 * digit
    boxes = np.array([(20, 10, 50, 50), (120, 12, 150, 52), (165, 11, 205, 49), (210, 40, 216, 46)], np.float32)
    sure, digits = np.array([0.96, 0.98, 0.95, 0.2], np.float32), np.full((4, 10), 0.01, np.float32)
    digits[[0, 1, 2, 3], [3, 4, 9, 1]] = 0.91
    digits = digits / digits.sum(1, keepdims=True)
    given = {
        "signs": signs, "places": (np.arange(24, dtype=np.float32) + 0.5) * 10,
        "boxes": boxes, "scores": sure, "digits": digits,
        "said_boxes": boxes[[1, 0, 2]], "said_scores": sure[[1, 0, 2]], "said_digits": digits[[1, 0, 2]],
    }  # fmt: skip

    def told(**other: Any) -> tuple[str, NDArray[np.float32]]:
        found, likely, which = session.run(None, given | other)
        assert (np.diff(likely) <= 0).all(), "surest first"
        np.testing.assert_allclose(which.sum(1), 1, atol=1e-3)
        order = found[:, 0].argsort()
        return "".join(str(digit) for digit in which[order].argmax(1)), found[order]

    number, found = told()
    assert number == "3147"
    np.testing.assert_allclose(found[[0, 2, 3]], boxes[:3], err_msg="digits that were found keep their boxes")
    left, top, right, bottom = found[1]
    assert (left + right) / 2 == pytest.approx(85 + 40 * transcript.EARLY) and right - left == pytest.approx(8)
    assert (top, bottom) == (10, 50)
    # Where it is not sure, or hardly surer than of the others' number, theirs stands; so it does where little of what
    # it reads was found: it would read words, too.
    vague = signs.copy()
    vague[:, :10] += 0.01
    assert told(signs=vague / vague.sum(1, keepdims=True))[0] == "349"
    for likely in (0.5, 0.9):  # neither where it is not sure nor where theirs is about as likely
        split = signs.copy()
        split[8], split[8, [1, lines.BLANK]] = 0.001, (likely, 0.45)
        split[18], split[18, [7, 9]] = 0.001, (likely, 0.45)
        assert told(signs=split)[0] == "349"
    assert told(scores=sure * np.array([0.4, 0.4, 1, 1], np.float32))[0] == "349"
    assert told(scores=sure * np.array([0.7, 0.7, 1, 1], np.float32))[0] == "3147"
    longer = {"said_boxes": boxes, "said_scores": np.sort(sure)[::-1].copy(), "said_digits": digits}
    assert told(**longer)[0] == "3147", "theirs may be as long"
    shorter = signs.copy()
    shorter[[8, 18]], shorter[[8, 18], lines.BLANK] = 0.001, 0.99
    assert told(signs=shorter, **longer)[0] == "34", "or longer"
    other = signs.copy()
    other[8, [1, 5]] = other[8, [5, 1]]
    assert told(signs=other)[0] == "3547"
    silent = np.zeros((24, 11), np.float32)
    silent[:, lines.BLANK] = 1
    assert told(signs=silent)[0] == "349"
    assert told(said_boxes=boxes[:0], said_scores=sure[:0], said_digits=digits[:0])[0] == "3147"


def test_without_knowing_how_much_it_counts_the_graph_tells_what_was_heard(model: Any) -> None:
    parts = weights_of(model), weights_of(layers.refining()), Calibration()
    line = weights_of(layers.lining())
    names = [value.name for value in graph.build(*parts, line=line).graph.output]
    assert names == ["heard", "boxes", "scores", "probabilities"]


def test_the_bundled_file_was_built_by_the_code_there_is() -> None:
    """But for the arrays of its networks; of constants equal ones are one."""

    def outline(nodes: Any) -> list[Any]:
        return [
            (
                node.op_type,
                {a.name: outline(a.g.node) if a.HasField("g") else None for a in node.attribute},
                {a.name: helper.get_attribute_value(a) for a in node.attribute if not a.HasField("g")},
            )
            for node in nodes
            if node.op_type != "Constant"
        ]

    def few(nodes: Any) -> Iterator[tuple[float, ...]]:
        for node in nodes:
            if node.op_type == "Constant":
                value = numpy_helper.to_array(helper.get_attribute_value(node.attribute[0]))
                if value.size <= 8:
                    yield tuple(value.ravel().tolist())
            for attribute in node.attribute:
                yield from few(attribute.g.node)

    rng = np.random.default_rng(0)
    networks = layers.finding(), layers.refining(), layers.lining()
    for variable in [variable for one in networks for variable in one.variables]:
        variable.assign(rng.random(variable.shape))  # no two arrays are equal
    first, second, third = map(weights_of, networks)
    card = json.loads(Finder(PAGES).metadata[KEY])
    known = Calibration(**card["calibration"]), Hearing(**card["hearing"])
    fresh = graph.build(first, second, known[0], line=third, hearing=known[1]).graph.node
    bundled = onnx.load(PAGES).graph.node
    assert outline(bundled) == outline(fresh)
    assert sorted(few(bundled)) == sorted(few(fresh)), "thresholds and the like, and what was fitted"


def test_the_graph_uses_only_standard_operators_and_documented_names(model: Any) -> None:
    networks = weights_of(model), weights_of(layers.refining()), Calibration()
    line = weights_of(layers.lining())
    built = graph.build(*networks, line=line, hearing=Hearing(), metadata={"greeting": "hello"})
    assert {entry.domain for entry in built.opset_import} == {""}
    assert [value.name for value in built.graph.input] == ["pixels"]
    assert [value.name for value in built.graph.output] == ["boxes", "scores", "probabilities"]
    assert {entry.key: entry.value for entry in built.metadata_props} == {"greeting": "hello"}


# ---- the file that is used


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder(PAGES, threads=1)


def numbers() -> NDArray[np.uint8]:
    """Four digits side by side on gray paper, 90 x 230."""
    sheet = np.full((90, 230), 220, np.uint8)
    for index, digit in enumerate((3, 8, 2, 5)):
        drawn = picture(digit, size=(60, 50), height=36, paper=220, pen=40)
        sheet[15:75, 10 + 52 * index : 60 + 52 * index] = drawn
    return sheet


def plainly(number: str, height: int, boxed: bool) -> NDArray[np.uint8]:
    """A number whose ones are plain upright strokes, perhaps with a box around every digit; (H, W)."""
    cell = round(1.15 * height)
    page = np.zeros((height + 80, cell * len(number) + 60), np.float32)
    right = 30
    for index, digit in enumerate(number):
        glyph = np.pad(np.ones((height, max(4, height // 8)), np.float32), ((6, 6), (0, 0)))
        if digit != "1":
            glyph = ink(int(digit), height)
            glyph = glyph[:, glyph.any(0)]
        tall, wide = glyph.shape
        left = 30 + cell * index + (cell - wide) // 2 if boxed else right
        page[(len(page) - tall) // 2 :][:tall, left : left + wide] = glyph
        right = left + wide + height // 4
        if boxed:
            cv2.rectangle(page, (30 + cell * index, 20), (30 + cell * (index + 1), len(page) - 20), 0.8)
    return np.rint(235 - 195 * page).astype(np.uint8)


@pytest.mark.parametrize("number", ["17", "31", "217", "104", "5190"])
@pytest.mark.parametrize("height", [32, 48, 90])
@pytest.mark.parametrize("boxed", [False, True])
def test_plain_ones_and_boxes_of_forms_are_read(finder: Finder, number: str, height: int, boxed: bool) -> None:
    found = finder.find(plainly(number, height, boxed))
    read = found.probabilities[np.argsort(found.boxes[:, 0])].argmax(axis=1)
    assert "".join(map(str, read)) == number


def assert_sound(finder: Finder, pixels: NDArray[np.uint8]) -> int:
    """What is found lies in the picture and is well formed; returns how much it is."""
    found = finder.find(pixels)
    height, width = pixels.shape[:2]
    count = len(found.boxes)
    assert found.boxes.shape == (count, 4) and found.scores.shape == (count,)
    assert found.probabilities.shape == (count, 10)
    assert all(part.dtype == np.float32 and np.isfinite(part).all() for part in vars(found).values())
    x, y, wide, tall = found.boxes.T
    assert (x >= 0).all() and (y >= 0).all() and (wide >= 0).all() and (tall >= 0).all()
    assert (x + wide <= width + 1e-3).all() and (y + tall <= height + 1e-3).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
    assert (np.diff(found.scores) <= 0).all(), "surest first"
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-4)
    return count


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 4), (40, 60), (3, 5000), (5000, 3, 3), (100, 100, 3), (7, 11, 4)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_on_empty_paper_of_any_size_there_is_nothing(finder: Finder, shape: tuple[int, ...], level: int) -> None:
    assert assert_sound(finder, np.full(shape, level, np.uint8)) == 0


def test_any_pixels_give_boxes_in_the_picture(finder: Finder) -> None:
    rng = np.random.default_rng(0)
    for shape in ((1, 2), (5, 400, 3), (61, 47), (128, 200, 4), (33, 33, 1), (300, 20, 3)):
        assert_sound(finder, rng.integers(0, 256, shape).astype(np.uint8))


def test_channels_and_polarity_do_not_matter(finder: Finder) -> None:
    gray = numbers()
    rgb = np.repeat(gray[..., None], 3, axis=2)
    opaque = np.dstack([rgb, np.full_like(gray, 255)])
    assert assert_sound(finder, gray) == 4
    first = finder.find(gray)
    for other in (gray[..., None], rgb, opaque, np.asfortranarray(rgb), 255 - gray):
        found = finder.find(other)
        np.testing.assert_allclose(found.boxes, first.boxes, atol=0.1)
        np.testing.assert_allclose(found.probabilities, first.probabilities, atol=1e-3)


def digits_from_left(finder: Finder, pixels: NDArray[np.uint8]) -> str:
    found = finder.find(pixels)
    return "".join(map(str, found.probabilities[np.argsort(found.boxes[:, 0])].argmax(1)))


@pytest.mark.parametrize("scale", [1, 9])
def test_light_and_dark_are_told_apart_by_the_digits_there_are(finder: Finder, scale: int) -> None:
    """Most of the picture is dark, and so is its border: not what was written, the table is."""
    slip = written("3825", height=30)[20:-40].astype(np.float32)
    table = np.pad(slip, 50, constant_values=45)
    table += np.random.default_rng(2).normal(0, 8, table.shape) * (table == 45)
    pixels = np.kron(np.clip(table, 0, 255).astype(np.uint8), np.ones((scale, scale), np.uint8))
    for shown in (pixels, 255 - pixels):
        assert digits_from_left(finder, shown) == "3825"


@pytest.mark.parametrize("scale", [1, 9])
@pytest.mark.parametrize(
    ("number", "height", "left", "blur"),
    [("40718", 22, 0.35, 1.5), ("40718", 40, 0.25, 1.0), ("60427", 22, 0.35, 1.5), ("93825", 22, 0.25, 1.0)],
)
def test_digits_half_in_a_shadow_are_read(
    finder: Finder, number: str, height: int, left: float, blur: float, scale: int
) -> None:
    """Its edge has more contrast than the ink in it."""
    shown = half_in_shadow(written(number, height=height), left, blur)
    assert digits_from_left(finder, np.kron(shown, np.ones((scale, scale), np.uint8))) == number


@pytest.mark.parametrize(("number", "height"), [("93825", 30), ("60427", 14), ("40718", 18)])
def test_a_number_that_fills_its_picture_is_read_in_a_deep_shadow(finder: Finder, number: str, height: int) -> None:
    """So little shows either way that even light must be tried with the picture turned around, too."""
    tight = written(number, height=height)[20 : -height - 10, 15:-15]
    assert digits_from_left(finder, half_in_shadow(tight, 0.15, blur=1.0)) == number


def test_even_light_leaves_ink_and_takes_shadows() -> None:
    ops = Ops()
    session = session_of(ops, ["picture"], [evenly_lit(ops, "picture", network.REACH)])
    picture = np.full((1, 3, 60, 120), 200, np.float32)
    picture[..., 10:50, 20:26] = picture[..., 10:50, 90:96] = 50  # strokes
    picture[..., 60:] *= 0.4  # a shadow
    picture[..., 30:50, 30:52] = 60  # wider than any stroke
    (seen,) = session.run(None, {"picture": picture})
    assert seen.shape == picture.shape and seen.max() <= trial.LIGHT + 1e-3
    flat = seen[0, 0]
    paper = np.delete(flat, [*range(18, 54), *range(58, 62), *range(88, 98)], axis=1)
    np.testing.assert_allclose(paper, trial.LIGHT, atol=0.5)
    np.testing.assert_allclose(flat[35:45, 37:45], trial.LIGHT, atol=0.5)
    assert (flat[12:48, 22:24] < 0.35 * trial.LIGHT).all() and (flat[12:48, 92:94] < 0.45 * trial.LIGHT).all()
    assert flat[5:55, 58:62].min() > 0.6 * trial.LIGHT, "of its edge little is left"


def test_digits_too_small_to_be_seen_in_a_trial_are_found_light_or_dark(finder: Finder) -> None:
    """They are found at the full size alone, whichever way the picture was guessed to be."""
    small = cv2.resize(numbers(), None, fx=0.37, fy=0.37, interpolation=cv2.INTER_AREA)  # 13 pixels high
    pixels = np.full((1500, 1900), 220, np.uint8)
    pixels[700 : 700 + len(small), 900 : 900 + small.shape[1]] = small
    pixels[:600] = 60  # the paper's color is no longer plain
    for shown in (pixels, 255 - pixels):
        assert len(finder.find(shown).boxes) >= 3


def test_boxes_are_where_digits_are_at_any_scale(finder: Finder) -> None:
    gray = numbers()
    for scale in (1, 2, 5, 12):
        found = finder.find(np.kron(gray, np.ones((scale, scale), np.uint8)))
        assert len(found.boxes) == 4
        for index, (x, y, width, height) in enumerate(sorted((found.boxes / scale).tolist())):
            columns = np.flatnonzero((gray[:, 10 + 52 * index : 60 + 52 * index] < 130).any(0)) + 10 + 52 * index
            rows = np.flatnonzero((gray[:, 10 + 52 * index : 60 + 52 * index] < 130).any(1))
            inside = min(x + width, columns[-1] + 1) - max(x, columns[0])
            down = min(y + height, rows[-1] + 1) - max(y, rows[0])
            both = width * height + (np.ptp(columns) + 1) * (np.ptp(rows) + 1) - inside * down
            assert inside * down > 0.6 * both


def test_plain_onnx_runtime_finds_the_same(finder: Finder) -> None:
    """Any program that can run ONNX gets from the file what Python gets."""
    session = onnxruntime.InferenceSession(str(PAGES), providers=["CPUExecutionProvider"])
    boxes, sure, probabilities = session.run(None, {"pixels": numbers()[..., None]})
    found = finder.find(numbers())
    np.testing.assert_allclose(found.boxes, boxes, atol=1e-3)
    np.testing.assert_allclose(found.scores, sure, atol=1e-5)
    np.testing.assert_allclose(found.probabilities, probabilities, atol=1e-5)


def test_the_file_says_how_it_was_made(finder: Finder) -> None:
    card = json.loads(finder.metadata[KEY])
    assert card["format"] == "inkdigits-pages/1"
    assert {"seed", "steps", "pages", "lines", "data", "calibration", "hearing", "packages", "created"} <= set(card)


def test_files_that_find_no_digits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "damaged.onnx").write_bytes(PAGES.read_bytes()[:1000])
    for path, message in (
        (WEIGHTS / "default" / "model.onnx", "finds the digits of a page"),
        (tmp_path / "damaged.onnx", "cannot be opened"),
        (tmp_path / "missing.onnx", "cannot be opened"),
    ):
        with pytest.raises(BundleError, match=message):
            Finder(path)


# ---- calibration


def test_the_logistic_regression_finds_known_weights() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 2, (20_000, 2))
    p = 1 / (1 + np.exp(-(0.7 * x[:, 0] + 1.8 * x[:, 1] - 0.5)))
    found = calibration._logistic(x, (rng.random(len(p)) < p).astype(float))
    assert found == pytest.approx([0.7, 1.8, -0.5], abs=0.1)


def test_the_logistic_regression_stays_finite_where_all_is_alike() -> None:
    for y in (np.zeros(50), np.ones(50)):
        assert np.isfinite(calibration._logistic(np.random.default_rng(0).normal(0, 1, (50, 2)), y)).all()


def made_up(count: int, sharpness: float, seed: int) -> tuple[Finds, NDArray[np.float32]]:
    """Finds whose first network knows nothing of digits, and a second one that is right as often as it says."""
    rng = np.random.default_rng(seed)
    closer = rng.normal(0, 2, (count, 10))
    chances = scores.softmax(closer).astype(np.float64)
    digits = (chances.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1).clip(0, 9)
    energy = np.log(np.exp(sharpness * closer).sum(axis=1))
    here = rng.random(count) < 1 / (1 + np.exp(-(energy - energy.mean())))
    labels = np.where(here, digits, scores.OTHER)
    labels[: count // 10] = -1
    answers = rng.normal(0, 1, (count, 11)).astype(np.float32)
    return Finds(answers, np.zeros((count, 32, 32, 3), np.uint8), labels), (sharpness * closer).astype(np.float32)


@pytest.mark.parametrize("sharpness", [1.0, 2.5])
def test_calibration_trusts_the_network_that_knows_and_undoes_its_sharpness(sharpness: float) -> None:
    found = fitted(*made_up(6000, sharpness, 0))
    assert found.share >= 0.9 and found.temperature == pytest.approx(sharpness, rel=0.15)
    assert abs(found.first) < 0.15 and found.second == pytest.approx(1, abs=0.2)


def test_without_any_digit_found_nothing_is_changed() -> None:
    finds, closer = made_up(50, 1.0, 0)
    nothing = Finds(finds.answers, finds.crops, np.full(50, scores.OTHER))
    assert fitted(nothing, closer) == Calibration()


def test_the_third_network_counts_as_much_as_it_knows() -> None:
    """Here the others are sure of digits and know nothing, and it is right as often as it says."""
    rng = np.random.default_rng(3)
    field = blank_page((40, 20, 16, 24), digits=(7,))

    class Session:
        def run(self, _: None, given: dict[str, Any]) -> list[NDArray[np.float32]]:
            sure = rng.uniform(0.02, 0.98)
            here = rng.random() < sure
            heard = np.full((1, 10), (1 - sure) / 9, np.float32)
            heard[0, 7 if rng.random() < 0.9 else 1] = sure
            box = (40, 20, 16, 24) if here else (0, 0, 9, 9)
            others = rng.dirichlet(np.ones(10))[None].astype(np.float32)
            return [heard, np.array([box], np.float32), np.array([0.9], np.float32), others]

    found = weighed(Session(), [field] * 3000)
    assert found.line == pytest.approx(1, abs=0.25) and found.share >= 0.9


def test_where_no_line_is_seen_the_third_network_does_not_count() -> None:
    class Session:
        def run(self, _: None, given: dict[str, Any]) -> list[NDArray[np.float32]]:
            return [np.zeros(shape, np.float32) for shape in ((1, 10), (1, 4), (1,), (1, 10))]

    assert weighed(Session(), [blank_page()]) == Hearing()


@pytest.mark.parametrize(
    ("box", "label"),
    [((40, 20, 16, 24), 7), ((43, 22, 16, 24), 7), ((46, 24, 16, 24), -1), ((54, 30, 16, 24), 10), ((0, 0, 9, 9), 10)],
)
def test_what_was_found_is_named_after_what_it_covers(box: tuple[float, ...], label: int) -> None:
    corners = np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]], np.float32)
    assert calibration._label(corners, blank_page((40, 20, 16, 24), digits=(7,))) == label
    assert calibration._label(corners, blank_page()) == scores.OTHER


# ---- training


@pytest.fixture(scope="module")
def digits(data_cache: Path) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INKDIGITS_CACHE", str(data_cache))
        return load_dataset("mnist", "train").subset(np.arange(500))


def test_a_batch_follows_from_seed_and_step(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "BATCH", 3)
    first, again, later, other = (
        training.batch(digits.images, digits.labels, seed, step) for seed, step in ((1, 5), (1, 5), (1, 6), (2, 5))
    )
    assert first[0].shape == (3, training.HEIGHT, training.WIDTH, 3)
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[0], later[0]) and not np.array_equal(first[0], other[0])


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> list[list[NDArray[np.float32]]]:
    """Trainings of two small pages a step in this process; the list takes the weights that each comes to."""
    weights: list[list[NDArray[np.float32]]] = []

    def batches(
        data: Dataset, faces: object, seed: int, first: int, steps: int, workers: int
    ) -> Iterator[tuple[NDArray[Any], ...]]:
        return (training.batch(data.images, data.labels, seed, step) for step in range(first, steps))

    def refined(model: Any, path: Path, *_: object, **__: object) -> None:
        weights.append([np.array(weight) for weight in model.get_weights()])
        path.write_bytes(b"made")

    for name, value in {"BATCH": 2, "HEIGHT": 64, "WIDTH": 96, "_batches": batches}.items():
        monkeypatch.setattr(training, name, value)
    monkeypatch.setattr(progress, "EVERY", 1)
    monkeypatch.setattr(training, "refined", refined)
    return weights


def test_stopped_and_resumed_ends_with_the_same_weights(
    mnist: Path, tmp_path: Path, small: list[list[NDArray[np.float32]]]
) -> None:
    training.train_pages(tmp_path / "whole", steps=2, seed=4)
    with pytest.raises(KeyboardInterrupt):
        training.train_pages(tmp_path / "half", steps=2, seed=4, told=stopped_in(tmp_path / "half"))
    training.train_pages(tmp_path / "half", steps=2, seed=4, resume=True)
    assert len(small) == 2
    for one, other in zip(*small, strict=True):
        np.testing.assert_array_equal(one, other)
    assert sorted(path.name for path in (tmp_path / "half").iterdir()) == [".lock", training.FILE]


def stopped_in(folder: Path) -> training.Told:
    """Stops a training once something of it is safe."""

    def told(*_: object) -> None:
        if (folder / training.CHECKPOINT).exists():
            raise KeyboardInterrupt

    return told


class Idle:
    """In place of what learns."""

    def __init__(self, seed: int, steps: int) -> None:
        with seeded(seed):
            self.average = layers.finding()

    def learn(self, step: int, batch: object) -> float:
        return 1.0

    def state(self) -> dict[str, NDArray[Any]]:
        return {}

    def restore(self, state: object) -> None:
        pass


def test_an_unfinished_training_goes_on_only_as_it_began(
    mnist: Path, tmp_path: Path, small: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_learner", Idle)
    with pytest.raises(KeyboardInterrupt):
        training.train_pages(tmp_path, steps=3, pages=9, told=stopped_in(tmp_path))
    with pytest.raises(RecipeError, match="--resume"):
        training.train_pages(tmp_path, steps=3, pages=9)
    for other, changed in (("seed", {"seed": 5}), ("steps", {"steps": 4}), ("pages", {"pages": 8})):
        with pytest.raises(RecipeError, match=f"same.*{other}"):
            training.train_pages(tmp_path, **{"steps": 3, "pages": 9, **changed}, resume=True)
    assert not small
    told: list[tuple[object, ...]] = []
    training.train_pages(tmp_path, steps=3, pages=9, resume=True, told=lambda *now: told.append(now))
    assert [now[1:] for now in told] == [(2, 3), (3, 3)] and len(small) == 1


def test_folders_with_work_in_them_are_left_alone(
    mnist: Path, tmp_path: Path, small: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_learner", Idle)
    (tmp_path / training.FILE).write_bytes(b"mine")
    with pytest.raises(RecipeError, match="already"):
        training.train_pages(tmp_path, steps=1)
    assert (tmp_path / training.FILE).read_bytes() == b"mine" and not small
    with pytest.raises(RecipeError, match="no"):
        training.train_pages(tmp_path / "none", steps=1, resume=True)


@pytest.mark.parametrize("lost", [float("nan"), float("inf")])
def test_a_lost_loss_is_an_error(lost: float) -> None:
    def loss(answers: Any, factor: Any) -> Any:
        return tf.reduce_mean(answers) * factor[0]

    batch = [tf.TensorSpec((1, 32, 32, 3), tf.float32), tf.TensorSpec((1,), tf.float32)]
    learner = Learner(layers.refining, loss, batch, refining.OPTIMIZER, np.array([1e-3, 1e-3]), seed=0)
    crop = np.ones((1, 32, 32, 3), np.float32)
    assert np.isfinite(learner.learn(0, (crop, np.ones(1, np.float32))))
    with pytest.raises(DivergenceError, match=r"finite.*step 2"):
        learner.learn(1, (crop, np.array([lost], np.float32)))


def test_batches_come_from_other_processes_as_from_this_one(digits: Dataset) -> None:
    few = digits.subset(np.arange(200))
    for workers in (1, 2):
        given = list(training._batches(few, (), 6, 1, 4, workers))
        assert len(given) == 3
        for step, batch in enumerate(given, 1):
            expected = training.batch(few.images, few.labels, 6, step)
            assert all(np.array_equal(one, other) for one, other in zip(batch, expected, strict=True))


def test_it_learns(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same batch again and again: its loss falls a good deal."""
    for name, value in {"BATCH": 2, "HEIGHT": 64, "WIDTH": 96}.items():
        monkeypatch.setattr(training, name, value)
    learner = training._learner(0, 100)
    batch = next(
        batch
        for batch in (training.batch(digits.images, digits.labels, 0, step) for step in range(100))
        if (batch[1] == 1).sum() >= 4
    )
    losses = [learner.learn(10, batch) for _ in range(30)]
    assert np.mean(losses[-3:]) < 0.6 * np.mean(losses[:3])


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_found_on_pages_is_the_same_with_any_number_of_workers(
    model: Any, digits: Dataset, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(looking, "SCORE", 0.01)
    monkeypatch.setattr(refining, "_PART", 2)
    weights = weights_of(model)
    found = refining.collected(weights, digits, 4, seed=3, workers=workers)
    count = len(found.labels)
    assert 0 < count <= 4 * refining.PER_PAGE
    assert found.answers.shape == (count, 11) and found.crops.shape == (count, 32, 32, 3)
    assert found.crops.dtype == np.uint8 and set(found.labels.tolist()) <= set(range(-1, 11))
    refining._begin(graph.build(weights).SerializeToString(), digits.images, digits.labels)
    asked: list[Any] = []
    write = sheets.page
    monkeypatch.setattr(sheets, "page", lambda *given, **how: (asked.append(how), write(*given, **how))[1])
    again = refining._part(3, 0, 4)
    assert asked == [{"faces": ()}] * 4
    faces = (handmade.face(),)
    refining._begin(graph.build(weights).SerializeToString(), digits.images, digits.labels, faces)
    refining._part(3, 0, 1)
    assert asked[4:] == [{"faces": faces}]
    training._begin(digits.images, digits.labels, faces)
    monkeypatch.setattr(training, "BATCH", 2)
    training._batch(1, 0)
    assert asked[5:] == [{"faces": faces}] * 2
    assert np.array_equal(found.labels, again.labels) and np.array_equal(found.crops, again.crops)
    np.testing.assert_allclose(found.answers, again.answers, rtol=1e-5)


def test_a_closer_look_is_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Crops whose ink lies where their label says are told apart by what was learned from them."""
    monkeypatch.setattr(refining, "BATCH", 50)
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(11), 50)
    crops = np.full((550, 32, 32, 3), 220, np.uint8)
    for crop, label in zip(crops, labels, strict=True):
        top, left = 3 + 10 * (label // 4), 2 + 8 * (label % 4)
        crop[top : top + 6, left : left + 4] = rng.integers(0, 60)
    crops[labels == 10] = rng.integers(180, 255, (50, 32, 32, 3))
    labels[:50] = -1  # what is hard to say is not learned
    finds = Finds(np.zeros((550, 11), np.float32), crops, labels)
    said = refining.logits(refining.trained(finds, 8, seed=1), crops)
    assert said.shape == (550, 10)
    sure = np.pad(said, ((0, 0), (0, 1))).argmax(axis=1)
    assert (sure == labels)[labels >= 0].mean() > 0.7


def test_a_closer_look_that_was_stopped_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refining, "BATCH", 4)
    monkeypatch.setattr(progress, "EVERY", 2)
    rng = np.random.default_rng(1)
    crops = rng.integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    finds = Finds(np.zeros((16, 11), np.float32), crops, np.arange(16) % 11)
    draws, moved = [], refining._moved

    def noted(crops: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        draws.append(rng.bit_generator.state["state"]["state"])
        return moved(crops, rng)

    with monkeypatch.context() as patch:
        patch.setattr(refining, "_moved", noted)
        whole = refining.trained(finds, 2, seed=1).get_weights()
    assert len(set(draws)) == 8, "crops are moved otherwise in every step"
    kept, learn = Progress(tmp_path / "closer.npz", {"seed": 1}), Learner.learn
    stop_at(5, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        refining.trained(finds, 2, seed=1, progress=kept)
    steps: list[int] = []
    monkeypatch.setattr(Learner, "learn", lambda *given: (steps.append(given[1]), learn(*given))[1])
    with pytest.raises(RecipeError, match="same seed"):
        refining.trained(finds, 2, seed=2, progress=Progress(kept.path, {"seed": 2}))
    resumed = refining.trained(finds, 2, seed=1, progress=kept).get_weights()
    assert steps == [4, 5, 6, 7]
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def stop_at(last: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C when a network is to make this step."""
    learn = Learner.learn

    def stopped(learner: Learner, step: int, batch: Any) -> float:
        if step == last:
            raise KeyboardInterrupt
        return learn(learner, step, batch)

    monkeypatch.setattr(Learner, "learn", stopped)


@pytest.fixture
def few(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches of lines, made in this process."""

    def here(
        make: Callable[..., Any], tasks: list[tuple[Any, ...]], _: int, begin: Callable[..., None], *given: Any
    ) -> Any:
        begin(*given)
        return itertools.starmap(make, tasks)

    monkeypatch.setattr(lining, "ahead", here)
    monkeypatch.setattr(lining, "BATCH", 3)
    monkeypatch.setattr(lining, "CHUNK", 2)


def half_of(number: int) -> float:
    return number / 2


def dead(number: int) -> None:
    os._exit(number)


def nothing(*_: object) -> None: ...


def test_other_processes_answer_in_order_and_their_death_is_an_error() -> None:
    assert list(ahead(half_of, [(number,) for number in range(9)], 2, nothing, 1, 2)) == [i / 2 for i in range(9)]
    assert not list(ahead(half_of, [], 1, nothing))
    with pytest.raises(InkdigitsError, match="has died"):
        list(ahead(dead, [(3,)], 1, nothing))


def test_lines_come_in_batches_of_the_same_length_in_the_order_of_the_steps(few: None, digits: Dataset) -> None:
    every = list(lining.batches(digits, 5, 0, 5))
    assert len(every) == 5
    for first, workers in ((0, 3), (1, 1), (3, 2), (4, 1)):
        again = list(lining.batches(digits, 5, first, 5, workers))
        assert len(again) == 5 - first
        for one, other in zip(every[first:], again, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    for inks, signs, counts in every:
        assert inks.shape[:2] == (3, lines.HEIGHT) and inks.shape[2] % lines.MULTIPLE == 0 and inks.shape[3] == 1
        assert inks.dtype == np.float32 and signs.shape == (3, lining.MOST) and counts.min() >= 1
        assert not inks[:, :, -lines.PAPER :].any(), "paper follows every line"
    first, second = (np.unique([len(np.trim_zeros(one.any((0, 2)))) for one in inks]) for inks, _, _ in every[:2])
    assert max(first) <= min(second) or max(second) <= min(first), "sorted by length within a chunk"
    other = next(lining.batches(digits, 6, 0, 1))
    assert not np.array_equal(other[0], every[0][0])


def test_in_each_part_the_rate_rises_and_the_lines_are_of_another_kind(
    few: None, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, varied = lining.PARTS
    (worded,) = lining.WORDED
    assert not plain.varied and varied.varied and worded.varied
    assert not any(part.words or part.signs for part in lining.PARTS)
    assert 0 < worded.words < 0.5 and 0 < worded.signs < 0.5
    rates = lining.rates(100)
    assert rates.shape == (100,)
    for part, those in ((plain, rates[:80]), (varied, rates[80:]), (worded, lining.rates(20, lining.WORDED))):
        assert those.argmax() < 10 and those.max() == pytest.approx(part.rate, rel=0.05)
        assert those[-1] < 0.05 * part.rate
    assert lining.rates(1).shape == (1,)

    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(lining, "CHUNK", 4)
    with monkeypatch.context() as patch:
        patch.setattr(lining, "ahead", lambda make, tasks, *_: (asked.extend(tasks), [])[1])
        assert not list(lining.batches(digits, 5, 0, 40))
        assert not list(lining.batches(digits, 5, 5, 10, parts=lining.WORDED, before=39))
    assert asked[:10] == [(5, number, 4, plain if number < 8 else varied) for number in range(10)]
    assert asked[10:] == [(5, 11, 4, worded), (5, 12, 2, worded)], "other fields than before"

    lining._begin(digits.images, digits.labels)
    drawn: list[lining.Part] = []
    write = lining.field
    monkeypatch.setattr(lining, "field", lambda *given: (drawn.append(given[3]), write(*given))[1])
    inks = [lining._chunk(2, 0, 1, part)[0][0] for part in (plain, varied)]
    assert set(drawn) == {plain, varied} and not np.array_equal(*inks)


def test_a_reader_of_lines_learns_what_words_are_and_stays_close_to_what_it_was(
    few: None, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = lining.trained(digits, 1, seed=2)
    old = reader.get_weights()
    begun: list[Any] = []
    learn = Learner.learn

    def seen(learner: Any, step: int, batch: Any) -> float:
        begun.extend([] if step else [learner.model.get_weights(), learner.average.get_weights()])
        return learn(learner, step, batch)

    monkeypatch.setattr(Learner, "learn", seen)
    asked: list[tuple[Any, ...]] = []
    made = lining.batches
    monkeypatch.setattr(
        lining, "batches", lambda *given, **how: (asked.append((given[2:4], how)), made(*given, **how))[1]
    )
    told: list[tuple[str, int, int]] = []
    kept = [Progress(tmp_path / f"{time}.npz", {}) for time in range(lining.TIMES)]
    given = (digits, 11, 1, 1, lambda *what: told.append(what), kept)
    new = lining.worded(reader, *given).get_weights()
    assert lining.more(11) == 3 and lining.TIMES == 2
    assert asked == [((0, 3), {"parts": lining.WORDED, "before": before}) for before in (11, 15)], (
        "chunks 6, 7 and 8, 9"
    )
    assert told == [("learning to leave out words", done, 6) for done in (3, 6)]
    assert len(begun) == 4
    for begins in begun:
        assert all(map(np.array_equal, begins, old)), "each begins with what is known"
    after = [lining.trained(digits, 3, 1, progress=one).get_weights() for one in kept]  # at the end of those trainings
    assert any(not np.array_equal(one, other) for one, other in zip(*after, strict=True))
    for before, mean, one, other in zip(old, new, *after, strict=True):
        np.testing.assert_allclose(mean, (before + one + other) / 3, atol=1e-6)
    for before, still in zip(old, reader.get_weights(), strict=True):
        assert np.array_equal(before, still)
    with pytest.raises(RecipeError, match="same reader"):
        lining.worded(lining.trained(digits, 1, seed=3), *given)


def test_other_processes_make_the_same_lines(digits: Dataset) -> None:
    lining._begin(digits.images, digits.labels)
    (one,) = lining._chunk(2, 0, 1, lining.PARTS[0])
    (other,) = lining.batches(digits, 2, 0, 1)
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("shape", [(40, 90), (20, 600, 3), (200, 3, 3)])
def test_a_line_of_any_size_is_seen_at_one(shape: tuple[int, ...]) -> None:
    pixels = np.full(shape, 180, np.uint8)
    pixels[: shape[0] // 4] = 10
    ink = lining.seen(pixels)
    wide = min(lines.LONGEST, max(lines.LEAST, round(shape[1] * lines.HEIGHT / shape[0])))
    assert ink.shape == (lines.HEIGHT, wide, 1) and ink.dtype == np.float32
    assert not ink[9:].any() and (ink[:7] > 1.5).all()
    np.testing.assert_allclose(ink, lining.seen(pixels // 2), atol=0.05)


def test_lines_lean_with_their_digits_in_order(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    upright = np.full((40, 120, 3), 200, np.uint8)
    upright[:, 50:54] = 20
    for lean in (0.5, -0.2):
        leaned = lining._leaned(upright, lean)
        assert leaned.shape == (40, 120 + abs(lean) * 40, 3)
        middles = [np.flatnonzero(row < 110).mean() for row in leaned[..., 0]]
        assert np.diff(middles).mean() == pytest.approx(-lean, abs=0.02)
        assert min(middles) == pytest.approx(51.5, abs=1), "nothing is cut off"
    # The right digit stands lower, so that in a line that leans far to the right it comes first.
    boxes = np.array([(30, 8, 10, 20), (34, 18, 10, 20)], np.float32)
    asked: list[dict[str, Any]] = []
    faces = (handmade.face(),)
    one = Page(upright, boxes, np.array([3, 5], np.uint8))
    part = lining.Part(1, 1e-3, varied=True, words=0.4, signs=0.3)
    monkeypatch.setattr(sheets, "field", lambda *_, **how: (asked.append(how), one)[1])
    for lean, order in ((0.0, [3, 5]), (0.6, [5, 3])):
        monkeypatch.setattr(lining, "LEANING", 1.0)
        monkeypatch.setattr(lining, "LEANS", (lean, lean))
        lining._begin(digits.images, digits.labels, faces)
        ink, told = lining._line(np.random.default_rng(0), part)
        assert told.tolist() == order
        np.testing.assert_array_equal(ink, lining.seen(lining._leaned(upright, lean)))
    how = {"width": lines.LONGEST, "apart": lining.APART, "varied": True, "words": 0.4, "signed": 0.3, "faces": faces}
    assert asked == [how] * 2


def test_reading_lines_is_learned_and_goes_on_where_it_was_stopped(
    few: None, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", 2)
    whole = lining.trained(digits, 5, seed=1).get_weights()
    kept, learn = Progress(tmp_path / "liner.npz", {"seed": 1}), Learner.learn
    with monkeypatch.context() as patch:
        stop_at(3, patch)
        with pytest.raises(KeyboardInterrupt):
            lining.trained(digits, 5, seed=1, progress=kept)
    steps: list[int] = []
    monkeypatch.setattr(Learner, "learn", lambda *given: (steps.append(given[1]), learn(*given))[1])
    resumed = lining.trained(digits, 5, seed=1, progress=kept).get_weights()
    assert steps == [2, 3, 4]
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    (same,) = lining.batches(digits, 1, 0, 1)
    monkeypatch.setattr(lining, "batches", lambda *_, **__: iter([same] * 40))
    losses: list[float] = []
    monkeypatch.setattr(Learner, "learn", lambda *given: losses.append(learn(*given)))
    lining.trained(digits, 40, seed=1)
    assert np.mean(losses[-3:]) < 0.5 * np.mean(losses[:3])


def test_a_training_stopped_in_its_second_half_goes_on_there_and_leaves_only_its_file(
    mnist: Path, tmp_path: Path, few: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(2)
    crops = rng.integers(0, 256, (22, 32, 32, 3), dtype=np.uint8)
    finds = Finds(rng.normal(0, 1, (22, 11)).astype(np.float32), crops, np.arange(22) % 11)
    faces, given = tuple(handmade.face(wide) for wide in (10, 20, 30)), list[Any]()
    for room, name, value in (
        (training, "_learner", Idle), (training, "EPOCHS", 2), (training, "HELD", 2), (progress, "EVERY", 2),
        (training, "_batches", lambda *asked: (given.append(asked[1]), iter([()]))[1]),
        (refining, "collected", lambda *asked: (given.append(asked[-1]), finds)[1]), (refining, "BATCH", 4),
        (training, "weighed", lambda *_: Hearing()),
        (training, "rendered", lambda _: faces), (training, "load_typefaces", lambda **_: {}),
    ):  # fmt: skip
        monkeypatch.setattr(room, name, value)
    line, words = lining.trained, lining.worded

    def marked(*asked: Any) -> Any:
        reader = words(*asked)
        (layer,) = (layer for layer in reader.layers if layer.name == "signs")
        layer.set_weights([layer.get_weights()[0], np.arange(11, dtype=np.float32)])
        return reader

    monkeypatch.setattr(lining, "worded", marked)
    monkeypatch.setattr(lining, "trained", lambda *asked, **how: (given.append(asked[-1]), line(*asked, **how))[1])
    learn = Learner.learn
    with monkeypatch.context() as patch:
        stop_at(7, patch)
        with pytest.raises(KeyboardInterrupt):
            training.train_pages(tmp_path, steps=1, pages=9, lines=4, typefaces=True)
    assert given == [faces[::2]] * 5, "the second typeface is held back"
    with pytest.raises(RecipeError, match="same typefaces"):
        training.train_pages(tmp_path, steps=1, pages=9, lines=4, resume=True)
    kept = [".lock", training.CHECKPOINT, training.CLOSER, training.LINER, *training.WORDERS]
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    steps: list[int] = []
    monkeypatch.setattr(Learner, "learn", lambda *given: (steps.append(given[1]), learn(*given))[1])
    monkeypatch.setattr(training, "_batches", lambda *_: iter([]))
    with monkeypatch.context() as patch:
        patch.setattr(training, "weighed", stopped)
        with pytest.raises(KeyboardInterrupt):
            training.train_pages(tmp_path, steps=1, pages=9, lines=4, typefaces=True, resume=True)
    assert steps == [6, 7, 8, 9], "the third network had learned before the second"
    assert sorted(path.name for path in tmp_path.iterdir()) == kept
    made: list[Any] = []
    weighing: list[Any] = []
    monkeypatch.setattr(training, "weighed", lambda session, fields: (weighing.extend(fields), Hearing(shift=9.0))[1])
    monkeypatch.setattr(sheets, "field", lambda *given, **how: made.append((given[1:], how)))
    path = training.train_pages(tmp_path, steps=1, pages=9, lines=4, typefaces=True, resume=True)
    assert given[-3:] == [faces[::2], faces[::2], faces[1:2]], "and calibrated with"
    assert len(steps) == 4 and sorted(tmp_path.iterdir()) == [tmp_path / ".lock", path]
    assert len(weighing) == 20
    for (images, labels), how in made:
        assert len(images) == len(labels) == 5000, "of digits that were held back"
        kind = {"width": lines.LONGEST, "apart": lining.APART, "varied": True, "words": 0.0, "signed": 0.0}
        assert how == {"faces": faces[1:2], **kind}
    assert json.loads(Finder(path).metadata[KEY])["hearing"]["shift"] == 9.0
    assert 9.0 in constants(onnx.load(path).graph)
    assert np.arange(11, dtype=np.float32).tobytes() in path.read_bytes(), "the third network knows words"


def constants(graph_: Any) -> set[float]:
    """The scalars of a graph and of those in it."""
    values = [onnx.numpy_helper.to_array(n.attribute[0].t) for n in graph_.node if n.op_type == "Constant"]
    inner = [constants(a.g) for node in graph_.node for a in node.attribute if a.HasField("g")]
    return {value.item() for value in values if value.size == 1}.union(*inner)


def stopped(*_: object) -> Hearing:
    """Ctrl-C when the third network is to be weighed."""
    raise KeyboardInterrupt


def test_what_another_training_left_of_its_second_half_is_not_gone_on_with(
    mnist: Path, tmp_path: Path, small: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_learner", Idle)
    left = [tmp_path / name for name in (training.CLOSER, training.LINER, *training.WORDERS)]
    for path in left:
        path.write_bytes(b"of another")
    with pytest.raises(KeyboardInterrupt):
        training.train_pages(tmp_path, steps=3, pages=9, told=stopped_in(tmp_path))
    assert not any(path.exists() for path in left)


# ---- the command


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "inkdigits", "train-pages", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=280, check=False)


def test_the_command_trains_and_tells_how_it_went(mnist: Path, tmp_path: Path) -> None:
    out = tmp_path / "pages"
    done = command("--out", out, "--steps", 1, "--pages", 2, "--lines", 1, "--seed", 3, "--workers", 1, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["file"] == str(out / "pages.onnx") and told["bytes"] == (out / "pages.onnx").stat().st_size
    assert (told["steps"], told["lines"], told["seed"]) == (1, 1, 3)
    assert "1 of 1" in done.stderr
    assert json.loads(Finder(out / "pages.onnx").metadata[KEY])["seed"] == 3
    assert_sound(Finder(out / "pages.onnx"), numbers())


def test_the_command_refuses_what_cannot_be(mnist: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from inkdigits.cli import app

    for arguments in (
        ["--steps", "0"],
        ["--seed", "-1"],
        ["--workers", "0"],
        ["--pages", "0"],
        ["--lines", "0"],
        ["--stepps", "3"],
    ):
        assert CliRunner().invoke(app, ["train-pages", *arguments]).exit_code == 2
    result = CliRunner().invoke(app, ["train-pages", "--out", str(tmp_path / "x"), "--resume"])
    assert isinstance(result.exception, InkdigitsError)


def test_the_command_asks_for_typefaces_and_says_so_when_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from inkdigits.cli import app

    asked: list[bool] = []

    def train(out: Path, *, typefaces: bool, **_: object) -> Path:
        asked.append(typefaces)
        (tmp_path / training.CHECKPOINT).touch()
        if len(asked) > 2:
            raise KeyboardInterrupt
        return PAGES

    monkeypatch.setattr(training, "train_pages", train)
    command = ["train-pages", "--out", str(tmp_path)]
    assert (
        CliRunner().invoke(app, command).exit_code == CliRunner().invoke(app, [*command, "--typefaces"]).exit_code == 0
    )
    assert asked == [False, True]
    stopped_at = CliRunner().invoke(app, [*command, "--typefaces"])
    assert stopped_at.exit_code != 0 and "--typefaces --resume" in stopped_at.output
