"""Pictures labelled with numbers and pages: how they are listed, scored, shown and reported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from inkdigits import Recognizer, load, load_dataset
from inkdigits.cli import app
from inkdigits.datasets.texts import TextDataset, load_texts, normal
from inkdigits.errors import DatasetError
from inkdigits.evaluation import Evaluation, evaluate
from inkdigits.evaluation.text_report import report_html
from inkdigits.evaluation.texts import TextEvaluation
from inkdigits.reading import Digit, Line, Number, Reading
from pictures import picture
from scripted import Script, card, probabilities
from test_drawing import Reader

# What is read (digits in brackets are rejected), and the label.
SAID = (("2250", "2250"), ("22 50", "2250"), ("1[7]5", "115"), ("", "88"), ("404 1000\n818", "404 1000\n818"))


class Told(Recognizer):
    """A recognizer that reads what it was told; pictures are known by their names."""

    def __init__(self, texts: Sequence[str]) -> None:
        super().__init__(card(), Script(probabilities([(1, 0.9)])))
        self.texts = texts

    def read(self, image: Any) -> Reading:
        return reading(self.texts[int(Path(image).stem)])


def reading(text: str) -> Reading:
    lines = tuple(Line(tuple(number(word) for word in line.split())) for line in text.splitlines())
    plain = text.replace("[", "").replace("]", "")
    return Reading(text=plain, lines=lines, width=30, height=20, reason=None if plain else "nothing is written here")


def number(word: str) -> Number:
    box, digits, rejected = (0.0, 0.0, 1.0, 1.0), [], False
    for mark in word:
        if mark in "[]":
            rejected = mark == "["
        else:
            digits.append(Digit(int(mark), 0.3 if rejected else 0.9, box, rejected))
    return Number("".join(str(digit.digit) for digit in digits), 0.9, box, tuple(digits))


def listed(folder: Path, labels: Sequence[str], header: str = "path,label") -> Path:
    """A folder with a picture per label and labels.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(len(labels)):
        Image.fromarray(np.full((20, 30 + index), 255, np.uint8)).save(folder / f"{index}.png")
    rows = [f'{index}.png,"{label}"' for index, label in enumerate(labels)]
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8", newline="")
    return folder


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    return listed(tmp_path / "numbers", [label for _, label in SAID])


def measured(numbers: Path) -> TextEvaluation:
    progress: list[tuple[int, int]] = []
    result = evaluate(Told([text for text, _ in SAID]), numbers, told=lambda *done: progress.append(done))
    assert progress == [(done, 5) for done in range(1, 6)]
    assert isinstance(result, TextEvaluation)
    return result


# ---- the table


@pytest.mark.parametrize("header", ["path,label", "file,label", "\ufeffFile, Label"])
def test_labels_may_have_spaces_and_line_breaks(tmp_path: Path, header: str) -> None:
    folder = listed(tmp_path / "pages", [" 404  1000 \r\n\r\n818", "7", "12"], header)
    for given in (folder, folder / "labels.csv"):
        data = load_texts(given)
        assert isinstance(data, TextDataset) and len(data) == 3
        assert data.labels == ("404 1000\n818", "7", "12")
        assert data.paths == ("0.png", "1.png", "2.png") and all(file.is_file() for file in data.files)
        assert data.name == ("pages" if given == folder else "labels")


def test_the_hash_is_of_pictures_and_labels_alone(tmp_path: Path) -> None:
    one, same, other = (listed(tmp_path / name, [label]) for name, label in (("a", "12"), ("b", "12"), ("c", "13")))
    (same / "0.png").rename(same / "x.png")
    (same / "labels.csv").write_text("x.png,12\n")
    hashes = [load_texts(folder).sha256 for folder in (one, same, other)]  # type: ignore[union-attr]
    assert hashes[0] == hashes[1] != hashes[2]
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(one / "0.png")
    assert load_texts(one).sha256 != hashes[0]  # type: ignore[union-attr]


def test_splits_have_tables_of_their_own(tmp_path: Path) -> None:
    listed(tmp_path / "set" / "test", ["12"])
    listed(tmp_path / "set" / "train", ["34"])
    data = load_texts(tmp_path / "set", "train")
    assert data and data.labels == ("34",) and data.name == "set/train"


def test_single_digits_and_other_files_are_left_to_load_dataset(tmp_path: Path) -> None:
    assert load_texts(listed(tmp_path / "digits", ["1", "2"])) is None
    assert load_texts(tmp_path / "missing") is None
    listed(Path("mnist"), ["12"])
    assert load_texts("mnist") is None and load_texts("./mnist") is not None
    assert load_texts(tmp_path) is None
    np.savez(tmp_path / "own.npz", images=np.zeros((1, 28, 28), np.uint8), labels=np.zeros(1, np.uint8))
    assert load_texts(tmp_path / "own.npz") is None
    (tmp_path / "digits" / "3").mkdir()  # now a folder of classes, whatever tables lie in it
    (tmp_path / "digits" / "labels.csv").write_text("0.png,12\n")
    assert load_texts(tmp_path / "digits") is None


@pytest.mark.parametrize(
    ("labels", "says"), [(["12", "1.5"], "line 3: '1.5'"), (["12", ""], "line 3: ''"), (["12", "٣"], "line 3")]
)
def test_labels_that_are_no_numbers_are_named(tmp_path: Path, labels: list[str], says: str) -> None:
    with pytest.raises(DatasetError, match=says):
        load_texts(listed(tmp_path / "wrong", labels))


