"""onnxruntime-web, the runtime of browsers, gives the same answers as ONNX Runtime in Python, from the same files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import golden
from inkdigits.recognizer import PAGES, WEIGHTS
from inkdigits.runtimes import open_onnx
from written import half_in_shadow, turned, written

WEB = Path(__file__).with_name("web")
Answers = list[dict[str, NDArray[np.float32]]]
Ask = Callable[[Path, Sequence[NDArray[np.uint8]]], Answers]

pytestmark = pytest.mark.skipif(
    shutil.which("npm") is None and "CI" not in os.environ, reason="onnxruntime-web needs Node and npm"
)


@pytest.fixture(scope="session")
def browser_runtime(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Asks an ONNX file for its answers to pictures, one by one, in onnxruntime-web."""
    folder = tmp_path_factory.mktemp("web")
    for name in ("package.json", "package-lock.json", ".npmrc", "answer.js"):
        shutil.copy(WEB / name, folder)
    subprocess.run(["npm", "ci", "--silent"], cwd=folder, check=True)

    def ask(model: Path, pictures: Sequence[NDArray[np.uint8]]) -> Answers:
        cases = []
        for number, pixels in enumerate(pictures):
            file = folder / f"{number}.bin"
            file.write_bytes(np.ascontiguousarray(pixels).tobytes())
            cases.append({"file": str(file), "shape": pixels.shape})
        (folder / "cases.json").write_text(json.dumps(cases))
        command = ["node", "answer.js", str(model), "cases.json"]
        said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
        return [{name: np.array(values, np.float32) for name, values in each.items()} for each in json.loads(said)]

    return ask


def in_python(model: Path, pictures: Sequence[NDArray[np.uint8]]) -> Answers:
    session = open_onnx(model.read_bytes(), 1)
    names = [output.name for output in session.get_outputs()]
    return [dict(zip(names, session.run(None, {"pixels": each}), strict=True)) for each in pictures]


def with_channels(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels if pixels.ndim == 3 else pixels[..., None]


@pytest.mark.parametrize("name", ["default", "nano"])
def test_a_digit_is_the_same_digit_in_a_browser(browser_runtime: Ask, name: str) -> None:
    pictures = [with_channels(pixels)[None] for pixels in golden.pictures().values()]
    model = WEIGHTS / name / "model.onnx"
    for here, there in zip(in_python(model, pictures), browser_runtime(model, pictures), strict=True):
        assert set(here) == set(there) == {"probabilities", "digitness", "seen", "boxes"}
        np.testing.assert_allclose(there["seen"], here["seen"].ravel(), atol=1.01 / 255)
        np.testing.assert_allclose(there["boxes"], here["boxes"].ravel(), atol=0.01)
        for figure in ("probabilities", "digitness"):
            np.testing.assert_allclose(there[figure], here[figure].ravel(), atol=2e-3)


def test_a_page_is_read_the_same_in_a_browser(browser_runtime: Ask) -> None:
    shades = np.dstack([written("62", "915")] * 3)
    clear = np.dstack([np.zeros_like(shades), 255 - shades[..., 0]])
    pictures = [with_channels(written("407 83", "12")), shades, clear, np.full((40, 90, 1), 230, np.uint8)]
    pictures += [with_channels(written("4071", height=height)) for height in (20, 60)]
    pictures += [255 - np.dstack([written("93825", height=90)] * 3)]
    shadows = [half_in_shadow(written(number), 0.35) for number in ("40718", "2509")]
    pictures += [with_channels(shadows[0]), with_channels(np.pad(written("25"), 30, constant_values=40))]
    pictures += [with_channels(cv2.resize(shadows[1], None, fx=4, fy=4))]
    pictures += [with_channels(turned(written("407 83", "12"), degrees)) for degrees in (12, -12)]
    found = in_python(PAGES, pictures)
    assert [len(each["scores"]) for each in found] == [7, 5, 5, 0, 4, 4, 5, 5, 2, 4, 7, 7]
    told = [looked(pixels) for pixels in pictures]
    assert [lines for lines, _, _ in told] == [3, 2, 2, 0, 1, 1, 1, 1, 1, 1, 3, 3]
    assert [even for _, even, _ in told] == [False] * 7 + [True, False, True, False, False]
    assert [degrees for _, _, degrees in told] == [0] * 10 + [pytest.approx(-12, abs=2), pytest.approx(12, abs=2)]
    for here, there in zip(found, browser_runtime(PAGES, pictures), strict=True):
        for figure, near in (("boxes", 0.05), ("scores", 1e-3), ("probabilities", 1e-3)):
            np.testing.assert_allclose(there[figure], here[figure].ravel(), atol=near)


def looked(pixels: NDArray[np.uint8]) -> tuple[int, bool, float]:
    """Of how many lines the network for lines is asked, whether all is seen in even light, and turned by how much."""
    model = onnx.load(PAGES)
    loops = [node for node in model.graph.node if node.op_type == "Loop"]
    (count,) = (
        node.input[0]
        for node in loops
        if any(inner.op_type == "LSTM" for branch in node.attribute for inner in branch.g.node)
    )
    even, tilt = loops[0].output[3:5]
    kinds = (count, onnx.TensorProto.INT64), (even, onnx.TensorProto.BOOL), (tilt, onnx.TensorProto.FLOAT)
    model.graph.output.extend(onnx.helper.make_tensor_value_info(name, kind, []) for name, kind in kinds)
    lines, evenly, slope = open_onnx(model.SerializeToString(), 1).run([count, even, tilt], {"pixels": pixels})
    return int(lines), bool(evenly), float(np.degrees(np.arctan(slope)))
