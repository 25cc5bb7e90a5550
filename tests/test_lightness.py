"""What only recognizes must not load what only trains."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HEAVY = {"tensorflow", "keras", "torch", "jax", "matplotlib", "sklearn", "scipy", "onnx", "tf2onnx", "optuna", "pandas"}
HEAVY_AT_START = HEAVY | {"onnxruntime", "cv2", "PIL", "fastapi", "pooch"}

RUN = """
import contextlib, io, json, sys
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    {code}
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}})))
"""


def loaded_by(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(code=code)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def command(*arguments: str) -> str:
    return f"sys.argv = {['inkdigits', *arguments]!r}; from inkdigits.cli import main; main()"


@pytest.mark.parametrize(
    "code", ["import inkdigits", "from inkdigits import load", command("--help"), command("read", "--help")]
)
def test_importing_and_help_load_nothing_heavy(code: str) -> None:
    loaded = loaded_by(code)
    assert "inkdigits" in loaded
    assert not loaded & HEAVY_AT_START


def test_recognizing_needs_no_training_framework(trained: Path, tmp_path: Path) -> None:
    picture = tmp_path / "x.png"
    Image.fromarray(np.diag(np.full(28, 255, np.uint8))).save(picture)
    loaded = loaded_by(command("read", str(picture), "--json", "--model", str(trained)))
    assert "onnxruntime" in loaded
    assert not loaded & HEAVY


def test_listing_models_needs_no_training_framework(trained: Path) -> None:
    loaded = loaded_by(command("models", str(trained.parent)))
    assert not loaded & HEAVY
