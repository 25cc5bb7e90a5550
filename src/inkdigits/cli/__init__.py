"""The `inkdigits` command: parse, call, print; nothing else.

Each command sits in a file of its own and imports what it needs when it runs, so that `--help` stays instant.
"""

from __future__ import annotations

import sys

import typer

from inkdigits.cli import data, evaluate, experiment, export, inspect, models, read, serve, train, train_pages
from inkdigits.cli.console import run

app = typer.Typer(
    name="inkdigits",
    help="Read handwritten digits; train, measure, open up and deploy the networks that do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("read")(read.command)
app.command("serve")(serve.command)
app.command("models")(models.command)
app.command("data")(data.command)
app.command("train")(train.command)
app.command("train-pages")(train_pages.command)
app.command("evaluate")(evaluate.command)
app.command("inspect")(inspect.command)
app.command("experiment")(experiment.command)
app.command("export")(export.command)


@app.callback(invoke_without_command=True)
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and exit.", is_eager=True),
) -> None:
    if version:
        from inkdigits import __version__

        sys.stdout.write(f"inkdigits {__version__}\n")
        raise typer.Exit


def main() -> None:
    """Run the command line; exit 0 when done, 1 when the work failed, 2 on wrong usage."""
    run(app)
