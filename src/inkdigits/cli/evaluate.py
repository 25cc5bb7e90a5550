"""`inkdigits evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inkdigits.cli import console

if TYPE_CHECKING:
    from rich.table import Table

    from inkdigits.evaluation import Evaluation
    from inkdigits.evaluation.texts import TextEvaluation

_PAIRS = 10  # confusions listed in the terminal
_KEPT = (1.0, 0.999, 0.995, 0.99, 0.98, 0.95)  # shares of the images to answer
_WORST = 10  # pictures listed in the terminal


def command(
    bundle: Annotated[
        str, typer.Argument(metavar="BUNDLE", help="A bundled model's name, a bundle folder, or an .onnx file.")
    ],
    dataset: Annotated[
        str,
        typer.Option(metavar="NAME|FOLDER", help="mnist (its test images), or a folder or file of labelled pictures."),
    ] = "mnist",
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the report there, as one self-contained index.html.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything measured as one JSON document.")] = False,
) -> None:
    """Measure a model on labelled pictures.

    Scored is what `classify` answers of pictures of one digit, and what `read` answers of pictures whose labels (in
    labels.csv) have several. A bundle folder measured on all of MNIST's test images keeps the result in its
    evaluation.json.
    """
    from rich.markup import escape

    from inkdigits.evaluation import Evaluation, evaluate

    what = f"Evaluating {escape(bundle)} on {escape(dataset)} ..."
    with console.stderr().status(what) as status:

        def told(done: int, pictures: int) -> None:
            status.update(f"{what} {done:,} of {pictures:,} pictures")

        result = evaluate(bundle, dataset, report=report, told=told)
    if isinstance(result, Evaluation) and result.trained_on:
        console.stderr().print(
            "Careful: the model learned from these very images, so this does not tell how well it reads others."
        )
    if as_json:
        console.print_json(result.to_dict())
    elif isinstance(result, Evaluation):
        _show(result)
    else:
        _show_texts(result)
    if report is not None:
        console.stderr().print(f"Report: {report / 'index.html'}", soft_wrap=True, markup=False)


def _show(result: Evaluation) -> None:
    from rich.markup import escape

    from inkdigits.evaluation.words import percent

    out = console.stdout()
    low, high = (percent(end) for end in result.confidence_interval)
    right = result.n - result.errors
    out.print(
        f"[bold]{percent(result.accuracy)}[/bold] of {escape(result.dataset)} read right by {escape(result.model)} "
        f"({right:,} of {result.n:,}; 95 % interval {low} to {high})\n"
    )
    out.print(_per_class(result))
    out.print(_more(result))
    out.print(_coverage(result))


def _coverage(result: Evaluation) -> Table:
    """What each threshold would do, and what the model's own does."""
    from rich import box
    from rich.table import Table

    from inkdigits.evaluation.words import from_confidence, percent

    own = result.rejected.threshold
    rows = {*map(result.coverage.at, _KEPT), (*result.coverage.above(own), own)}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Answered", "Accuracy", "From confidence"):
        table.add_column(name, justify="right")
    table.add_column()
    for covered, accuracy, threshold in sorted(rows, reverse=True):
        note = "this model's threshold" if threshold == own else ""
        table.add_row(percent(covered), percent(accuracy), from_confidence(threshold), note)
    return table


def _show_texts(result: TextEvaluation) -> None:
    from rich.markup import escape
    from rich.table import Table

    from inkdigits.evaluation.words import percent

    out, rejected = console.stdout(), result.rejected
    low, high = (percent(end) for end in result.confidence_interval)
    few, many = (percent(end) for end in result.character_error_interval)
    right = result.n - result.errors
    out.print(
        f"[bold]{percent(result.accuracy)}[/bold] of {escape(result.dataset)} read exactly by {escape(result.model)} "
        f"({right:,} of {result.n:,} pictures; 95 % interval {low} to {high})\n"
    )
    table = Table.grid(padding=(0, 3))
    table.add_column(no_wrap=True)
    table.add_row("Digits right", f"in {percent(result.accuracy_of_digits)} of the pictures, however they are grouped")
    table.add_row(
        "Character error rate",
        f"{percent(result.character_error_rate)} ({result.character_errors:,} of {result.characters:,}; "
        f"95 % interval {few} to {many})",
    )
    table.add_row(
        "Rejected",
        f"{rejected.count:,} ({percent(rejected.share)}), with {rejected.errors:,} of the {result.errors:,} "
        f"mistakes; of the rest {percent(rejected.accuracy_of_accepted)} are right",
    )
    out.print(table)
    if result.errors:
        out.print(_worst(result))


def _worst(result: TextEvaluation) -> Table:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("Worst pictures", "Label", "Read", box=box.SIMPLE_HEAD, pad_edge=False)
    for index in result.mistakes[:_WORST]:
        table.add_row(escape(result.paths[index]), result.labels[index], result.answers[index])
    if len(result.mistakes) > _WORST:
        table.add_row(f"and {len(result.mistakes) - _WORST:,} more", "", "")
    return table


def _more(result: Evaluation) -> Table:
    from rich.table import Table

    from inkdigits.evaluation import metrics
    from inkdigits.evaluation.words import percent

    rejected, candidates = result.rejected, result.candidates
    pairs = metrics.confused_pairs(result.confusion)
    listed = ", ".join(f"{true} as {answer}: {count}" for true, answer, count in pairs[:_PAIRS])
    listed += f", and {len(pairs) - _PAIRS} more kinds" if len(pairs) > _PAIRS else ""
    table = Table.grid(padding=(0, 3))
    table.add_column(no_wrap=True)
    for name, text in (
        ("Most frequent mistakes", listed or "none"),
        (
            "Average precision",
            f"micro {result.micro.average_precision:.5f}, macro {result.macro_average_precision:.5f}",
        ),
        (
            "Calibration",
            f"expected error {result.reliability.expected_calibration_error:.4f} "
            f"({len(result.reliability.counts)} bins), negative log likelihood "
            f"{result.negative_log_likelihood:.4f} nats",
        ),
        (
            "Rejected",
            f"{rejected.count:,} ({percent(rejected.share)}), with {rejected.errors:,} of the {result.errors:,} "
            f"mistakes; of the rest {percent(rejected.accuracy_of_accepted)} are right",
        ),
        (
            "Candidate sets",
            f"hold the true digit {percent(candidates.coverage)} of the time (promised "
            f"{percent(candidates.promised, 1)}), {candidates.mean_size:.3f} digits on average",
        ),
        ("Parameters", f"{result.parameters:,}"),
    ):
        table.add_row(name, text)
    return table


def _per_class(result: Evaluation) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Digit", "Precision", "Recall", "F1", "Average precision", "Images"):
        table.add_column(name, justify="right")
    for score, curve in zip(result.per_class, result.curves, strict=True):
        numbers = (score.precision, score.recall, score.f1, curve.average_precision)
        table.add_row(str(score.digit), *(f"{number:.4f}" for number in numbers), f"{score.support:,}")
    return table
