"""`inkdigits models`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from inkdigits.cli.console import print_json, stdout
from inkdigits.errors import BundleError


def command(
    folder: Path = typer.Argument(Path("runs"), metavar="FOLDER", help="Where trained bundles are."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """List the models that come with inkdigits and the bundles that were trained here."""
    from inkdigits.recognizer import RUNS, WEIGHTS, bundled, runs

    if folder != RUNS and not folder.is_dir():
        raise BundleError(f"Expected a folder of trained bundles. There is no folder {folder}.")
    rows = [_row(WEIGHTS / name, name, "bundled") for name in bundled()]
    rows += [_row(path, path.as_posix(), "trained") for path in runs(folder)]
    if as_json:
        print_json({"models": rows})
    else:
        _print_table(rows, folder)


def _row(path: Path, name: str, origin: str) -> dict[str, Any]:
    from inkdigits.bundle import ONNX_FILE
    from inkdigits.recognizer import load

    try:
        card = load(path).card
        size = (path / ONNX_FILE).stat().st_size
    except (BundleError, OSError) as error:
        return {"name": name, "origin": origin, "damaged": str(error)}
    return {
        "name": name,
        "origin": origin,
        "damaged": None,
        "architecture": card.architecture["name"],
        "recipe": card.recipe.get("name"),
        "seed": card.seed,
        "parameters": card.parameters,
        "validation_accuracy": card.validation["accuracy"],
        "bytes": size,
        "created": card.created,
    }


def _print_table(rows: list[dict[str, Any]], folder: Path) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("name", "architecture", "parameters", "validation", "onnx", "created"):
        table.add_column(title, justify="right" if title in ("parameters", "validation", "onnx") else "left")
    for row in rows:
        if row["damaged"]:
            table.add_row(row["name"], "damaged")
            continue
        accuracy, size = f"{row['validation_accuracy']:.2%}", f"{row['bytes'] / 1000:,.0f} kB"
        created = row["created"][:16].replace("T", " ")
        table.add_row(row["name"], row["architecture"], f"{row['parameters']:,}", accuracy, size, created)
    console = stdout()
    if rows:
        console.print(table)
        console.print(
            "Validation is on what each held back while it learned; of default that is synthetic pictures, too.",
            markup=False,
        )
    for row in rows:
        if row["damaged"]:
            console.print(f"{row['name']}: {row['damaged']}", markup=False)
    if not any(row["origin"] == "trained" for row in rows):
        console.print(f"No trained bundles in {folder}. Make one with: inkdigits train --recipe quick", markup=False)
