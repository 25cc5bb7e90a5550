from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics as reference
from typer.testing import CliRunner

import inkdigits
from inkdigits import Bundle, Dataset, load, load_dataset
from inkdigits.cli import app
from inkdigits.errors import BundleError, DatasetError, InkdigitsError
from inkdigits.evaluation import EVALUATION_FILE, evaluate
from inkdigits.evaluation.report import report_html
from scripted import evaluated, probabilities

EVERY_KEY = [
    *(
        "model",
        "dataset",
        "dataset_sha256",
        "trained_on",
        "n",
        "accuracy",
        "errors",
        "confidence_interval",
        "confusion_matrix",
    ),
    *("per_class", "average_precision", "negative_log_likelihood", "expected_calibration_error", "reliability"),
    *("coverage_curve", "rejected", "candidates", "parameters", "mistakes"),
]


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_the_command_prints_what_classify_answers(bundle: Path, mnist: Path) -> None:
    result = run("evaluate", str(bundle), "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert list(document) == EVERY_KEY

    data = load_dataset("mnist", "test")
    predictions = load(bundle).classify(data.images)
    digits = np.array([prediction.digit for prediction in predictions])
    rows = np.array([prediction.probabilities for prediction in predictions], np.float64)
    wrong = np.flatnonzero(digits != data.labels)
    rejected = np.array([prediction.rejected for prediction in predictions])
    sizes = [len(prediction.candidates) for prediction in predictions]
    kept = [label in prediction.candidates for label, prediction in zip(data.labels, predictions, strict=True)]

    assert document["n"] == 10_000 and document["dataset"] == "mnist/test"
    assert document["errors"] == len(wrong)
    assert document["accuracy"] == pytest.approx(reference.accuracy_score(data.labels, digits))
    low, high = document["confidence_interval"]
    assert low < document["accuracy"] < high and high - low < 0.02
    assert document["confusion_matrix"] == reference.confusion_matrix(data.labels, digits).tolist()
    expected = reference.precision_recall_fscore_support(data.labels, digits)
    for digit, scores in enumerate(document["per_class"]):
        assert scores["digit"] == digit
        found = [scores[name] for name in ("precision", "recall", "f1", "support")]
        assert found == pytest.approx([column[digit] for column in expected])
    truth = data.labels[:, None] == np.arange(10)
    for kind in ("micro", "macro"):
        area = reference.average_precision_score(truth, rows, average=kind)
        assert document["average_precision"][kind] == pytest.approx(area)
    assert document["negative_log_likelihood"] == pytest.approx(
        -np.log(np.maximum(rows[np.arange(10_000), data.labels], 1e-12)).mean()
    )
    assert document["rejected"]["count"] == rejected.sum()
    assert document["rejected"]["errors"] == rejected[wrong].sum()
    assert document["rejected"]["accuracy_of_accepted"] == pytest.approx((digits == data.labels)[~rejected].mean())
    assert document["candidates"]["coverage"] == pytest.approx(np.mean(kept))
    assert document["candidates"]["mean_size"] == pytest.approx(np.mean(sizes))
    assert document["candidates"]["sizes"] == [sizes.count(size) for size in range(1, 11)]
    assert document["parameters"] == Bundle.load(bundle).card.parameters
    assert [mistake["index"] for mistake in document["mistakes"]] == wrong.tolist()
    for mistake in document["mistakes"]:
        prediction = predictions[mistake["index"]]
        assert mistake["label"] == data.labels[mistake["index"]]
        assert mistake["prediction"] == prediction.digit
        assert mistake["rejected"] == prediction.rejected
        assert mistake["probabilities"] == pytest.approx(prediction.probabilities.tolist(), abs=1e-6)

    # The bundle keeps the result.
    kept_document = json.loads((bundle / EVALUATION_FILE).read_text(encoding="utf-8"))
    assert kept_document == document
    assert sorted(path.name for path in bundle.iterdir() if ".part" in path.name) == []


def some(count: int = 300) -> Dataset:
    return load_dataset("mnist", "test").subset(np.arange(count))


def test_only_the_whole_test_split_is_kept_in_the_bundle(bundle: Path, mnist: Path) -> None:
    evaluate(bundle, some())
    assert not (bundle / EVALUATION_FILE).exists()


def test_a_bundle_a_recognizer_an_onnx_file_and_a_path_score_the_same(bundle: Path, mnist: Path) -> None:
    data = some()
    results = [
        evaluate(given, data)
        for given in (bundle, str(bundle), Bundle.load(bundle), load(bundle), bundle / "model.onnx")
    ]
    for result in results:
        assert result.errors == results[0].errors
        assert result.negative_log_likelihood == pytest.approx(results[0].negative_log_likelihood, rel=1e-4)


@pytest.fixture
def pictures(mnist: Path, tmp_path: Path) -> Path:
    """Twelve test digits as photographs, larger, dark on light, in folders by digit; one in the wrong folder."""
    data = some(12)
    for index, (image, label) in enumerate(zip(data.images, data.labels, strict=True)):
        large = Image.fromarray(255 - image).resize((56, 56), Image.Resampling.BICUBIC)
        sheet = Image.new("RGB", (100, 85), (255, 255, 255))
        sheet.paste(large, (30, 10))
        folder = tmp_path / "pictures" / str(label if index else (label + 1) % 10)
        folder.mkdir(parents=True, exist_ok=True)
        sheet.save(folder / f"{index:02}.png")
    return tmp_path / "pictures"


def test_a_folder_is_scored_by_what_classify_says_of_its_files(bundle: Path, pictures: Path) -> None:
    result = evaluate(bundle, pictures)
    files = sorted(pictures.glob("*/*.png"))
    predictions = load(bundle).classify(files)
    labels = [int(file.parent.name) for file in files]
    assert result.n == 12 and result.labels.tolist() == labels
    assert result.predictions.tolist() == [prediction.digit for prediction in predictions]
    assert np.allclose(result.probabilities, [prediction.probabilities for prediction in predictions], atol=1e-6)
    document = result.to_dict()
    assert {mistake["path"] for mistake in document["mistakes"]} >= {f"{labels[files.index(moved(files))]}/00.png"}
    assert not (bundle / EVALUATION_FILE).exists()


def moved(files: list[Path]) -> Path:
    return next(file for file in files if file.name == "00.png")


@pytest.mark.parametrize("layout", ["splits", "table", "table in a folder"])
def test_other_layouts_of_pictures_find_their_files(layout: str, bundle: Path, pictures: Path, tmp_path: Path) -> None:
    if layout == "splits":
        (tmp_path / "set").mkdir()
        shutil.move(pictures, tmp_path / "set" / "test")
        given = tmp_path / "set"
    else:
        rows = [f"{file.relative_to(pictures).as_posix()},{file.parent.name}" for file in pictures.glob("*/*.png")]
        folder = tmp_path / "table"
        shutil.copytree(pictures, folder / "files")
        text = "\n".join(f"files/{row}" for row in rows)
        (folder / "labels.csv").write_text(f"path,label\n{text}\n", encoding="utf-8")
        given = folder / "labels.csv" if layout == "table" else folder
    result = evaluate(bundle, given)
    assert result.n == 12 and result.errors < 6


def test_the_terminal_shows_the_score_the_classes_and_the_confusions(bundle: Path, pictures: Path) -> None:
    result = run("evaluate", str(bundle), "--dataset", str(pictures))
    assert result.exit_code == 0, result.output
    measured = evaluate(bundle, pictures)
    assert f"{12 - measured.errors} of 12" in " ".join(result.stdout.split())
    for word in ("Precision", "Recall", "F1", "95 % interval", "Most frequent mistakes", "Parameters"):
        assert word in result.stdout


def test_what_cannot_be_evaluated_is_said(bundle: Path, tmp_path: Path) -> None:
    assert run("evaluate").exit_code == 2
    with pytest.raises(BundleError, match="no-such-model"):
        evaluate("no-such-model")
    with pytest.raises(DatasetError, match="no-such-folder"):
        evaluate(bundle, tmp_path / "no-such-folder")
    empty = Dataset(np.zeros((0, 28, 28), np.uint8), np.zeros(0, np.uint8), "nothing")
    with pytest.raises(InkdigitsError, match="empty"):
        evaluate(bundle, empty)


def test_scores_of_a_written_script_by_hand() -> None:
    # Four images: a sure and right 1, an unsure and wrong 2, a sure and wrong 7, an unsure and right 0.
    answers = probabilities([(1, 0.9), (3, 0.5), (1, 0.95), (0, 0.55)], second=4)
    result = evaluated([1, 2, 7, 0], answers)
    assert (result.n, result.errors, result.accuracy) == (4, 2, 0.5)
    assert result.is_rejected.tolist() == [False, True, False, True]
    assert (result.rejected.count, result.rejected.errors, result.rejected.accuracy_of_accepted) == (2, 1, 0.5)
    # Candidates are the digits of at least 0.3: {1}, {3, 4}, {1}, {0, 4}.
    assert result.candidates.sizes[:2] == (2, 2) and result.candidates.coverage == 0.5
    assert result.mistakes.tolist() == [1, 2]
    assert result.confusion[2, 3] == result.confusion[7, 1] == 1
    assert result.predictions.tolist() == [1, 3, 1, 0]


def test_a_document_is_json_even_where_nothing_is_known() -> None:
    result = evaluated([1, 1], probabilities([(2, 0.3), (2, 0.3)]))
    document = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert document["accuracy"] == 0.0
    assert document["rejected"]["accuracy_of_accepted"] is None  # both were rejected
    assert document["average_precision"]["per_class"][5] is None  # there is no 5
    assert document["average_precision"]["macro"] == pytest.approx(1.0)  # of the 1 alone, which all images are
    assert document["reliability"][0]["accuracy"] is None
    assert sum(bin_["count"] for bin_ in document["reliability"]) == 2


def test_perfect_answers_leave_no_mistakes() -> None:
    document = evaluated(list(range(10)), probabilities([(digit, 0.99) for digit in range(10)])).to_dict()
    assert document["errors"] == 0 and document["mistakes"] == []
    assert document["confidence_interval"][1] == 1.0
    assert document["average_precision"]["micro"] == pytest.approx(1.0)


def test_the_terminal_shows_what_each_threshold_would_do(capsys: pytest.CaptureFixture[str]) -> None:
    from inkdigits.cli.evaluate import _show

    # 20 images; the two least confident are wrong, and the model's own threshold of 0.6 rejects the last one.
    answers = probabilities([(1, 0.99 - i / 1000) for i in range(18)] + [(2, 0.75), (2, 0.5)])
    _show(evaluated([1] * 20, answers))
    said = capsys.readouterr().out
    rows = [line.split() for line in said[said.index("From confidence") :].splitlines()[2:] if line.strip()]
    assert rows == [
        ["100.00", "%", "90.00", "%", "0.5000"],
        ["95.00", "%", "94.74", "%", "0.7500"],
        ["95.00", "%", "94.74", "%", "0.6000", "this", "model's", "threshold"],
    ]


def test_an_evaluation_cannot_be_changed() -> None:
    result = evaluated([1], probabilities([(1, 0.9)]))
    with pytest.raises(AttributeError):
        result.accuracy = 1.0  # type: ignore[misc]
    assert inkdigits.evaluate is evaluate


def test_scoring_the_images_a_model_learned_from_is_said(bundle: Path, mnist: Path) -> None:
    tested = evaluate(bundle, load_dataset("mnist", "test").subset(range(50)))
    learned = evaluate(bundle, load_dataset("mnist", "train"))
    assert (tested.trained_on, learned.trained_on) == (False, True)
    assert learned.to_dict()["trained_on"] is True


def test_confidence_is_also_of_there_being_a_digit() -> None:
    """Of an open-set model: what it is sure of is both, and by that its answers are rejected and shown."""
    answers = probabilities([(3, 0.9), (5, 0.9)])
    sure, unsure = (evaluated([3, 4], answers, digitness=digitness) for digitness in (1.0, 0.5))
    assert sure.confidences.tolist() == pytest.approx([0.9, 0.9])
    assert unsure.confidences.tolist() == pytest.approx([0.45, 0.45])
    assert sure.accuracy == unsure.accuracy == 0.5
    assert (sure.rejected.count, unsure.rejected.count) == (0, 2)
    assert unsure.coverage.thresholds.tolist() == pytest.approx([0.45])
    assert "90.0 % sure" in report_html(sure) and "45.0 % sure" in report_html(unsure)
