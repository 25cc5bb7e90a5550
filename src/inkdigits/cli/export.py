"""`inkdigits export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from inkdigits.cli.console import print_json, stderr, stdout

if TYPE_CHECKING:
    from inkdigits.export import Exported


class Format(StrEnum):
    """What a bundle can be exported to; the same names as `inkdigits.export.FORMATS`, which is slow to import."""

    ONNX = "onnx"
    ONNX_INT8 = "onnx-int8"
    LITERT = "litert"
    LITERT_INT8 = "litert-int8"
    SAVEDMODEL = "savedmodel"


def command(
    bundle: str = typer.Argument(metavar="BUNDLE", help="The folder of a trained model, or a bundled model's name."),
    formats: list[Format] = typer.Option(
        [Format.ONNX, Format.LITERT], "--format", "-f", help="What to write; may be given several times."
    ),
    out: Path | None = typer.Option(
        None, "--out", "-o", metavar="DIR", help="Where to write.", show_default="export/ inside the bundle"
    ),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Write a trained model for other programs and devices, and check each file against the original.

    Every file answers 1,000 training images of MNIST beside Keras; what was found is printed and stored in export.json.

    A file that differs by more than its tolerance is an error and is not written.
    """
    with stderr().status("exporting and checking"):
        from inkdigits.export import export

        done = export(bundle, [chosen.value for chosen in formats], out)
    if as_json:
        print_json({"folder": str(done[0].path.parent), "exports": [exported.to_dict() for exported in done]})
    else:
        _print_table(done)


def _print_table(done: list[Exported]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("format", "file", "size", "largest difference", "changed answers"):
        table.add_column(title, justify="left" if title in ("format", "file") else "right")
    for exported in done:
        parity = exported.parity
        table.add_row(
            exported.format,
            exported.path.name,
            f"{exported.bytes / 1000:,.0f} kB",
            f"{parity.largest_difference:.1e}",
            f"{parity.changed_answers} of {parity.images:,}",
        )
    console = stdout()
    console.print(
        f"Written to {done[0].path.parent}, checked on {done[0].parity.images:,} training images of MNIST:",
        soft_wrap=True,
    )
    console.print(table)
