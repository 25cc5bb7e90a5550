from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkdigits.datasets import load_dataset


def inkdigits(*arguments: object, given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "inkdigits", *map(str, arguments)]
    settings = {**os.environ, "COLUMNS": "200", **environment}
    return subprocess.run(command, input=given, capture_output=True, timeout=120, check=False, env=settings)


@pytest.fixture
def pictures(mnist: Path, tmp_path: Path) -> Path:
    """A folder: 7.png and 2.png (test digits), inner/blank.png, and a file that is no picture but is named like one."""
    folder = tmp_path / "pictures"
    (folder / "inner").mkdir(parents=True)
    images = load_dataset("mnist", "test").images
    Image.fromarray(images[0]).save(folder / "7.png")
    Image.fromarray(images[1]).save(folder / "2.PNG")
    Image.new("L", (40, 30), 255).save(folder / "inner" / "blank.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_one_json_document_per_line_holds_the_reading(trained: Path, pictures: Path) -> None:
    done = inkdigits("read", pictures / "7.png", pictures / "inner", "--json", "--model", trained)
    assert (done.returncode, done.stderr) == (0, b"")
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert list(first) == ["file", "text", "lines", "width", "height", "reason"]
    assert (first["file"], first["text"], first["width"]) == (str(pictures / "7.png"), "7", 28)
    assert first["lines"][0]["numbers"][0]["digits"][0]["digit"] == 7
    assert (second["text"], second["lines"], second["reason"]) == ("", [], "blank: no ink found")


def test_single_prints_the_prediction(trained: Path, pictures: Path) -> None:
    done = inkdigits("read", pictures / "7.png", "--json", "--single", "--model", trained / "model.onnx")
    document = json.loads(done.stdout)
    assert (document["file"], document["digit"]) == (str(pictures / "7.png"), 7)
    assert sum(document["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert np.array(document["seen"]).shape == (28, 28)


def test_csv_is_a_table(trained: Path, pictures: Path) -> None:
    done = inkdigits("read", pictures, "--csv", "--model", trained)
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert done.returncode == 0
    assert [Path(row["file"]).name for row in rows] == ["2.PNG", "7.png", "blank.png"]
    assert [row["text"] for row in rows] == ["2", "7", ""]
    assert (rows[2]["confidence"], rows[2]["rejected"], rows[2]["reason"]) == ("", "true", "blank: no ink found")
    assert 0 < float(rows[1]["confidence"]) <= 1


def test_people_get_a_line_per_picture_and_the_picture_when_they_ask(trained: Path, pictures: Path) -> None:
    done = inkdigits("read", pictures, "--model", trained)
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{pictures / '2.PNG'}: 2") and "%" in lines[0]
    assert lines[2].endswith("blank: no ink found")
    shown = inkdigits("read", pictures / "7.png", "--show", "--model", trained).stdout.decode().splitlines()
    assert len(shown) == 17
    assert all(len(line) == 30 for line in shown[1:])
    assert "█" in "".join(shown[4:14])


def test_bad_pictures_are_named_and_skipped(trained: Path, pictures: Path) -> None:
    (pictures / "broken.png").write_bytes((pictures / "7.png").read_bytes()[:60])
    (pictures / "void").mkdir()
    wanted = [pictures / name for name in ("broken.png", "missing.png", "void", "7.png")]
    done = inkdigits("read", *wanted, "--json", "--model", trained)
    assert done.returncode == 1
    assert [json.loads(line)["text"] for line in done.stdout.splitlines()] == ["7"]
    complaints = done.stderr.decode().splitlines()
    assert len(complaints) == 3
    for name, complaint in zip(("broken.png", "missing.png", "void"), complaints, strict=True):
        assert complaint.startswith("inkdigits: ") and name in complaint


def test_a_picture_may_come_on_stdin(trained: Path, pictures: Path) -> None:
    content = (pictures / "7.png").read_bytes()
    done = inkdigits("read", "-", "--json", "--model", trained, given=content)
    assert (done.returncode, json.loads(done.stdout)["file"], json.loads(done.stdout)["text"]) == (0, "-", "7")
    empty = inkdigits("read", "-", "--model", trained)
    assert empty.returncode == 1 and b"empty" in empty.stderr and empty.stdout == b""


def test_min_confidence_marks_what_is_below(trained: Path, pictures: Path) -> None:
    done = inkdigits("read", pictures / "7.png", "--min-confidence", "1", "--model", trained)
    assert done.returncode == 0 and ": 7? " in done.stdout.decode()


def test_a_file_name_that_is_no_utf8_is_read(trained: Path, pictures: Path) -> None:
    strange = os.fsencode(pictures) + b"/\xff7.png"
    shutil.copy(pictures / "7.png", strange)
    done = inkdigits("read", os.fsdecode(strange), "--json", "--model", trained)
    assert done.returncode == 0
    assert json.loads(done.stdout)["file"].endswith("\ufffd7.png")


@pytest.mark.parametrize(
    "arguments",
    [[], ["x.png", "--json", "--csv"], ["x.png", "--single"], ["x.png", "--min-confidence", "2"], ["x.png", "--what"]],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    done = inkdigits("read", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")


def test_an_unknown_model_exits_with_1_and_lists_models(pictures: Path) -> None:
    done = inkdigits("read", pictures / "7.png", "--model", "enormous")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"There is no enormous" in done.stderr and b"Traceback" not in done.stderr


def test_models_lists_what_is_bundled_and_trained_and_marks_damage(bundle: Path, tmp_path: Path) -> None:
    runs = tmp_path / "all"
    shutil.copytree(bundle, runs / "fine")
    shutil.copytree(bundle, runs / "hurt")
    (runs / "hurt" / "model.onnx").write_bytes(b"")
    done = inkdigits("models", runs, "--json")
    rows = {row["name"]: row for row in json.loads(done.stdout)["models"]}
    assert (done.returncode, done.stderr) == (0, b"")
    assert rows["default"]["origin"] == "bundled" and rows["default"]["damaged"] is None
    fine, hurt = rows[(runs / "fine").as_posix()], rows[(runs / "hurt").as_posix()]
    assert fine["damaged"] is None and fine["parameters"] > 1000 and fine["validation_accuracy"] > 0.9
    assert fine["architecture"] == "convnet" and fine["bytes"] == (bundle / "model.onnx").stat().st_size
    assert "model.onnx" in hurt["damaged"]
    table = inkdigits("models", runs).stdout.decode()
    assert "fine" in table and "damaged" in table and "default" in table


def test_models_says_how_to_make_the_first_one() -> None:
    done = inkdigits("models")
    assert done.returncode == 0 and b"inkdigits train" in done.stdout


def test_export_prints_and_stores_the_parity(bundle: Path, mnist: Path) -> None:
    done = inkdigits("export", bundle, "--format", "litert", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["folder"] == str(bundle / "export")
    (entry,) = document["exports"]
    assert entry["parity"]["images"] == 1000 and entry["parity"]["changed_answers"] == 0
    assert json.loads((bundle / "export" / "export.json").read_text())["exports"] == [entry]
    assert (bundle / "export" / entry["path"]).stat().st_size == entry["bytes"]


def test_export_of_nothing_and_to_nothing() -> None:
    assert inkdigits("export", "nowhere").returncode == 1
    assert inkdigits("export", "nowhere", "--format", "coreml").returncode == 2
