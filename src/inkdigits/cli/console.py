"""What every command shares: results go to stdout, progress and messages to stderr, errors become exit codes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from inkdigits.errors import InkdigitsError

if TYPE_CHECKING:
    from rich.console import Console


def stderr() -> Console:
    """A rich console on stderr, for progress and messages."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def stdout() -> Console:
    """A rich console on stdout, for results that people read."""
    from rich.console import Console

    return Console(highlight=False)


def print_json(document: Any, *, compact: bool = False) -> None:
    """Write one JSON document to stdout; `compact` puts it on a single line (JSON Lines)."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, indent=None if compact else 2)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(app: Callable[[], None]) -> None:
    """Call a command line application; turn our errors into one line on stderr and exit code 1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        app()
    except InkdigitsError as error:
        sys.stderr.write(f"inkdigits: {error}\n")
        sys.exit(1)
    except BrokenPipeError:
        # The reader (`| head`) went away: not our failure. Point stdout at nothing so that exit does not flush into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        sys.stderr.write("inkdigits: interrupted\n")
        sys.exit(130)
