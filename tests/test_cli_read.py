from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inkdigits.cli.answers import COLUMNS
from inkdigits.datasets import load_dataset
from paper import LOCKED, pdf, scanned
from pictures import picture


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


def test_csv_is_a_table_with_a_row_per_number(trained: Path, pictures: Path) -> None:
    (pictures / 'odd, "name".png').write_bytes((pictures / "7.png").read_bytes())
    done = inkdigits("read", pictures, "--csv", "--model", trained)
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert (done.returncode, done.stderr) == (0, b"")
    assert tuple(rows[0]) == COLUMNS
    assert [Path(row["file"]).name for row in rows] == ["2.PNG", "7.png", "blank.png", 'odd, "name".png']
    assert [row["text"] for row in rows] == ["2", "7", "", "7"]
    assert [row["line"] for row in rows] == ["1", "1", "", "1"]
    assert (rows[2]["confidence"], rows[2]["rejected"], rows[2]["reason"]) == ("", "true", "blank: no ink found")
    assert 0 < float(rows[1]["confidence"]) <= 1 and 0 < float(rows[1]["width"]) <= 28


def test_csv_of_nothing_is_a_header(trained: Path) -> None:
    done = inkdigits("read", "missing.png", "--csv", "--model", trained)
    assert (done.returncode, done.stdout.decode()) == (1, ",".join(COLUMNS) + "\n")


def test_people_get_a_line_per_picture(trained: Path, pictures: Path) -> None:
    done = inkdigits("read", pictures, "--model", trained, "--min-confidence", "0")
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{pictures / '2.PNG'}: 2  ") and lines[0].endswith(" %")
    assert lines[2].endswith("blank: no ink found")


def test_single_says_more_of_a_digit_and_draws_it(trained: Path, pictures: Path) -> None:
    done = inkdigits("read", pictures / "7.png", "--single", "--show", "--min-confidence", "0", "--model", trained)
    shown = done.stdout.decode().splitlines()
    assert shown[0].startswith(f"{pictures / '7.png'}: 7  ")
    assert len(shown) == 17
    assert all(len(line) == 30 for line in shown[1:])
    assert "█" in "".join(shown[4:14])


def test_bad_pictures_are_named_and_skipped(trained: Path, pictures: Path) -> None:
    (pictures / "broken.png").write_bytes((pictures / "7.png").read_bytes()[:60])
    (pictures / "text.png").write_text("no picture")
    (pictures / "void").mkdir()
    bad = ("broken.png", "missing.png", "text.png", "void", "a" * 300)
    wanted = [pictures / name for name in (*bad, "7.png")]
    done = inkdigits("read", *wanted, "--json", "--model", trained)
    assert done.returncode == 1
    *errors, last = map(json.loads, done.stdout.splitlines())
    assert last["text"] == "7"
    complaints = done.stderr.decode().splitlines()
    for name, error, complaint in zip(bad, errors, complaints, strict=True):
        assert error["file"] == str(pictures / name) and list(error) == ["file", "error"]
        assert complaint == f"inkdigits: {error['error']}" and name[-20:] in complaint


def test_folders_are_searched_without_what_is_hidden(trained: Path, pictures: Path) -> None:
    for place in (pictures / ".trash", pictures / "inner"):
        place.mkdir(exist_ok=True)
        shutil.copy(pictures / "7.png", place / ".seven.png")
    shutil.copy(pictures / "7.png", pictures / ".trash" / "seven.png")
    done = inkdigits("read", pictures, "--json", "--model", trained)
    names = [json.loads(line)["file"] for line in done.stdout.splitlines()]
    assert names == [str(pictures / name) for name in ("2.PNG", "7.png", "inner/blank.png")]
    assert done.returncode == 0


def test_pages_of_a_pdf_are_read_one_by_one(trained: Path, pictures: Path) -> None:
    scan = scanned(picture(7), np.full((160, 200), 255, np.uint8))
    (pictures / "inner" / "scan.pdf").write_bytes(scan)
    done = inkdigits("read", pictures / "inner", "--json", "--model", trained)
    _, *found = map(json.loads, done.stdout.splitlines())
    assert [(Path(page["file"]).name, page["page"]) for page in found] == [("scan.pdf", 1), ("scan.pdf", 2)]
    assert [page["text"] for page in found] == ["7", ""]
    told = inkdigits("read", "-", "--model", trained, given=scan).stdout.decode().splitlines()
    assert [line.partition(":")[0] for line in told] == ["- page 1", "- page 2"]
    rows = inkdigits("read", pictures / "inner" / "scan.pdf", "--csv", "--model", trained).stdout.decode()
    assert [row["page"] for row in csv.DictReader(io.StringIO(rows))] == ["1", "2"]


