"""The documents tell the truth: figures come from the CSVs, commands exist, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def test_tables_of_figures_come_from_the_measured_csvs() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/tables.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_that_are_named_exist(path: Path) -> None:
    from typer.main import get_command

    from inkdigits.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    for block in re.findall(r"```[a-z]*\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            words = line.split()
            if words[:1] != ["inkdigits"]:
                continue
            assert words[1] in commands, line
            options = {name for option in commands[words[1]].params for name in [*option.opts, *option.secondary_opts]}
            code = line.split("  ")[0].split("#")[0]
            for flag in re.findall(r"(?<=\s)--?[a-z][a-z-]*", code):
                assert flag in options, line


def test_the_python_lines_of_the_readme_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert code
    exec(compile(code[1], "README.md", "exec"), {})
    assert capsys.readouterr().out == "4\n1024 365\n2718 28 7\n60 3141\n"


def test_the_onnx_lines_of_the_deploy_page_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/deploy.md").read_text(encoding="utf-8"), re.DOTALL)
    assert code
    names: dict[str, object] = {}
    exec(compile(code[1].replace("model.onnx", "src/inkdigits/weights/default/model.onnx"), "deploy.md", "exec"), names)
    assert names["digit"] == 4
    assert names["sure"]


def test_no_document_names_a_path_of_somebodys_machine() -> None:
    for path in DOCUMENTS:
        assert not re.search(r"/(home|root|Users|work)/", path.read_text(encoding="utf-8")), path.name


def test_the_model_card_names_the_preprocessing_of_default() -> None:
    import inkdigits

    text = (ROOT / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"`inkdigits.preprocess`, version {inkdigits.load(threads=1).card.preprocessing}, is in the file" in text
