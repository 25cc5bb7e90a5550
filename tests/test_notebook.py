"""The tour notebook runs from top to bottom, and what is stored in it is what the library says today."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOUR = ROOT / "notebooks" / "tour.ipynb"
AGAIN = "Open notebooks/tour.ipynb, restart the kernel, run all cells and save."
SURE = ("data-load", "data-explore", "data-piles", "prep-same", "model-build")
"""Cells whose text is the same on every machine and every budget."""


def read(path: Path = TOUR) -> dict:
    import nbformat

    return nbformat.read(path, as_version=4)


def code(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def text(cell: dict) -> str:
    """What a cell printed."""
    return "".join(out["text"] for out in cell["outputs"] if out["output_type"] == "stream")


def kinds(cell: dict) -> list[str]:
    """Which sorts of output a cell has, in order; a stream may come in several pieces."""
    found = [out.get("name") or ",".join(sorted(out.get("data", ["error"]))) for out in cell["outputs"]]
    return [kind for before, kind in zip([None, *found], found, strict=False) if kind != before]


@pytest.fixture
def executed(mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """The tour, run on the small budget by this very Python, in a project that holds nothing but its examples."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    monkeypatch.setenv("INKDIGITS_TOUR_BUDGET", "small")
    shutil.copytree(ROOT / "examples", tmp_path / "project" / "examples")
    (tmp_path / "project" / "notebooks").mkdir()
    copy = Path(shutil.copy(TOUR, tmp_path / "project" / "notebooks"))
    # Jupyter's own command, in a process of its own: its sockets and event loop stay out of these tests.
    command = [sys.executable, "-c", "from nbclient.cli import main; main()", "--inplace", "--timeout=240", str(copy)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert ran.returncode == 0, ran.stderr[-5000:]
    return read(copy)


def test_it_runs_from_top_to_bottom_on_a_small_budget(executed: dict, tmp_path: Path) -> None:
    cells = code(executed)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    printed = {cell["id"]: text(cell) for cell in cells}
    accuracy = re.search(r"accuracy (0\.\d+)", printed["eval-accuracy"])
    assert accuracy and float(accuracy[1]) > 0.9
    assert "It is a 4" in printed["use-classify"]
    assert "ONNX Runtime alone reads a 4" in printed["use-onnx"]
    assert printed["use-doubt"].startswith("prediction.rejected=True, prediction.reason='blank")

    project = tmp_path / "project"
    assert {path.name for path in project.iterdir()} == {"examples", "notebooks", "runs"}
    assert [path.name for path in (project / "notebooks").iterdir()] == [TOUR.name]
    assert (project / "runs" / "tour" / "export" / "model.tflite").is_file()

    stored = {cell["id"]: cell for cell in code(read())}
    for cell in cells:
        assert kinds(cell) == kinds(stored[cell["id"]]), f"{cell['id']} puts out something else now. {AGAIN}"
    for name in SURE:
        assert printed[name] == text(stored[name]), f"{name} says something else now. {AGAIN}"


def test_what_is_stored_comes_from_one_full_run_in_order() -> None:
    cells = code(read())
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1)), AGAIN
    printed = {cell["id"]: text(cell) for cell in cells}
    accuracy = re.search(r"accuracy (0\.\d+)", printed["eval-accuracy"])
    assert accuracy and float(accuracy[1]) > 0.985, "The outputs are those of the small budget."
    assert not [cell["id"] for cell in cells if {"stderr", "error"} & set(kinds(cell))]


def test_it_can_be_shared() -> None:
    raw = TOUR.read_text(encoding="utf-8")
    assert len(raw) < 700_000
    notebook = read()
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    without_pictures = re.sub(r'"image/png": "[^"]*"', "", raw)
    assert not re.search(r"/(root|home|tmp|work|Users|var|opt|mnt)/|[A-Z]:\\\\|\.venv|site-packages", without_pictures)


def test_every_picture_has_a_caption() -> None:
    for cell in code(read()):
        pictures = [out for out in cell["outputs"] if "image/png" in out.get("data", {})]
        captions = [out for out in cell["outputs"] if "text/markdown" in out.get("data", {})]
        assert len(pictures) == len(captions), cell["id"]
        assert all(out["metadata"]["image/png"]["alt"] for out in pictures), cell["id"]


def test_every_part_has_something_to_try() -> None:
    texts = [cell["source"] for cell in read()["cells"] if cell["cell_type"] == "markdown"]
    parts = [i for i, source in enumerate(texts) if re.match(r"## \d\. ", source)]
    assert len(parts) == 7
    for begin, end in zip(parts, [*parts[1:], len(texts)], strict=True):
        assert any(source.startswith("> **Try.**") for source in texts[begin:end]), texts[begin]
    assert "LeCun" in texts[-1]
