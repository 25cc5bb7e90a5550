from __future__ import annotations

import dataclasses
import io
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import inkdigits
from inkdigits import recognizer as rooms
from inkdigits.bundle import Bundle
from inkdigits.datasets import load_dataset
from inkdigits.errors import BundleError, ImageError, InkdigitsError
from inkdigits.recipes import Recipe, load_recipe
from inkdigits.recognizer import Prediction, Recognizer, load


@pytest.fixture(scope="module")
def recognizer(trained: Path) -> Recognizer:
    return load(trained, threads=1)


@pytest.fixture
def digits(mnist: Path) -> np.ndarray:
    return load_dataset("mnist", "test").images[:64]


def same(first: Prediction, second: Prediction) -> bool:
    close = np.allclose(first.probabilities, second.probabilities, atol=1e-6)
    return bool(close and np.array_equal(first.seen, second.seen) and first.digit == second.digit)


def photo(digit: np.ndarray, scale: int = 6) -> np.ndarray:
    """A digit as dark ink on light paper, larger and off center: (H, W) uint8."""
    page = np.full((28 * scale + 40, 28 * scale + 90), 235, np.uint8)
    large = np.asarray(Image.fromarray(digit).resize((28 * scale, 28 * scale), Image.Resampling.BICUBIC))
    page[30 : 30 + 28 * scale, 70 : 70 + 28 * scale] = 235 - (large.astype(int) * 200 // 255)
    return page


def test_most_test_digits_are_read_right(recognizer: Recognizer, mnist: Path) -> None:
    test = load_dataset("mnist", "test").subset(np.arange(0, 10_000, 20))
    answers = [prediction.digit for prediction in recognizer.classify(test.images)]
    assert np.mean(answers == test.labels) > 0.93


def test_a_prediction_is_consistent_with_itself(recognizer: Recognizer, digits: np.ndarray) -> None:
    for prediction in recognizer.classify(digits):
        assert prediction.probabilities.dtype == np.float32 and prediction.probabilities.shape == (10,)
        assert prediction.probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert prediction.digit == prediction.probabilities.argmax()
        assert prediction.confidence == prediction.probabilities.max()
        assert prediction.candidates[0] == prediction.digit
        assert prediction.rejected == (prediction.confidence < recognizer.reject_threshold)
        assert (prediction.reason is not None) == prediction.rejected
        assert prediction.seen.dtype == np.float32 and 0 <= prediction.seen.min() < prediction.seen.max() <= 1


def test_a_prediction_cannot_be_changed(recognizer: Recognizer, digits: np.ndarray) -> None:
    (prediction,) = recognizer.classify(digits[0])
    with pytest.raises(dataclasses.FrozenInstanceError):
        prediction.digit = 3  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        prediction.probabilities[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        prediction.seen[0, 0] = 1


def test_to_dict_is_json_with_the_documented_names(recognizer: Recognizer, digits: np.ndarray) -> None:
    (prediction,) = recognizer.classify([digits[0]])
    document = json.loads(json.dumps(prediction.to_dict(), allow_nan=False))
    names = ["digit", "confidence", "probabilities", "rejected", "reason", "candidates", "seen"]
    assert list(document) == names
    assert np.array_equal(document["seen"], np.rint(prediction.seen * 255))
    assert len(document["probabilities"]) == 10 and document["digit"] == prediction.digit


def as_png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


FORMS = {
    "path": lambda array, folder: write(array, folder),
    "string": lambda array, folder: str(write(array, folder)),
    "bytes": lambda array, folder: as_png(array),
    "bytearray": lambda array, folder: bytearray(as_png(array)),
    "pil": lambda array, folder: Image.fromarray(array),
    "gray": lambda array, folder: array,
    "one channel": lambda array, folder: array[:, :, None],
    "rgb": lambda array, folder: np.repeat(array[:, :, None], 3, axis=2),
    "rgba": lambda array, folder: np.dstack([array] * 3 + [np.full_like(array, 255)]),
    "float": lambda array, folder: array / np.float32(255),
    "double": lambda array, folder: array / 255.0,
    "not contiguous": lambda array, folder: np.asfortranarray(array),
}


def write(array: np.ndarray, folder: Path) -> Path:
    (folder / "digit.png").write_bytes(as_png(array))
    return folder / "digit.png"


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_picture_gets_the_same_answer_alone_and_in_a_list(
    recognizer: Recognizer, digits: np.ndarray, tmp_path: Path, form: str
) -> None:
    picture = photo(digits[0])
    given: Any = FORMS[form](picture, tmp_path)
    (expected,) = recognizer.classify([picture])
    assert expected.digit == 7
    for result in (recognizer.classify(given), recognizer.classify([given])):
        assert len(result) == 1
        assert same(result[0], expected)


def test_a_batch_answers_as_one_by_one(recognizer: Recognizer, digits: np.ndarray) -> None:
    one_by_one = [recognizer.classify([digit])[0] for digit in digits]
    colored = np.repeat(digits[..., None], 3, axis=3)
    forms: list[Any] = [digits, list(digits), iter(digits), digits / np.float32(255), digits[..., None], colored]
    forms += [digits[:, ::-1][:, ::-1], np.asfortranarray(digits)]
    for form in forms:
        answers = recognizer.classify(form)
        assert len(answers) == len(digits)
        assert all(same(a, b) for a, b in zip(answers, one_by_one, strict=True))


def test_large_pictures_in_a_batch_answer_as_one_by_one(recognizer: Recognizer, digits: np.ndarray) -> None:
    photos = np.stack([photo(digit, 3) for digit in digits[:6]])
    answers = recognizer.classify(photos)
    assert all(same(a, recognizer.classify([b])[0]) for a, b in zip(answers, photos, strict=True))


def test_mixed_sizes_keep_their_order_however_little_memory_there_is(
    recognizer: Recognizer, digits: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [photo(digit, 2 + number % 3) if number % 2 else digit for number, digit in enumerate(digits[:20])]
    expected = [recognizer.classify([picture])[0] for picture in pictures]
    for budget in (0, 50_000, rooms.PENDING_BYTES):
        monkeypatch.setattr(rooms, "PENDING_BYTES", budget)
        answers = recognizer.classify(pictures)
        assert all(same(a, b) for a, b in zip(answers, expected, strict=True))


def test_polarity_does_not_matter(recognizer: Recognizer, digits: np.ndarray) -> None:
    for digit in digits[:16]:
        dark, light = recognizer.classify([photo(digit), 255 - photo(digit)])
        assert dark.digit == light.digit
        np.testing.assert_allclose(dark.seen, light.seen, atol=2.1 / 255)


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("shape", [(28, 28), (3, 3), (200, 90), (40, 40, 3)])
def test_a_blank_picture_is_rejected_and_says_so(recognizer: Recognizer, level: int, shape: tuple[int, ...]) -> None:
    (prediction,) = recognizer.classify(np.full(shape, level, np.uint8))
    assert prediction.rejected and prediction.reason == "blank: no ink found"
    assert prediction.confidence == 0
    assert prediction.candidates == tuple(range(10))
    assert not prediction.seen.any()


def test_a_blank_picture_is_rejected_at_any_threshold(trained: Path) -> None:
    (prediction,) = load(trained, reject_threshold=0).classify([np.zeros((28, 28), np.uint8)])
    assert prediction.rejected and prediction.reason == "blank: no ink found"


def test_reject_threshold_is_the_callers_to_choose(trained: Path, digits: np.ndarray) -> None:
    assert not any(prediction.rejected for prediction in load(trained, reject_threshold=0).classify(digits))
    strict = load(trained, reject_threshold=1.0).classify(digits)
    assert all(prediction.rejected == (prediction.confidence < 1) for prediction in strict)
    assert load(trained).reject_threshold == Bundle.load(trained).card.reject_threshold
    for threshold in (-0.1, 1.1, float("nan")):
        with pytest.raises(InkdigitsError, match="from 0 to 1"):
            load(trained, reject_threshold=threshold)


@pytest.mark.parametrize("nothing", [[], (), iter([]), np.zeros((0, 28, 28), np.uint8), np.zeros((0, 28, 28))])
def test_no_pictures_get_no_answers(recognizer: Recognizer, nothing: Any) -> None:
    assert recognizer.classify(nothing) == []
    answers = recognizer.answer(nothing)
    assert answers.probabilities.shape == (0, 10) and answers.digitness.shape == (0,)
    assert answers.seen.shape == (0, 28, 28) and answers.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([np.zeros((28, 28), np.uint8), "missing.png"], r"images\[1\].*missing\.png"),
        ([np.zeros((28, 28), np.uint8), None], r"images\[1\].*NoneType"),
        ([np.full((28, 28), 300.0)], r"images\[0\].*300"),
        ([b"not an image"], r"images\[0\]"),
        (np.zeros((2, 28, 28), np.int64), r"images\[0\].*int64"),
        (np.zeros((5, 2, 2), np.uint8), r"images\[0\].*2 x 2"),
        (np.zeros((2, 28, 28, 7), np.uint8), r"images\[0\].*7"),
        (np.zeros(28, np.uint8), r"images\[0\]"),
        (np.uint8(3), "uint8"),
        (np.array(3), "without axes"),
        ("missing.png", r"missing\.png"),
        (b"", "empty"),
        (3, "int"),
        (None, "NoneType"),
        ({"a.png": 1}, "dict"),
        ({"a.png"}, "set"),
    ],
)
def test_what_is_no_picture_is_refused_by_place_and_kind(recognizer: Recognizer, images: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        recognizer.classify(images)


def test_reading_gives_the_digit_its_box_and_the_size_of_the_picture(
    recognizer: Recognizer, digits: np.ndarray
) -> None:
    picture = photo(digits[0])
    reading = recognizer.read(picture)
    (prediction,) = recognizer.classify([picture])
    assert reading.text == str(prediction.digit) == "7"
    assert (reading.width, reading.height) == (picture.shape[1], picture.shape[0])
    digit = reading.lines[0].numbers[0].digits[0]
    assert (digit.confidence, digit.rejected) == (prediction.confidence, prediction.rejected)
    rows, columns = np.nonzero(picture < 150)
    x, y, width, height = digit.box
    assert abs(x - columns.min()) < 6 and abs(y - rows.min()) < 6
    assert abs(x + width - columns.max()) < 6 and abs(y + height - rows.max()) < 6


def test_reading_a_blank_picture_finds_no_text_and_says_why(recognizer: Recognizer) -> None:
    reading = recognizer.read(np.full((40, 60), 255, np.uint8))
    assert (reading.text, reading.lines, reading.reason) == ("", (), "blank: no ink found")
    assert (reading.width, reading.height) == (60, 40)


def test_threads_may_share_a_recognizer(recognizer: Recognizer, digits: np.ndarray) -> None:
    expected = recognizer.answer(digits).probabilities
    failures: list[object] = []

    def work(size: int) -> None:
        for start in range(0, len(digits), size):
            answers = recognizer.answer(digits[start : start + size]).probabilities
            if not np.allclose(answers, expected[start : start + size], atol=1e-6):
                failures.append(start)

    threads = [threading.Thread(target=work, args=(size,)) for size in (1, 3, 8, 64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_an_onnx_file_alone_answers_as_its_bundle(
    trained: Path, recognizer: Recognizer, digits: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "alone.onnx").write_bytes((trained / "model.onnx").read_bytes())
    alone = load(tmp_path / "alone.onnx")
    assert alone.reject_threshold == recognizer.reject_threshold
    assert np.array_equal(alone.answer(digits).probabilities, recognizer.answer(digits).probabilities)


def test_a_name_that_does_not_exist_lists_what_does(trained: Path) -> None:
    run = Path("runs/mine")
    run.mkdir(parents=True)
    (run / "model.json").write_bytes((trained / "model.json").read_bytes())
    with pytest.raises(BundleError, match=r"no enormous.*default.*runs/mine"):
        load("enormous")


def test_files_that_are_no_models_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("x")
    (tmp_path / "broken.onnx").write_bytes(b"\x08\x08 not onnx")
    (tmp_path / "empty.onnx").write_bytes(b"")
    for name in ("text.txt", "broken.onnx", "empty.onnx"):
        with pytest.raises(BundleError, match=name):
            load(tmp_path / name)


def test_an_onnx_file_of_someone_else_is_foreign(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["a"], ["b"])], "g", [value("a", TensorProto.FLOAT, [1])],
        [value("b", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(BundleError, match="foreign"):
        load(tmp_path / "other.onnx")


def test_models_for_every_wish_are_bundled() -> None:
    assert {"default", "best", "small", "nano"} <= set(rooms.bundled())
    assert inkdigits.load().card.name == "default"


@pytest.mark.parametrize("name", rooms.bundled())
def test_every_bundled_model_reads_digits(name: str, digits: np.ndarray) -> None:
    recognizer = inkdigits.load(name)
    assert recognizer.card.name == name
    clear = np.delete(digits[:10], 8, axis=0)  # the ninth is a five that looks like a six
    assert [prediction.digit for prediction in recognizer.classify(clear)] == [7, 2, 1, 0, 4, 1, 4, 9, 9]


@pytest.mark.parametrize("name", rooms.bundled())
def test_a_bundled_model_was_made_by_the_recipe_of_its_name(name: str) -> None:
    def told(recipe: Recipe) -> dict[str, Any]:
        return {key: value for key, value in recipe.to_dict().items() if key != "description"}

    assert told(Recipe.from_mapping(inkdigits.load(name).card.recipe)) == told(load_recipe(name))


def test_bundled_models_stay_small() -> None:
    files = [file for file in rooms.WEIGHTS.rglob("*") if file.is_file()]
    assert 1_000_000 < sum(file.stat().st_size for file in files) < 10_000_000


def test_the_package_root_hands_out_the_same_names() -> None:
    assert inkdigits.load is load
    assert inkdigits.Prediction is Prediction
    assert inkdigits.Recognizer is Recognizer


@pytest.mark.parametrize("wrong", [None, 5, "", ["default"]])
def test_what_is_no_name_and_no_path_is_refused(wrong: Any) -> None:
    with pytest.raises(BundleError, match="Expected a model's name"):
        load(wrong)
