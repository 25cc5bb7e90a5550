"""The side-by-side benchmark: how pictures are found, told apart and scored, and how other engines are asked."""

from __future__ import annotations

import csv
import importlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inkdigits.architectures import names
from inkdigits.datasets import load_dataset
from inkdigits.detection import lining
from inkdigits.detection.lines import BLANK
from inkdigits.recipes import Recipe, load_recipe, recipe_names
from inkdigits.recognizer import PAGES
from inkdigits.runtimes import open_onnx
from pictures import picture
from written import written

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def labelled(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("labelled")


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("engines")


@pytest.fixture
def realworld(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("realworld")


def saved(path: Path, labels: Sequence[Any], **arrays: Any) -> Path:
    np.savez(path, images=np.zeros((len(labels), 8, 8), np.uint8), labels=np.array(labels), **arrays)
    return path


# ---- labelled pictures


@pytest.mark.parametrize(
    ("labels", "kind", "texts"),
    [
        ([3, 7], "digit", ("3", "7")),
        (["2250", "60"], "string", ("2250", "60")),
        (["508R", "-1000"], "string", ("508R", "-1000")),
        (['[["1", "2"], ["34"]]'], "page", ("1 2\n34",)),
        (["A", "plus"], "other", ("A", "plus")),
    ],
)
def test_labels_say_what_kind_a_set_is(
    labelled: ModuleType, tmp_path: Path, labels: list[Any], kind: str, texts: tuple[str, ...]
) -> None:
    (found,) = labelled.load("own", saved(tmp_path / "own.npz", labels))
    assert (found.kind, found.labels, found.total, found.unsure) == (kind, texts, len(labels), 0)
    assert not found.corrupted and found.groups == ()


def test_doubtful_labels_are_left_out_and_groups_are_kept(labelled: ModuleType, tmp_path: Path) -> None:
    unsure, corruption = np.array([False, True, False]), np.array(["fog", "fog", "snow"])
    (found,) = labelled.load("own", saved(tmp_path / "own.npz", [1, 2, 3], unsure=unsure, corruption=corruption))
    assert (found.labels, found.groups, found.total, found.unsure) == (("1", "3"), ("fog", "snow"), 2, 1)
    assert found.corrupted and found.names == ("0", "2")


def test_pictures_of_many_sizes_keep_the_order_of_their_labels(labelled: ModuleType, tmp_path: Path) -> None:
    arrays = {f"img_{i:05}": np.full((8 + i, 9, 3), i, np.uint8) for i in (1, 0, 2)}
    np.savez(tmp_path / "own.npz", labels=np.array(["10", "11", "12"]), **arrays)
    (found,) = labelled.load("own", tmp_path / "own.npz")
    assert [pixels.shape[0] for pixels in found.pictures] == [8, 9, 10]


def test_a_folder_of_folders_and_a_table_are_read(labelled: ModuleType, tmp_path: Path) -> None:
    for name in ("4/a.png", "4/b.png", "x/c.png"):
        (tmp_path / "classes" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(4)).save(tmp_path / "classes" / name)
    (tmp_path / "table").mkdir()
    Image.fromarray(picture(4)).save(tmp_path / "table" / "a.png")
    (tmp_path / "table" / "labels.csv").write_text('file,label\na.png,"1 2\n34"\n')
    saved(tmp_path / "file.npz", [1])
    there = dict(labelled.find(tmp_path))
    assert list(there) == ["classes", "file", "table"]
    digits, others = labelled.load("classes", there["classes"])
    assert (digits.kind, digits.names) == ("digit", ("4/a.png", "4/b.png"))
    assert (others.name, others.kind, others.labels) == ("classes (no digits)", "other", ("x",))
    (page,) = labelled.load("table", there["table"])
    assert (page.kind, page.labels) == ("page", ("1 2\n34",))
    assert labelled.pixels_of(page.pictures[0]).shape == (160, 200)
    assert [name for name, _ in labelled.find(tmp_path / "table")] == ["table"]


def test_a_sample_is_even_over_the_groups_and_always_the_same(labelled: ModuleType, tmp_path: Path) -> None:
    corruption = np.array(["fog"] * 50 + ["snow"] * 8)
    (whole,) = labelled.load("own", saved(tmp_path / "own.npz", [1] * 58, corruption=corruption))
    sample = whole.sample(12, seed=1)
    assert (sample.groups.count("fog"), sample.groups.count("snow"), sample.total) == (6, 6, 58)
    assert sample.names == whole.sample(12, seed=1).names != whole.sample(12, seed=2).names
    assert list(map(int, sample.names)) == sorted(set(map(int, sample.names)))
    assert whole.sample(100, 1) is whole is whole.sample(None, 1)


# ---- composed fields


def test_fields_are_composed_of_the_digits_of_a_set(
    realworld: ModuleType, labelled: ModuleType, tmp_path: Path
) -> None:
    arrays = {f"img_{i:05}": picture(i) for i in range(10)}
    np.savez(tmp_path / "own.npz", labels=np.arange(10), **arrays)
    (digits,) = labelled.load("own", tmp_path / "own.npz")
    fields = realworld.composed(digits, 12, seed=3)
    assert (fields.name, fields.kind, len(fields), fields.total) == ("composed of own", "string", 12, 12)
    assert all(pixels.dtype == np.uint8 and pixels.ndim == 3 for pixels in fields.pictures)
    again, others = realworld.composed(digits, 12, seed=3), realworld.composed(digits, 12, seed=4)
    assert fields.labels == again.labels != others.labels
    assert all(np.array_equal(*pair) for pair in zip(fields.pictures, again.pictures, strict=True))
    answers = realworld.ENGINES["inkdigits"]("default").answers(fields.pictures, "string")
    read = [answer.text for answer in answers]
    assert sum(map(str.__eq__, read, fields.labels)) >= 6  # what is on them is what they are labelled with


def test_words_stand_beside_the_numbers_of_composed_fields(
    realworld: ModuleType, labelled: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "own.npz", labels=np.arange(10), **{f"img_{i:05}": picture(i) for i in range(10)})
    (digits,) = labelled.load("own", tmp_path / "own.npz")
    monkeypatch.setattr(importlib.import_module("composed"), "load_typefaces", lambda **_: {})
    fields, plain = realworld.worded(digits, 30, seed=3), realworld.composed(digits, 30, seed=3)
    assert (fields.name, fields.kind, len(fields), fields.total) == ("words beside own", "string", 30, 30)
    assert all(pixels.dtype == np.uint8 and pixels.ndim == 3 for pixels in fields.pictures)
    wide, narrow = (np.mean([pixels.shape[1] for pixels in part.pictures]) for part in (fields, plain))
    assert wide > 1.2 * narrow
    answers = realworld.ENGINES["inkdigits"]("default").answers(fields.pictures, "string")
    read = ["".join(answer.text.split()) for answer in answers]
    assert sum(label in text for label, text in zip(fields.labels, read, strict=True)) >= 15
    monkeypatch.setattr(realworld, "WORDED", 2)
    assert realworld.wanted_sets(tmp_path, [], words=["own"])[1] == ["words beside own"]


def test_signs_of_one_set_stand_between_the_digits_of_others(
    realworld: ModuleType, labelled: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez(tmp_path / "own.npz", labels=np.arange(10), **{f"img_{i:05}": picture(i) for i in range(10)})
    marks = np.zeros((3, 28, 28), np.uint8)
    marks[0, 12:16, 6:22] = 255
    marks[1, 20:24, 12:16] = 255
    cv2.line(marks[2], (20, 4), (8, 24), 255, 3)
    np.savez(tmp_path / "signs.npz", images=marks, labels=["minus", "dot", "slash"])
    (digits,), (signs,) = (labelled.load(name, tmp_path / f"{name}.npz") for name in ("own", "signs"))
    dot, minus, slash = realworld.signed([digits, digits], signs, 12, seed=3)
    assert [part.name for part in (dot, minus, slash)] == [
        f"{each} between digits" for each in ("dot", "minus", "slash")
    ]
    for part in (dot, minus, slash):
        assert (part.kind, len(part), part.total, len(part.pictures)) == ("string", 24, 24, 24)
        assert all(pixels.dtype == np.uint8 and pixels.ndim == 3 for pixels in part.pictures)
    dates = [[int(part) for part in label.split(" ")] for label in slash.labels]
    assert all(1 <= min(date[:2]) <= 12 and max(date[:2]) <= 31 and 0 <= date[2] < 2030 for date in dates)
    assert {len(label.split(" ")[2]) for label in slash.labels} == {2, 4}
    assert dot.labels == minus.labels, "the same digits, so that signs can be compared"
    assert all(len(label.split(" ")) == 2 and min(map(len, label.split(" "))) >= 1 for label in minus.labels)
    again = realworld.signed([digits, digits], signs, 12, seed=3)[1]
    assert all(np.array_equal(*pair) for pair in zip(minus.pictures, again.pictures, strict=True))
    answers = list(realworld.ENGINES["inkdigits"]("default").answers(dot.pictures, "string"))
    read = ["".join(answer.text.split()) for answer in answers]
    assert sum(text == label.replace(" ", "") for text, label in zip(read, dot.labels, strict=True)) >= 12
    scores = realworld.scores(realworld.Result(dot, tuple(answers), 0.0), [])
    assert [score.metric for score in scores] == ["exact match", "character error rate", "numbers found"]
    monkeypatch.setattr(realworld, "SIGNED", 1)
    sets, names = realworld.wanted_sets(tmp_path, [], signs=["signs", "own", "own"])
    assert len(names) == 3 and {len(part) for part in sets} == {2}, "of each set of digits"
    np.savez(tmp_path / "few.npz", labels=np.arange(3), **{f"img_{i:05}": picture(i) for i in range(3)})
    for words, names in (
        ("Expected sets of single digits", ["signs"]),
        ("Expected a set of single digits", ["signs", "signs"]),
        ("Expected a set of signs", ["own", "own"]),
        ("all ten digits in few. Received: none that is a 3", ["signs", "few"]),
    ):
        with pytest.raises(ValueError, match=words):
            realworld.wanted_sets(tmp_path, [], signs=names)


def test_signs_stand_on_the_line_or_halfway_up_and_as_high_as_the_digits_ask_for(
    realworld: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digits are blocks of one gray level, signs of another."""
    composed = importlib.import_module("composed")
    monkeypatch.setattr(composed, "_photographed", lambda _, sheet, unit, **__: (sheet, unit))
    block, mark = np.full((20, 10), 0.5, np.float32), np.full((6, 4), 1.0, np.float32)
    for on_line in (True, False):
        for seed in range(20):
            sheet, unit = composed._signed(np.random.default_rng(seed), [[block], [block]], [mark], on_line=on_line)
            places = [np.nonzero(where) for where in ((sheet > 0.4) & (sheet < 0.6), sheet > 0.9)]
            (top, bottom), (high, low) = ((rows.min(), rows.max() + 1) for rows, _ in places)
            assert low - high == pytest.approx(6 * unit / composed.SIGN, rel=0.45, abs=2)
            expected = bottom if on_line else (top + bottom + low - high) / 2
            assert low == pytest.approx(expected, abs=0.25 * unit + 2)
            columns = [np.unique(columns) for _, columns in places]
            assert not np.intersect1d(*columns).size, "beside the digits"
            assert columns[0].min() < columns[1].min() and columns[1].max() < columns[0].max()


def test_pages_are_composed_of_lines_of_numbers(realworld: ModuleType, labelled: ModuleType, tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", labels=np.arange(10), **{f"img_{i:05}": picture(i) for i in range(10)})
    (digits,) = labelled.load("own", tmp_path / "own.npz")
    made = realworld.pages(digits, 6, seed=3)
    assert (made.name, made.kind, len(made), made.total) == ("pages of own", "page", 6, 6)
    assert realworld.pages(digits, 6, seed=3).labels == made.labels != realworld.pages(digits, 6, seed=4).labels
    answers = realworld.ENGINES["inkdigits"]("default").answers(made.pictures, "page")
    for label, pixels, answer in zip(made.labels, made.pictures, answers, strict=True):
        assert pixels.dtype == np.uint8 and pixels.ndim == 3
        lines = [line.split(" ") for line in label.split("\n")]
        assert 3 <= len(lines) <= 8 and all(1 <= len(line) <= 4 for line in lines)
        assert all(1 <= len(number) <= 6 for line in lines for number in line)
        numbers = [number for line in lines for number in line]
        wrong = realworld.metrics.edit_distance(*("".join(text.split()) for text in (label, answer.text)))
        assert wrong < 0.2 * sum(map(len, numbers)), "what it is labelled with"
        found = sum((Counter(numbers) & Counter(answer.text.split())).values())
        assert found > 0.6 * len(numbers), "and where a number ends"


def test_fields_are_not_composed_of_anything_but_single_digits(realworld: ModuleType, tmp_path: Path) -> None:
    saved(tmp_path / "numbers.npz", ["12", "345"])
    with pytest.raises(ValueError, match="single digits"):
        realworld.wanted_sets(tmp_path, None, ["numbers"])
    with pytest.raises(ValueError, match="Received: letters"):
        realworld.wanted_sets(tmp_path, None, ["letters"])
    with pytest.raises(ValueError, match="Received: letters"):
        realworld.wanted_sets(tmp_path, [], words=["letters"])
    with pytest.raises(ValueError, match="--only"):
        realworld.wanted_sets(tmp_path, [])
    saved(tmp_path / "digits.npz", [1, 2])
    sets, names = realworld.wanted_sets(tmp_path, [], ["digits"])
    assert names == ["composed of digits", "pages of digits"] == [part.name for part in sets]


# ---- scores


def result(realworld: ModuleType, labelled: ModuleType, kind: str, **given: Any) -> Any:
    labels, answers = given["labels"], given["answers"]
    groups = given.get("groups", ())
    many = labelled.PictureSet(
        kind, kind, [np.zeros((8, 8), np.uint8)] * len(labels), tuple(labels), tuple(map(str, range(len(labels)))),
        tuple(groups), False, 0, len(labels),
    )  # fmt: skip
    return realworld.Result(many, tuple(answers), 1.0)


def as_dict(scores: Sequence[Any]) -> dict[str, tuple[float, int]]:
    return {score.metric: (score.value, score.n) for score in scores}


def test_scores_of_digits(realworld: ModuleType, labelled: ModuleType, engines: ModuleType) -> None:
    answers = [engines.Answer("1", 0.9), engines.Answer("7", 0.8), engines.Answer("", 0.1, True), engines.Answer("12")]
    groups = ("pen", "pen", "mouse", "mouse")
    given = result(realworld, labelled, "digit", labels=["1", "7", "3", "1"], answers=answers, groups=groups)
    assert as_dict(realworld.scores(given, [])) == {
        "accuracy": (0.5, 4),
        "refused": (0.25, 4),
        "accuracy of the others": (pytest.approx(2 / 3), 3),
        "accuracy, worst group": (0.0, 2),
        "accuracy: pen": (1.0, 2),
        "accuracy: mouse": (0.0, 2),
    }


def test_scores_of_strings_count_digits_alone(realworld: ModuleType, labelled: ModuleType, engines: ModuleType) -> None:
    answers = [engines.Answer("279 1000"), engines.Answer("22\n5"), engines.BROKEN]
    given = result(realworld, labelled, "string", labels=["279-1000R", "2250", "60"], answers=answers)
    assert as_dict(realworld.scores(given, [])) == {
        "exact match": (pytest.approx(1 / 3), 3),
        "character error rate": (pytest.approx(3 / 13), 13),
    }


def test_scores_of_pages(realworld: ModuleType, labelled: ModuleType, engines: ModuleType) -> None:
    answers = [engines.Answer("404 1000\n818"), engines.Answer("12 9")]
    given = result(realworld, labelled, "page", labels=["404 1000\n818", "1 2\n9 9"], answers=answers)
    assert as_dict(realworld.scores(given, [])) == {
        "exact match": (0.5, 2),
        "character error rate": (pytest.approx(1 / 14), 14),
        "numbers found": (pytest.approx(4 / 7), 7),  # one of the two 9s; no 1 and no 2 stands alone
        "character error rate: 0": (0.0, 10),
        "character error rate: 1": (0.25, 4),
    }


def test_scores_of_what_is_no_digit(realworld: ModuleType, labelled: ModuleType, engines: ModuleType) -> None:
    digits = [engines.Answer("1", 0.5 + i / 400) for i in range(200)]  # 0.5 to 0.9975; the lowest two may go
    others = [engines.Answer("1", value, value < 0.45) for value in (0.4, 0.503, 0.506, 0.999)]
    compared = result(realworld, labelled, "digit", labels=["1"] * 200, answers=digits)
    given = result(realworld, labelled, "other", labels=list("ABCD"), answers=others)
    found = as_dict(realworld.scores(given, [compared]))
    assert found["refused"] == (0.25, 4)
    assert found["refused when 99% of digits are kept"] == (0.5, 4)
    area = np.mean([digit.confidence > other.confidence for digit in digits for other in others])
    assert found["AUROC against digits"] == (pytest.approx(area), 4)
    silent = result(realworld, labelled, "other", labels=["A"], answers=[engines.Answer("", refused=True)])
    assert as_dict(realworld.scores(silent, [compared])) == {"refused": (1.0, 1)}  # an engine without confidences


def test_mistakes_are_named(realworld: ModuleType, labelled: ModuleType, engines: ModuleType) -> None:
    class Asked:
        name = "asked"

    digits = [engines.Answer("1", 0.9), engines.Answer("4", 0.75)]
    given = result(realworld, labelled, "digit", labels=["1", "7"], answers=digits)
    other = [engines.Answer("1", 0.9), engines.Answer("", refused=True)]
    strange = result(realworld, labelled, "other", labels=["A", "B"], answers=other)
    assert list(realworld.mistakes(Asked(), [given, strange])) == [
        "asked\tdigit\t1\t'7' read as '4' (0.750)",
        "asked\tother\t0\t'A' read as '1' (0.900)",
    ]


# ---- engines


def test_ink_is_told_from_paper_that_is_dark_at_its_border(engines: ModuleType) -> None:
    designs = importlib.import_module("designs")
    sheet = np.full((60, 200), 100, np.uint8)  # as dark as its border may be
    sheet[20:40, 30:36] = sheet[20:40, 80:86] = 20
    for pixels in (sheet, np.repeat(sheet[..., None], 3, axis=2)):
        assert np.array_equal(designs.ink_on_paper(pixels), pixels)
        assert np.array_equal(designs.ink_on_paper(255 - pixels), pixels)
    clear = np.dstack([np.zeros((60, 200, 3), np.uint8), np.where(sheet < 50, 255, 0).astype(np.uint8)])
    on_white = designs.ink_on_paper(clear)
    assert np.array_equal(on_white, np.where(sheet < 50, 0, 255)[..., None].repeat(3, axis=2))


def test_pictures_are_made_dark_on_light_and_framed(engines: ModuleType) -> None:
    light = np.zeros((14, 10), np.uint8)
    light[4:9, 4:6] = 255
    made = engines.prepared(light)
    assert made.shape == (28 + 20, 20 + 20)
    assert made[0, 0] == 255 and made[20, 20] < 60
    red = np.full((60, 40, 4), (200, 180, 180, 255), np.uint8)
    made = engines.prepared(red)
    assert made.shape == (80, 60, 3) and made[0, 0].tolist() == made[40, 30].tolist() == [200, 180, 180]
    clear = np.zeros((60, 40, 4), np.uint8)
    assert (engines.prepared(clear) == 255).all()


def test_inkdigits_counts_a_broken_picture_as_wrong(engines: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    ours = engines.Inkdigits()
    given = [picture(4), tmp_path / "broken.png", picture(4)]
    digits = list(ours.answers(given, "digit"))
    assert [answer.text for answer in digits] == ["4", "", "4"]
    assert digits[1] is engines.BROKEN and 0.5 < digits[0].confidence <= 1
    texts = list(ours.answers(given, "string"))
    assert texts[1] is engines.BROKEN and texts[0].text == texts[2].text != ""
    assert ours.cpu_seconds() > 0 and "default" in ours.version


@pytest.mark.parametrize("name", ["cut", "boxes", "digitwise"])
def test_other_designs_read_easy_pictures_too(name: str, realworld: ModuleType, engines: ModuleType) -> None:
    design = realworld.ENGINES[name]()
    page = written("407 83", "12")
    given = [page, np.full((50, 90), 240, np.uint8), "no picture", page // 3]
    answers = list(design.answers(given, "page"))
    assert answers[0].text.splitlines()[0] == "407 83" and answers[0].text.count("\n") == 1
    assert answers[3].text == answers[0].text, "dark paper is paper, too"
    assert answers[1].refused and answers[1].text == ""
    assert answers[2] is engines.BROKEN and design.cpu_seconds() > 0


def test_digitwise_has_what_inkdigits_has_but_for_lines(realworld: ModuleType) -> None:
    designs = importlib.import_module("designs")
    ours, theirs = (open_onnx(m, 1) for m in (PAGES.read_bytes(), designs.without_lines().SerializeToString()))
    alone = np.tile(np.pad(written("4"), 40, mode="edge"), (2, 2))  # four digits, none of which stands beside another
    for page, same in ((alone, True), (written("407 83", "12"), False), (written("4071"), False)):
        given = {"pixels": page[..., None]}
        assert np.array_equal(ours.run(None, given)[1], theirs.run(None, given)[1]) == same


@pytest.fixture
def sequences(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    module = importlib.import_module("sequences")
    monkeypatch.setattr(module, "RUN", tmp_path / "sequences")
    monkeypatch.setattr(module, "load_typefaces", lambda **_: {})
    return module


@pytest.mark.parametrize(
    ("path", "text"),
    [([], ""), ([10, 10], ""), ([1, 1, 10, 1, 7], "117"), ([10, 0, 0, 10, 0, 10, 9, 9], "009"), ([3], "3")],
)
def test_a_path_of_signs_is_read_as_digits(path: list[int], text: str, sequences: ModuleType) -> None:
    assert sequences.text_of(path) == text


def test_a_network_that_reads_sequences_is_trained_and_read_with(
    mnist: Path, sequences: ModuleType, realworld: ModuleType, engines: ModuleType
) -> None:
    with pytest.raises(engines.MissingEngineError, match=r"sequences\.py"):
        realworld.ENGINES["sequences"]()
    sequences.train(1)
    card = (sequences.RUN / "card.json").read_bytes()
    (sequences.RUN / "card.json").write_bytes(card + b" ")
    sequences.train(1)
    assert (sequences.RUN / "card.json").read_bytes() == card + b" ", "it is trained already"
    design = realworld.ENGINES["sequences"]()
    fields: list[NDArray[np.float32]] = []
    signs = np.eye(BLANK + 1)[[4, 4, BLANK, 0, 7, 7]]
    design._reader._model = lambda given, training: (fields.append(given), signs[None])[1]
    answers = list(design.answers([written("407"), 255 - written("407"), "no picture"], "string"))
    assert [answer.text for answer in answers] == ["407", "407", ""] and answers[2] is engines.BROKEN
    ink = lining.seen(written("407"))
    assert np.array_equal(fields[0][0, :, : ink.shape[1]], ink), "as in training: no frame is put around it"
    assert not fields[0][0, :, ink.shape[1] :].any() and fields[0].shape == lining.padded(ink)[None].shape
    assert np.array_equal(fields[0], fields[1]), "dark on light"
    assert design.version.startswith("1 steps")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A program named tesseract that says how it was called, and fails on pictures of one width."""
    folder = tmp_path / "bin"
    folder.mkdir()
    code = (
        f"#!{sys.executable}\n"
        "import io, sys\n"
        "from PIL import Image\n"
        "if '--version' in sys.argv: print('tesseract 5.3.0\\n leptonica'); sys.exit()\n"
        "width = Image.open(io.BytesIO(sys.stdin.buffer.read())).width\n"
        "if width == 60: sys.exit(1)\n"
        "print('a' + sys.argv[sys.argv.index('--psm') + 1] + ' 12\\n\\n' + str(width))\n"
    )
    (folder / "tesseract").write_text(code)
    (folder / "tesseract").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    yield folder


@pytest.mark.skipif(os.name == "nt", reason="a script is no program there")
def test_tesseract_is_told_what_to_expect(engines: ModuleType, program: Path) -> None:
    engine = engines.Tesseract()
    assert engine.version == "5.3.0"
    small, broken = np.full((28, 30), 255, np.uint8), np.full((28, 40), 255, np.uint8)
    for kind, mode in (("digit", "10"), ("string", "7"), ("page", "6"), ("other", "10")):
        answers = list(engine.answers([small, broken], kind))
        assert answers[0].text == f"{mode} 12\n50" and answers[1] is engines.BROKEN
    assert engine.cpu_seconds() > 0


def test_engines_that_are_not_installed_are_named(
    engines: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(engines.MissingEngineError, match="apt install tesseract-ocr"):
        engines.Tesseract()
    monkeypatch.delenv("RAPIDOCR_PYTHON", raising=False)
    with pytest.raises(engines.MissingEngineError, match="RAPIDOCR_PYTHON"):
        engines.RapidOCR()
    monkeypatch.setenv("RAPIDOCR_PYTHON", str(tmp_path / "missing"))
    with pytest.raises(engines.MissingEngineError, match="does not start"):
        engines.RapidOCR()


@pytest.fixture
def rapidocr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the package: two lines of text in disorder, or the picture's width as one line."""
    package = tmp_path / "site" / "rapidocr_onnxruntime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "def box(x, y): return [[x, y], [x + 9, y], [x + 9, y + 10], [x, y + 10]]\n"
        "class RapidOCR:\n"
        "    def __init__(self, **options): pass\n"
        "    def __call__(self, image, use_det=True, use_cls=True):\n"
        "        if image.shape[1] == 60: raise ValueError('broken')\n"
        "        if not use_det: return [[f'No. {image.shape[1]}', 0.9]], []\n"
        "        return [(box(50, 3), '34', 1.0), (box(5, 0), '12', 1.0), (box(0, 30), 'x5', 1.0)], []\n"
    )
    (package.parent / "rapidocr_onnxruntime-1.4.4.dist-info").mkdir()
    (package.parent / "rapidocr_onnxruntime-1.4.4.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: rapidocr-onnxruntime\nVersion: 1.4.4\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setenv("RAPIDOCR_PYTHON", sys.executable)
    return package


def test_rapidocr_is_asked_in_its_own_python(engines: ModuleType, rapidocr: Path) -> None:
    engine = engines.RapidOCR()
    assert engine.version == "1.4.4"
    small, broken = np.full((28, 30), 255, np.uint8), np.full((28, 40), 255, np.uint8)
    assert [answer.text for answer in engine.answers([small, broken, small], "string")] == ["50", "", "50"]
    assert [answer.text for answer in engine.answers([small], "page")] == ["12 34\n5"]
    assert engine.cpu_seconds() >= 0


# ---- the command


def test_the_command_prints_a_table_and_appends_rows(tmp_path: Path) -> None:
    sheets = np.stack([picture(digit) for digit in (4, 7)])
    np.savez(tmp_path / "drawn.npz", images=sheets, labels=np.array([4, 7]))
    np.savez(tmp_path / "signs.npz", images=np.full((1, 60, 60), 255, np.uint8), labels=np.array(["nothing"]))
    table = tmp_path / "out" / "table.csv"

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, BENCHMARKS / "realworld.py", tmp_path, "--results", table, *more]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    dry = run("--dry", "--only", "drawn")
    assert dry.returncode == 0 and not table.exists(), dry.stderr
    assert "accuracy" in dry.stdout and "signs" not in dry.stdout
    done = run("--limit", "1")
    assert done.returncode == 0, done.stderr
    assert "compared with: drawn" in done.stderr
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    assert {(row["set"], row["metric"]) for row in rows} >= {("drawn", "accuracy"), ("signs", "AUROC against digits")}
    assert all((row["engine"], row["pictures"]) == ("inkdigits", "1") and row["hardware"] for row in rows)
    assert {row["set"]: row["of"] for row in rows} == {"drawn": "2", "signs": "1"}
    wrong = run("--only", "lost")
    assert wrong.returncode == 2 and "Received: lost" in wrong.stderr


def test_pictures_of_nothing_are_the_same_each_time_and_digits_on_them_count(
    engines: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = importlib.import_module("nothing")
    for kind in (*nothing.KINDS, "photographs"):
        shown, again = nothing.pictures(kind), nothing.pictures(kind)
        assert len(shown) == (42 if kind == "photographs" else nothing.COUNT)
        assert all(np.array_equal(one, other) for one, other in zip(shown, again, strict=True))
        assert {one.dtype for one in shown} == {np.dtype(np.uint8)} and len({one.tobytes() for one in shown}) > 30
    answers = [engines.Answer("12 3\n4"), engines.Answer("", refused=True)] * 20

    class Reader:
        name, version = "reader", "1"

        def __init__(self, model: str) -> None:
            assert model == "default"

        def answers(self, pictures: Sequence[Any], kind: str) -> list[Any]:
            assert kind == "page"
            return answers[: len(pictures)]

        def cpu_seconds(self) -> float:
            return 0.0

    monkeypatch.setitem(importlib.import_module("realworld").ENGINES, "reader", Reader)
    monkeypatch.setattr(nothing, "photographs", lambda: iter([np.zeros((9, 9, 3), np.uint8)]))
    table = tmp_path / "nothing.csv"
    monkeypatch.setattr(sys, "argv", ["nothing.py", "--engines", "reader", "--results", str(table)])
    for _ in range(2):  # what is there is not read again
        nothing.main()
        rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
        assert [row["pictures"] for row in rows] == [*nothing.KINDS, "photographs"]
        assert [(row["n"], row["with_digits"], row["digits"]) for row in rows][-2:] == [
            ("40", "20", "80"),
            ("1", "1", "4"),
        ]
    monkeypatch.setattr(sys, "argv", ["nothing.py", "--engines", "lost"])
    with pytest.raises(SystemExit):
        nothing.main()


def test_each_condition_changes_the_same_pictures_and_wrong_digits_count(
    engines: ModuleType, labelled: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conditions = importlib.import_module("conditions")
    sheet = np.dstack([written("407")] * 3)
    given = labelled.PictureSet("fields", "string", [sheet, sheet], ("407", "407"), ("0", "1"), (), False, 0, 2)
    (plain, _), (again, _) = (list(conditions.in_condition("as it is", given)) for _ in range(2))
    np.testing.assert_array_equal(plain, again)
    seen = {"as it is": plain}
    for condition in conditions.CONDITIONS:
        first, second = conditions.in_condition(condition, given)
        assert first.dtype == np.uint8 and first.ndim == 3 and first.shape == second.shape
        assert condition == "as it is" or not any(np.array_equal(first, other) for other in seen.values()), condition
        seen[condition] = first
    height, width = sheet.shape[:2]
    assert seen["turned by 14 degrees"].shape[0] > height + 0.2 * width
    assert seen["on a dark table"].shape[1] > width + 0.2 * width and seen["on a dark table"][2].mean() < 60
    np.testing.assert_array_equal(seen["light on dark"], 255 - plain)
    assert abs(seen["half in shadow"][-1, -1].mean() - 0.35 * plain[-1, -1].mean()) < 1
    assert np.ptp(seen["faint"].astype(int).mean(2)) < 0.5 * np.ptp(plain.astype(int).mean(2))

    class Reader:
        name, version = "reader", "1"

        def __init__(self, model: str) -> None:
            assert model == "default"

        def answers(self, pictures: Sequence[Any], kind: str) -> list[Any]:
            assert len(pictures) == 8 and kind == "string"
            return [engines.Answer("4 0 7")] * 6 + [engines.Answer("47"), engines.Answer("")]

        def cpu_seconds(self) -> float:
            return 0.0

    for name in conditions.SETS:
        saved(tmp_path / f"{name}.npz", [1])
    monkeypatch.setitem(importlib.import_module("realworld").ENGINES, "reader", Reader)
    monkeypatch.setattr(conditions, "alone", lambda digits, count, seed: given)
    monkeypatch.setattr(conditions, "composed", lambda digits, count, seed: given)
    monkeypatch.setattr(conditions, "pages", lambda digits, count, seed: given)
    table = tmp_path / "conditions.csv"
    monkeypatch.setattr(sys, "argv", ["conditions.py", str(tmp_path), "--engines", "reader", "--results", str(table)])
    for _ in range(2):  # what is there is not read again
        conditions.main()
        rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
        assert [(row["condition"], row["pictures"]) for row in rows] == [
            (condition, pictures) for condition in conditions.CONDITIONS for pictures in ("digits", "fields", "pages")
        ]
        assert {(row["n"], row["exact"], row["digits"], row["wrong"]) for row in rows} == {("8", "6", "24", "4")}
    for wrong in ([str(tmp_path), "--engines", "lost"], [str(tmp_path / "nowhere")]):
        monkeypatch.setattr(sys, "argv", ["conditions.py", *wrong])
        with pytest.raises(SystemExit):
            conditions.main()


# ---- records


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def timed(network: str, seed: int, epoch: int, accuracy: float, cpu: float, mark: str = "") -> dict[str, str]:
    values = (network, mark, seed, epoch, accuracy, cpu, cpu / 2)
    names = ("network", "recipe_hash", "seed", "epoch", "test_accuracy", "cpu_seconds", "wall_seconds")
    return {name: str(value) for name, value in zip(names, values, strict=True)}


def test_every_shipped_recipe_has_been_measured_as_it_is(scripts: Callable[[str], ModuleType]) -> None:
    accuracy, rows, current = scripts("accuracy"), scripts("rows"), scripts("fingerprints").current
    measured = current(rows.rows_of(rows.RESULTS / "accuracy.csv", *accuracy.KEY))
    assert set(recipe_names()) <= {row["recipe"] for row in measured}
    replaced = {file.stem.split("-")[-1] for file in (BENCHMARKS / "superseded").glob("*.toml")}
    assert replaced and not replaced & {row["recipe_hash"] for row in measured}
    sizes = current(rows.rows_of(rows.RESULTS / "sizes.csv", *scripts("sizes").KEY))
    assert {row["recipe"] for row in sizes} == {"nano", "small", "best"}
    speed = scripts("speed")
    timed = rows.rows_of(rows.RESULTS / "speed.csv", *speed.KEY)
    assert speed.compared(timed, "quick", speed.mark("quick")).seeds == 5


def test_recipes_that_were_replaced_are_kept(
    scripts: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is the recipe that its name's fingerprint stands for, and the table has a row of it."""
    fingerprints, rows = scripts("fingerprints"), scripts("rows")
    # Of the preprocessing and of the synthetic pictures, when it was trained.
    versions = {
        "default-d0c15243ce42": (3, 2),
        "default-dfd6cc9cca95": (3, 4),
        "default-9ffa0c971e10": (3, 5),
        "default-46fdf0485697": (3, 5),
        "default-7d1001e5ffb8": (4, 6),
        "default-838046b44938": (4, 5),
    }
    marks = {row["recipe_hash"] for row in rows.rows_of(rows.RESULTS / "accuracy.csv")}
    files = list((BENCHMARKS / "superseded").glob("*.toml"))
    assert files
    for file in files:
        mark = file.stem.split("-")[-1]
        for room, version in zip(
            (fingerprints.preprocess, fingerprints.synthesis), versions.get(file.stem, (3, 3)), strict=True
        ):
            monkeypatch.setattr(room, "VERSION", version)
        assert fingerprints.shipped(str(file)) == mark and mark in marks


def test_a_fingerprint_depends_on_what_is_trained_alone(
    scripts: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprints, recipe = scripts("fingerprints"), load_recipe("quick")
    fingerprint = fingerprints.fingerprint
    for same in ({"description": "other"}, {"seed": 3}, {"augmentation.ease": 0.0}, {"distillation.teachers": []}):
        assert fingerprint(recipe.with_overrides(same)) == fingerprint(recipe)
    for other in ({"epochs": 2}, {"augmentation.ease": 0.1}, {"architecture.crop": 2}, {"architecture.name": "mlp"}):
        assert fingerprint(recipe.with_overrides(other)) != fingerprint(recipe)
    synthetic = load_recipe("default")
    before = fingerprint(recipe), fingerprint(synthetic)
    monkeypatch.setattr(fingerprints.synthesis, "VERSION", 99)
    assert fingerprint(recipe) == before[0] and fingerprint(synthetic) != before[1]


def test_every_option_has_a_neutral_value(scripts: Callable[[str], ModuleType]) -> None:
    """An option that is added must be listed, with the value that changes nothing."""
    neutral, uncounted = scripts("fingerprints").NEUTRAL, scripts("fingerprints").UNCOUNTED
    for name in names():
        values = Recipe.from_mapping({"name": "plain", "architecture": {"name": name}}).to_dict()
        assert set(values.pop("architecture")) - {"name"} == set(neutral["architectures"][name])
        assert set(values) - set(uncounted) == set(neutral["recipe"])
        for section, options in values.items():
            if isinstance(options, dict):
                assert set(options) == set(neutral["recipe"][section]), section


def test_ensembles_are_declared_before_they_are_scored(scripts: Callable[[str], ModuleType], tmp_path: Path) -> None:
    ensemble = scripts("ensemble")
    assert ensemble.declared()["5 x best"] == ("best", [0, 1, 2, 3, 4])
    for text in ('["2 x quick"]\nseeds = [0, 0]', '["3 x quick"]\nseeds = [0, 1]', "[quick]\nseeds = [0]"):
        (tmp_path / "e.toml").write_text(text)
        with pytest.raises(ValueError, match="different seeds"):
            ensemble.declared(tmp_path / "e.toml")


def test_the_reference_is_given_the_first_epoch_in_which_its_mean_is_as_good(
    scripts: Callable[[str], ModuleType],
) -> None:
    speed = scripts("speed")
    curves = {0: (0.97, 0.985, 0.992), 1: (0.98, 0.993, 0.991)}
    rows = [
        timed(speed.REFERENCE, seed, epoch, accuracy, 10 * epoch)
        for seed, curve in curves.items()
        for epoch, accuracy in enumerate(curve, start=1)
    ]
    rows += [
        timed("quick", 0, 1, 0.5, 1, "old"),
        timed("quick", 0, 1, 0.988, 2, "new"),
        timed("quick", 1, 1, 0.99, 4, "new"),
    ]
    found = speed.compared(rows, "quick", "new")
    assert (found.seeds, found.reached, found.epochs) == (2, True, 2)
    assert (found.reference_seconds, found.cpu_seconds) == (20, 3)
    assert found.accuracy == pytest.approx(0.989) and "6.7 times" in str(found)
    alone = timed("quick", 7, 1, 0.1, 9, "new")
    assert speed.compared([*rows, alone], "quick", "new") == found, "a seed that only one has does not count"
    longer = timed(speed.REFERENCE, 0, 4, 1.0, 40)
    never = speed.compared([*rows, longer, *(timed("best", seed, 9, 0.999, 60, "x") for seed in (0, 1))], "best", "x")
    assert not never.reached and "does not get there" in str(never)
    assert (never.epochs, never.reference_seconds) == (3, 30), "an epoch that only one seed has does not count"
    assert speed.compared(rows[:6], "quick", "new") is None


def test_pairs_count_what_only_one_got_wrong(scripts: Callable[[str], ModuleType]) -> None:
    compare = scripts("compare")
    rows = [
        {"recipe": "a", "recipe_hash": "x", "seed": "0", "mistakes": "1 2 3 4 5 6 7 8 9"},
        {"recipe": "b", "recipe_hash": "x", "seed": "0", "mistakes": "9 10"},
        {"recipe": "b", "recipe_hash": "x", "seed": "1", "mistakes": ""},
    ]
    (pair,) = compare.pairs(rows, "a", "b")
    assert (pair.only_first, pair.only_second) == (8, 1)
    assert pair.p == pytest.approx(2 * (1 + 9) / 2**9)
    assert compare.Pair.of("0", {"1"}, {"1"}).p == 1.0


def test_rows_are_added_below_one_header(scripts: Callable[[str], ModuleType], tmp_path: Path) -> None:
    rows = scripts("rows")
    path = tmp_path / "deep" / "results.csv"
    assert rows.rows_of(path) == []
    rows.append(path, [{"a": 1, "b": "x, y"}])
    rows.append(path, [{"a": 2, "b": ""}, {"a": 3, "b": ""}])
    assert [row["a"] for row in rows.rows_of(path)] == ["1", "2", "3"]
    assert path.read_text().splitlines()[:2] == ["a,b", '1,"x, y"']
    with pytest.raises(ValueError, match=r"columns a, c, b\. It has a, b"):
        rows.append(path, [{"a": 1, "c": 2, "b": 3}])
    assert len(rows.rows_of(path)) == 3
    assert rows.keys_of(path, "a") == {("1",), ("2",), ("3",)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3", "row 2 .* complete"),
        ("a,b\n1,2\n1,3\n", "There twice: 1"),
        ("a,errors,mistakes\n1,3,5 6\n", "as many mistakes as errors"),
    ],
)
def test_rows_that_cannot_be_right_are_refused(
    scripts: Callable[[str], ModuleType], tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        scripts("rows").rows_of(tmp_path / "rows.csv", "a")


@pytest.mark.parametrize("engine", ["inkdigits", "mnist-8", "matmul", "command"])
def test_speed_of_answers_is_measured(scripts: Callable[[str], ModuleType], engine: str, mnist: Path) -> None:
    inference = scripts("inference")
    command = [sys.executable, str(BENCHMARKS / "inference.py"), "--here", engine, "default", "1"]
    figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert figures and all(value > 0 for value in figures.values())
    assert (inference.BULK in figures) == (engine in ("inkdigits", "mnist-8"))


def test_operations_are_counted(scripts: Callable[[str], ModuleType], trained: Path) -> None:
    inference = scripts("inference")
    # quick: 20x20 maps of 3x3x1x8, 8x8 of 3x3x8x32, 2x2 of 3x3x32x64, 256 to 64 to 10
    products = 20 * 20 * 72 + 8 * 8 * 2304 + 4 * 18432 + 256 * 64 + 640
    assert inference.operations(str(trained)) == 2 * products


def test_a_recipe_is_timed_and_its_row_is_complete(
    scripts: Callable[[str], ModuleType], mnist: Path, tmp_path: Path
) -> None:
    speed = scripts("speed")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text('epochs = 1\ntrain_images = 500\n[architecture]\nname = "mlp"\ndense = [8]\n')
    (row,) = speed.rows(str(recipe), 3, 1)
    assert row["seed"] == 3 and row["epoch"] == 1 and float(row["cpu_seconds"]) > 0
    assert 0.05 < float(row["test_accuracy"]) < 1 and len(row["recipe_hash"]) == 12


def test_the_reference_is_scored_after_every_epoch(
    scripts: Callable[[str], ModuleType], mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speed = scripts("speed")
    from inkdigits import datasets

    few = {split: datasets.load_dataset("mnist", split).subset(np.arange(1000)) for split in ("train", "test")}
    monkeypatch.setattr(datasets, "load_dataset", lambda _, split: few[split])
    first, second = speed.rows(speed.REFERENCE, 0, 2)
    assert (first["epoch"], second["epoch"]) == (1, 2) and first["recipe_hash"] == ""
    assert 0 < float(first["cpu_seconds"]) < float(second["cpu_seconds"])
    assert 0.3 < float(second["test_accuracy"]) < 1


def test_disputed_labels_are_those_of_mnist(scripts: Callable[[str], ModuleType], mnist: Path) -> None:
    labels = load_dataset("mnist", "test").labels
    rows = scripts("rows").rows_of(BENCHMARKS / "disputed.csv", "index")
    assert len(rows) == 15
    assert all(int(row["label"]) == labels[int(row["index"])] and row["majority"] != row["label"] for row in rows)
