"""`inkdigits inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inkdigits.cli import console


def command(
    bundle: Annotated[str, typer.Argument(metavar="BUNDLE", help="A bundle folder, or a bundled model's name.")],
    image: Annotated[
        str | None, typer.Argument(metavar="[IMAGE]", help="A picture of one digit; by default one of MNIST's.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder for the page and the figures.")] = Path(
        "inspection"
    ),
    digit: Annotated[
        int | None,
        typer.Option(
            metavar="0..9", min=0, max=9, help="Explain this digit instead of the answer and the next most likely one."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as one JSON document.")] = False,
) -> None:
    """Open a model up: its filters, what its layers see in a picture, what it looks at, how it arranges digits.

    Writes index.html, which explains the figures, and each figure as a PNG or SVG file.
    """
    from rich.markup import escape

    from inkdigits.evaluation.dissection import dissect
    from inkdigits.evaluation.words import percent

    with console.stderr().status(f"Opening {escape(bundle)} ..."):
        result = dissect(bundle, image, out=out, digit=digit)
    if result.note:
        console.stderr().print(result.note, markup=False, soft_wrap=True)
    if as_json:
        console.print_json(result.to_dict())
        return
    shown = console.stdout()
    shown.print(
        f"{result.image}: {result.prediction.digit}, {percent(result.prediction.confidence, 1)} sure", markup=False
    )
    if not result.convolutions:
        shown.print("This network has no convolutions: shown are its first layer's weights, as 28 x 28 pictures.")
    shown.print(f"{len(result.files)} figures and the page: {result.page}", soft_wrap=True, markup=False)
