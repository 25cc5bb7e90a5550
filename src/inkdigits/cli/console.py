"""What every command shares: results go to stdout, progress and messages to stderr, errors become exit codes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

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


class Bar:
    """A progress bar on stderr with figures beside it, where a person watches; a context manager.

    Attributes:
        console: to print lines that stay.
        progress: of rich.
        task: the only one; its field `figures` is shown.
    """

    def __init__(self, speed_over: float) -> None:
        """Draw nothing yet; `speed_over` is how many seconds back speed is judged from."""
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = stderr()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figures]}"),
            TextColumn("left"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=False),
        )
        self.progress = Progress(
            *columns,
            console=self.console,
            transient=True,
            speed_estimate_period=speed_over,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> Self:
        self.progress.start()
        self.task = self.progress.add_task("loading", total=None, figures="")
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()


_CHATTER = re.compile(
    rb"WARNING: All log messages before absl|[IW]\d{4} [\d:.]+ |INFO: |fully_quantize: "
    rb"|(TIFF|Fax|LZW|ZIP|PackBits|JPEG)\w*: |tempfile\.tif: "
)
"""How lines begin that TensorFlow, LiteRT and libtiff write past every setting that would silence them."""


@contextlib.contextmanager
def _without_native_chatter() -> Iterator[None]:
    """Drop the chatter of native libraries from stderr; Python's own stderr is not touched, other lines pass."""
    real = os.dup(2)
    source, sink = os.pipe()
    os.dup2(sink, 2)
    os.close(sink)
    python = sys.stderr
    sys.stderr = os.fdopen(os.dup(real), "w", buffering=1, encoding=python.encoding, errors="backslashreplace")

    def pass_on() -> None:
        with os.fdopen(source, "rb") as lines:
            for line in lines:
                if not _CHATTER.match(line):
                    os.write(real, line)

    filtering = threading.Thread(target=pass_on, daemon=True)
    filtering.start()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(real, 2)  # closes the pipe's writing end here, which ends the thread
        filtering.join(timeout=1)
        sys.stderr = python


def run(app: Callable[[], None]) -> None:
    """Call a command line application; turn our errors into one line on stderr and exit code 1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        with _without_native_chatter():
            app()
    except InkdigitsError as error:
        sys.stderr.write(f"inkdigits: {error}\n")
        sys.exit(1)
    except BrokenPipeError:
        # The reader (`| head`) went away: not our failure. Point stdout at nothing so that exit does not flush into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:  # a folder that cannot be written to, a full disk
        sys.stderr.write(f"inkdigits: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("inkdigits: interrupted\n")
        sys.exit(130)