def test_missing_pictures_are_named(numbers: Path) -> None:
    (numbers / "1.png").unlink()
    with pytest.raises(DatasetError, match=r"1 of the 5 pictures .* missing:\n  1\.png"):
        load_texts(numbers)


def test_labels_are_written_as_readings_are() -> None:
    assert normal("  1  2\t3\r\n\n 4 \n") == "1 2 3\n4"


# ---- the scores


def test_scores_of_told_readings_by_hand(numbers: Path) -> None:
    result = measured(numbers)
    # 2250 as 22 50 is wrong, though its digits are right; 175 for 115 is one change; nothing for 88 is two.
    assert (result.n, result.errors, result.accuracy, result.accuracy_of_digits) == (5, 3, 0.4, 0.6)
    assert result.distances.tolist() == [0, 0, 1, 2, 0]
    assert (result.characters, result.character_errors) == (4 + 4 + 3 + 2 + 10, 3)
    assert result.character_error_rate == pytest.approx(3 / 23)
    low, high = result.character_error_interval
    assert 0 < low < 3 / 23 < high < 1
    assert result.mistakes == [3, 2, 1]
    # The rejected 7 and the blank picture; both are wrong, and one mistake is left among the other three.
    assert result.is_rejected.tolist() == [False, False, True, True, False]
    assert (result.rejected.count, result.rejected.errors) == (2, 2)
    assert result.rejected.accuracy_of_accepted == pytest.approx(2 / 3)


def test_what_is_read_that_is_not_there_counts(tmp_path: Path) -> None:
    result = evaluate(Told(["99999999"]), listed(tmp_path / "one", ["12"]))
    assert isinstance(result, TextEvaluation)
    assert result.character_error_rate == 4.0
    assert result.character_error_interval[1] == 1.0


def test_the_document_is_json(numbers: Path) -> None:
    document = json.loads(json.dumps(measured(numbers).to_dict(), allow_nan=False))
    assert list(document)[:7] == [
        *("model", "dataset", "dataset_sha256", "n", "accuracy", "errors", "confidence_interval")
    ]
    assert document["mistakes"][0] == {
        "index": 3,
        "path": "3.png",
        "label": "88",
        "text": "",
        "character_errors": 2,
        "rejected": True,
    }
    nothing = evaluate(Told(["", ""]), listed(numbers.parent / "blank", ["12", "34"]))
    assert nothing.to_dict()["rejected"]["accuracy_of_accepted"] is None


def test_scored_is_what_read_answers(tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    folder.mkdir()
    for name, digit in (("a", 4), ("b", 7)):
        Image.fromarray(picture(digit)).save(folder / f"{name}.png")
    (folder / "labels.csv").write_text("a.png,4\nb.png,71\n")
    result = evaluate("default", folder)
    assert isinstance(result, TextEvaluation)
    recognizer = load()
    assert result.answers == tuple(recognizer.read(folder / f"{name}.png").text for name in "ab")
    with pytest.raises(DatasetError):
        load_dataset(folder)


def test_single_digits_are_scored_as_before(tmp_path: Path) -> None:
    folder = tmp_path / "drawn"
    folder.mkdir()
    Image.fromarray(picture(4)).save(folder / "a.png")
    (folder / "labels.csv").write_text("file,label\na.png,4\n")
    assert isinstance(evaluate("default", folder), Evaluation)


def test_files_that_are_no_pictures_are_all_named(numbers: Path) -> None:
    for name in ("2.png", "4.png"):
        (numbers / name).write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"(?s)2 of the 5 pictures of numbers .*2\.png.*4\.png"):
        evaluate("default", numbers)


# ---- what people see


def test_the_terminal_lists_the_worst_pictures(numbers: Path, tmp_path: Path) -> None:
    args = ["evaluate", "default", "--dataset", str(numbers)]
    done = CliRunner().invoke(app, [*args, "--report", str(tmp_path / "report")])
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert "0.00 % of numbers read exactly" in said and "0 of 5 pictures" in said  # blank sheets
    for words in ("Character error rate 100.00 % (23 of 23", "Worst pictures", "4.png", "95 % interval"):
        assert words in said
    assert (tmp_path / "report" / "index.html").is_file()
    document = json.loads(CliRunner().invoke(app, [*args, "--json"]).stdout)
    assert document["accuracy"] == 0 and document["character_error_rate"] == 1


def test_the_report_shows_every_mistake_and_refers_to_nothing_else(numbers: Path) -> None:
    page = report_html(measured(numbers))
    reader = Reader(page)
    assert reader.open == []
    shown = [attributes for tag, attributes in reader.elements if tag == "img"]
    assert [attributes["alt"] for attributes in shown] == [
        "A picture of 88, read as nothing",
        "A picture of 115, read as 175",
        "A picture of 2250, read as 22 50",
    ]
    assert all(str(attributes["src"]).startswith("data:image/png;base64,") for attributes in shown)
    assert "2 of the 5 pictures of numbers are read exactly as labelled" in page


def test_a_report_without_mistakes_and_with_odd_names(tmp_path: Path) -> None:
    folder = listed(tmp_path / "<b>", ["12"])
    page = report_html(evaluate(Told(["12"]), folder))  # type: ignore[arg-type]
    assert "Not a single mistake" in page and "<b>" not in page
    clear = Image.fromarray(np.full((800, 900, 4), (0, 0, 0, 0), np.uint8))  # large and transparent: shown on white
    clear.save(folder / "0.png")
    page = report_html(evaluate(Told(["13"]), folder))  # type: ignore[arg-type]
    assert len(page) < 60_000