def test_a_locked_pdf_and_a_cut_one_are_skipped(trained: Path, pictures: Path) -> None:
    (pictures / "locked.pdf").write_bytes(pdf(b"", notes=LOCKED))
    (pictures / "cut.pdf").write_bytes(scanned(picture(7))[:200])
    wanted = [pictures / name for name in ("locked.pdf", "cut.pdf", "7.png")]
    done = inkdigits("read", *wanted, "--json", "--model", trained)
    assert done.returncode == 1
    locked, cut, seven = map(json.loads, done.stdout.splitlines())
    assert "password" in locked["error"] and "cut.pdf" in cut["error"] and seven["text"] == "7"


def test_draw_writes_annotated_copies_beside_nothing_of_mine(trained: Path, pictures: Path) -> None:
    (pictures / "inner" / "7.jpg").write_bytes((pictures / "7.png").read_bytes())
    (pictures / "scan.pdf").write_bytes(scanned(picture(7), picture(2)))
    before = {file: file.read_bytes() for file in pictures.rglob("*") if file.is_file()}
    names = ["2.png", "7-2.png", "7.png", "blank.png", "scan-page-1.png", "scan-page-2.png"]
    out = pictures / "drawn"
    for _ in range(2):  # the second time, drawings are not taken for pictures
        done = inkdigits("read", pictures, "--draw", out, "--model", trained)
        assert done.returncode == 0, done.stderr
        assert sorted(file.name for file in out.iterdir()) == names
    inner = pictures / "inner"
    into_the_same = inkdigits("read", inner, "--draw", inner, "--json", "--model", trained)
    assert into_the_same.stdout.count(b"\n") == 2
    assert sorted(file.name for file in inner.iterdir()) == ["7.jpg", "7.png", "blank-2.png", "blank.png"]
    assert before == {file: file.read_bytes() for file in before}


def test_a_picture_may_come_on_stdin(trained: Path, pictures: Path) -> None:
    content = (pictures / "7.png").read_bytes()
    done = inkdigits("read", "-", "--json", "--draw", "out", "--model", trained, given=content)
    assert (done.returncode, json.loads(done.stdout)["file"], json.loads(done.stdout)["text"]) == (0, "-", "7")
    assert Path("out/stdin.png").is_file()
    empty = inkdigits("read", "-", "--model", trained)
    assert empty.returncode == 1 and b"standard input, which is empty" in empty.stderr and empty.stdout == b""


def test_min_confidence_marks_what_is_below(trained: Path, pictures: Path) -> None:
    done = inkdigits("read", pictures / "7.png", "--min-confidence", "1", "--model", trained)
    assert done.returncode == 0 and ": ?  " in done.stdout.decode()
    done = inkdigits("read", pictures / "7.png", "--min-confidence", "1", "--json", "--model", trained)
    document = json.loads(done.stdout)
    assert document["text"] == "7" and document["lines"][0]["numbers"][0]["digits"][0]["rejected"] is True


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_bar_shows_the_progress_where_a_person_watches(trained: Path, pictures: Path) -> None:
    def watched(*wanted: Path) -> tuple[bytes, bytes]:
        """What goes to stdout, and what to the terminal on stderr."""
        import pty

        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "inkdigits", "read", *map(str, wanted), "--json", "--model", str(trained)]
        environment = {**os.environ, "TERM": "xterm"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
            os.close(theirs)
            out, _ = process.communicate(timeout=120)
        told = b""
        with contextlib.suppress(OSError):  # a terminal without its other end
            while part := os.read(ours, 4096):
                told += part
        os.close(ours)
        return out, told

    out, told = watched(pictures / "7.png", pictures / "inner")
    assert len([json.loads(line) for line in out.splitlines()]) == 2
    assert b"reading" in told and b"100%" in told
    assert watched(pictures / "7.png")[1] == b""


def test_a_file_name_that_is_no_utf8_is_read(trained: Path, pictures: Path) -> None:
    strange = os.fsencode(pictures) + b"/\xff7.png"
    shutil.copy(pictures / "7.png", strange)
    done = inkdigits("read", os.fsdecode(strange), "--json", "--model", trained)
    assert done.returncode == 0
    assert json.loads(done.stdout)["file"].endswith("\ufffd7.png")


def test_standard_input_that_is_closed_is_named_and_skipped(trained: Path, pictures: Path) -> None:
    line = shlex.join(
        [sys.executable, "-m", "inkdigits", "read", "-", str(pictures / "7.png"), "--model", str(trained)]
    )
    done = subprocess.run(f"{line} <&-", shell=True, capture_output=True, check=False)
    assert done.returncode == 1 and b"7" in done.stdout
    assert b"standard input" in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["x.png", "--json", "--csv"],
        ["x.png", "--single", "--csv"],
        ["x.png", "--single", "--draw", "out"],
        ["x.png", "--show"],
        ["x.png", "--min-confidence", "2"],
        ["-", "-"],
        ["x.png", "--what"],
        ["x.png", "--draw", __file__],
        ["x.png", "--draw", f"{os.devnull}/out"],
        [""],
    ],
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
