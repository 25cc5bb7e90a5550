"""The command line's own ground: streams, exit codes, and silence of libraries that chatter."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


def outcome(body: str) -> tuple[int, str, str]:
    """Run a command whose work is `body`; exit code, stdout, stderr."""
    script = f"""
import os, sys
from inkdigits.cli.console import print_json, run
from inkdigits.errors import InkdigitsError
def app():
{textwrap.indent(textwrap.dedent(body), "    ")}
run(app)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_results_go_to_stdout_and_nothing_else() -> None:
    assert outcome("print_json({'digit': 7}, compact=True)") == (0, '{"digit": 7}\n', "")


def test_an_error_is_one_line_and_exit_code_1() -> None:
    assert outcome("raise InkdigitsError('Expected a digit.')") == (1, "", "inkdigits: Expected a digit.\n")


def test_an_interruption_is_no_traceback() -> None:
    assert outcome("raise KeyboardInterrupt") == (130, "", "inkdigits: interrupted\n")


def test_a_defect_of_ours_keeps_its_traceback() -> None:
    code, _, err = outcome("raise RuntimeError('a defect')")
    assert code == 1
    assert "Traceback" in err
    assert "a defect" in err


@pytest.mark.parametrize(
    "line",
    [
        "I0000 00:00:1795366560.008030   16407 port.cc:153] oneDNN custom operations are on.",
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "W0000 00:00:1795361550.752429    3941 tf_tfl_flatbuffer_helpers.cc:364] Ignored output_format.",
        "Fax4Decode: Bad code word at line 19 of strip 0 (x 48).",
    ],
)
def test_the_chatter_of_native_libraries_is_dropped_and_their_errors_pass(line: str) -> None:
    code, out, err = outcome(f"os.write(2, {line + chr(10)!r}.encode() + b'E0000 out of memory\\n')")
    assert (code, out, err) == (0, "", "E0000 out of memory\n")


def test_numbers_that_json_does_not_know_are_a_defect() -> None:
    code, out, _ = outcome("print_json({'x': float('nan')})")
    assert code == 1
    assert out == ""
