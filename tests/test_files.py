"""Files are whole or not there, whatever happens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inkdigits.errors import InkdigitsError
from inkdigits.files import cache_folder, locked, sha256_of, staged_folder, write_atomically


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INKDIGITS_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.delenv("INKDIGITS_CACHE")
    assert cache_folder().name == "inkdigits"


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    write_atomically(path, "old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]
    assert sha256_of(path) == sha256_of(b"new")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.txt"
    write_atomically(path, "old")

    def full(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]


def test_a_folder_that_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    with staged_folder(target) as stage:
        (stage / "a").write_text("1")
    with pytest.raises(RuntimeError), staged_folder(target) as stage:
        (stage / "a").write_text("2")
        raise RuntimeError
    assert (target / "a").read_text() == "1"
    assert [file.name for file in tmp_path.iterdir()] == ["bundle"]


def test_a_folder_has_one_user_at_a_time_even_when_that_is_killed(tmp_path: Path) -> None:
    script = f"from pathlib import Path; from inkdigits.files import locked; x = locked(Path({str(tmp_path)!r}))"
    holder = subprocess.Popen(
        [sys.executable, "-c", script + "; print('held', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(InkdigitsError, match="Another process is at work"):
            locked(tmp_path)
        holder.kill()
    locked(tmp_path).close()
