"""How well inkdigits, Tesseract and RapidOCR read labelled pictures of the real world, side by side.

    python benchmarks/realworld.py DIR --engines inkdigits,tesseract --limit 100

DIR holds `.npz` files and folders of pictures, as `benchmarks/labelled.py` describes them. Printed is a table; the rows
are appended to benchmarks/results/realworld.csv unless `--dry` is given. A picture on which an engine fails counts as
wrong. Pictures whose label is in doubt are left out. The engines `cut`, `boxes` and `sequences` are other designs;
see benchmarks/designs.py. With `--limit` each set is a sample, the same for every engine. `--compose NAME ...` adds
fields and pages composed of the single digits of these sets, `--words NAME ...` fields with words beside the number,
`--signs SIGNS NAME ...` fields with signs of the first set between numbers; see benchmarks/composed.py.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from composed import composed, pages, signed, worded
from designs import DESIGNS
from engines import ENGINES as PROGRAMS
from engines import Answer, Engine, MissingEngineError, versions
from inkdigits.bundle import hardware
from inkdigits.errors import ImageError
from inkdigits.evaluation import metrics
from inkdigits.evaluation.texts import digits_of
from labelled import Kind, PictureSet, Pixels, find, load
from rows import RESULTS, append, keys_of, machine, today

ENGINES: dict[str, Any] = PROGRAMS | DESIGNS
FOREIGN = ("tesseract", "rapidocr")
FIELDS, PAGES, WORDED, SIGNED = 300, 40, 150, 60  # composed of each set; the last with each sign
FEW = 20  # of at most so many pages each has a row
SEED = 20261122
WIDTH = 160  # characters of the table in a file
KEPT = 0.99  # of the digits, at the threshold that is tried on what is no digit
# Whole single digits by pen and mouse, without neighbors: what non-digits are told apart from, where they are there.
POSITIVES = ("canvas_digits", "hwd1000", "single_digit_photos_dev", "whtt_mouse_digits")


@dataclass(frozen=True)
class Score:
    """One figure of one engine on one set.

    Attributes:
        metric: what it is.
        value: the figure.
        n: how many it is a share of: pictures; digits for a character error rate; numbers for those found.
    """

    metric: str
    value: float
    n: int


@dataclass(frozen=True)
class Result:
    """What an engine answered on a set, and what it took."""

    pictures: PictureSet
    answers: tuple[Answer, ...]
    cpu_seconds: float


def scores(result: Result, compared: Sequence[Result]) -> list[Score]:
    """Every figure of an engine on a set.

    Args:
        result: of the set.
        compared: its results on the digits that non-digits are compared with.
    """
    kind = result.pictures.kind
    if kind == "digit":
        return _digit_scores(result)
    if kind == "other":
        return _rejection_scores(result, compared)
    return _text_scores(result)


def _digit_scores(result: Result) -> list[Score]:
    labels, groups = result.pictures.labels, result.pictures.groups
    right = np.array([answer.text == label for answer, label in zip(result.answers, labels, strict=True)])
    refused = np.array([answer.refused for answer in result.answers])
    found = [_share("accuracy", right), _share("refused", refused)]
    if refused.any() and not refused.all():
        found.append(_share("accuracy of the others", right[~refused]))
    if groups:
        names = np.array(groups)
        each = [_share(f"accuracy: {name}", right[names == name]) for name in dict.fromkeys(groups)]
        worst = min(each, key=lambda score: score.value)
        found.append(Score("accuracy, worst group", worst.value, worst.n))
        found += each
    return found


def _text_scores(result: Result) -> list[Score]:
    pairs = [
        (digits_of(label), digits_of(answer.text))
        for label, answer in zip(result.pictures.labels, result.answers, strict=True)
    ]
    exact = np.array([expected == answered for expected, answered in pairs])
    found = [_share("exact match", exact), _error_rate("character error rate", pairs)]
    if result.pictures.kind == "page" or any(" " in label for label in result.pictures.labels):
        found.append(_recall(result))
    if result.pictures.kind == "page":
        names = result.pictures.names
        if len(names) <= FEW:
            each = zip(names, pairs, strict=True)
            found += [_error_rate(f"character error rate: {name}", [pair]) for name, pair in each]
    return found


def _error_rate(metric: str, pairs: Iterable[tuple[str, str]]) -> Score:
    known = list(pairs)
    count = sum(len(expected) for expected, _ in known)
    return Score(metric, sum(metrics.edit_distance(*pair) for pair in known) / count, count)


def _recall(result: Result) -> Score:
    """The share of the numbers of each picture that were read as such, wherever they were found on it."""
    found = total = 0
    for label, answer in zip(result.pictures.labels, result.answers, strict=True):
        wanted = Counter(digits_of(number) for number in label.split())
        found += (wanted & Counter(answer.text.split())).total()
        total += wanted.total()
    return Score("numbers found", found / total, total)


def _rejection_scores(result: Result, compared: Sequence[Result]) -> list[Score]:
    found = [_share("refused", np.array([answer.refused for answer in result.answers]))]
    others = np.array([answer.confidence for answer in result.answers])
    digits = np.array([answer.confidence for each in compared for answer in each.answers])
    if not len(digits) or np.isnan(others).any() or np.isnan(digits).any():
        return found
    from sklearn.metrics import roc_auc_score

    truth = np.repeat([True, False], [len(digits), len(others)])
    area = float(roc_auc_score(truth, np.concatenate([digits, others])))
    threshold = np.sort(digits)[math.floor((1 - KEPT) * len(digits))]
    found.append(_share(f"refused when {KEPT:.0%} of digits are kept", others < threshold))
    found.append(Score("AUROC against digits", area, len(others)))
    return found


def _share(metric: str, hits: np.ndarray) -> Score:
    return Score(metric, float(hits.mean()), len(hits))


def measured(engine: Engine, sets: Sequence[PictureSet], progress: Progress) -> list[Result]:
    """Let an engine answer every set."""
    results = []
    for pictures in sets:
        task = progress.add_task(f"{engine.name}: {pictures.name}", total=len(pictures))
        before, answers = engine.cpu_seconds(), []
        for answer in engine.answers(pictures.pictures, pictures.kind):
            answers.append(answer)
            progress.advance(task)
        progress.remove_task(task)
        results.append(Result(pictures, tuple(answers), engine.cpu_seconds() - before))
    return results


def positives(sets: Sequence[PictureSet]) -> list[PictureSet]:
    """The digits that non-digits are compared with: the named sets, or all single digits that nobody made worse."""
    digits = [part for part in sets if part.kind == "digit" and not part.corrupted]
    return [part for part in digits if part.name in POSITIVES] or digits


def rows(engine: Engine, results: Sequence[Result], wanted: Sequence[str]) -> list[dict[str, object]]:
    """The rows of the CSV for one engine and the wanted sets."""
    known = {result.pictures.name: result for result in results}
    compared = [known[part.name] for part in positives([result.pictures for result in results])]
    here = machine(hardware())
    return [
        {
            "set": result.pictures.name,
            "engine": engine.name,
            "version": engine.version,
            "n": score.n,
            "pictures": len(result.pictures),
            "of": result.pictures.total,
            "metric": score.metric,
            "value": f"{score.value:.4f}",
            "cpu_seconds": f"{result.cpu_seconds:.2f}",
            "hardware": here,
            "versions": versions(),
            "date": today(),
        }
        for result in results
        if result.pictures.name in wanted
        for score in scores(result, compared)
    ]


def table(found: Sequence[dict[str, object]]) -> Table:
    """The rows with the engines side by side."""
    engines = list(dict.fromkeys(str(row["engine"]) for row in found))
    shown = Table("set", "figure", *engines, "n")
    for name in dict.fromkeys(str(row["set"]) for row in found):
        mine = [row for row in found if row["set"] == name]
        cost = {row["engine"]: 1000 * float(str(row["cpu_seconds"])) / int(str(row["pictures"])) for row in mine}
        shown.add_section()
        shown.add_row(name, "CPU milliseconds per picture", *(f"{cost[each]:.1f}" for each in engines), "")
        for metric in dict.fromkeys(str(row["metric"]) for row in mine):
            values = {row["engine"]: row for row in mine if row["metric"] == metric}
            counts = dict.fromkeys(str(row["n"]) for row in values.values())
            figures = (str(values[each]["value"]) if each in values else "" for each in engines)
            shown.add_row("", metric, *figures, ", ".join(counts))
    return shown


def mistakes(engine: Engine, results: Sequence[Result]) -> Iterator[str]:
    """A line for every picture that was not read as its label says; layout does not count."""
    for result in results:
        pictures = result.pictures
        for name, label, answer in zip(pictures.names, pictures.labels, result.answers, strict=True):
            wrong = not answer.refused if pictures.kind == "other" else digits_of(label) != digits_of(answer.text)
            if wrong:
                sure = "" if math.isnan(answer.confidence) else f" ({answer.confidence:.3f})"
                yield f"{engine.name}\t{pictures.name}\t{name}\t{label!r} read as {answer.text!r}{sure}"


def started(names: Iterable[str], model: str, say: Console) -> list[Engine]:
    """The engines that are installed; those that are not are named."""
    there: list[Engine] = []
    for name in names:
        try:
            there.append(PROGRAMS[name]() if name in FOREIGN else ENGINES[name](model))
        except MissingEngineError as error:
            say.print(f"Left out: {error}", markup=False, soft_wrap=True)
    return there


@dataclass(frozen=True)
class Task:
    """Pictures to read, which are made when it is their turn, and what to count in the answers."""

    pictures: Callable[[], Sequence[Pixels]]
    kind: Kind
    counts: Callable[[Sequence[Answer]], dict[str, int]]


def filling(about: str | None, table: str) -> argparse.ArgumentParser:
    """The parser of a script that fills a table of benchmarks/results/, with the options that `fill` needs."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engines", default="inkdigits", help=f"some of {', '.join(ENGINES)}, with commas")
    parser.add_argument("--results", type=Path, default=RESULTS / table)
    return parser


def fill(parser: argparse.ArgumentParser, key: Sequence[str], tasks: Mapping[tuple[str, ...], Task]) -> None:
    """Do what a table of results lacks, and add a row to it after each task; without such engines, exit and say so.

    Args:
        parser: of the command line, made by `filling`.
        key: columns that together occur once: engine, version, and those of a task's name.
        tasks: by their names.
    """
    given = parser.parse_args()
    names, results = given.engines.split(","), given.results
    if unknown := [name for name in names if name not in ENGINES]:
        parser.error(f"Expected engines: {', '.join(ENGINES)}. Received: {', '.join(unknown)}.")
    for engine in started(names, "default", Console(stderr=True)):
        for name, task in tasks.items():
            said = ", ".join((engine.name, *name))
            if (engine.name, engine.version, *name) in keys_of(results, *key):
                print(f"{said}: there already", file=sys.stderr)
                continue
            shown = task.pictures()
            before = engine.cpu_seconds()
            answers = list(engine.answers(shown, task.kind))
            spent, counts = engine.cpu_seconds() - before, task.counts(answers)
            what = dict(zip(key, (engine.name, engine.version, *name), strict=True))
            where = {"hardware": machine(hardware()), "versions": versions(), "date": today()}
            append(results, [{**what, "n": len(shown), **counts, "cpu_seconds": f"{spent:.1f}", **where}])
            print(f"{said}: {', '.join(f'{count} {column}' for column, count in counts.items())} (n {len(shown)})")


def wanted_sets(
    folder: Path,
    only: Sequence[str] | None,
    compose: Sequence[str] = (),
    words: Sequence[str] = (),
    signs: Sequence[str] = (),
) -> tuple[list[PictureSet], list[str]]:
    """The sets to be answered, and the names of those to be scored: non-digits need digits to be compared with.

    Raises:
        ValueError: there are no sets, or none of these names, or those to compose of hold no single digits.
    """
    there = dict(find(folder)) if folder.is_dir() else {}
    if only is not None and not only and not (compose or words or signs):
        raise ValueError("Expected names of sets after --only; none makes sense with sets that are composed alone.")
    unknown = [name for name in (*(only or ()), *compose, *words, *signs) if name not in there]
    if not there or unknown:
        names = ", ".join(there) or "there are none"
        raise ValueError(f"Expected sets of {folder} ({names}). Received: {', '.join(unknown) or 'no name'}.")
    chosen = there if only is None else only
    sets = [part for name in chosen for part in load(name, there[name])]
    single = [part for name in compose for part in load(name, there[name])]
    sets += [composed(part, FIELDS, SEED) for part in single] + [pages(part, PAGES, SEED) for part in single]
    sets += [worded(part, WORDED, SEED) for name in words for part in load(name, there[name])]
    if signs:
        marks = load(signs[0], there[signs[0]])[-1]  # of one with digits, too, what is none
        digits = [part for name in signs[1:] for part in load(name, there[name])]
        sets += signed(digits, marks, SIGNED, SEED)
    names = [part.name for part in sets]
    if any(part.kind == "other" for part in sets):
        sets += [part for name in POSITIVES if name in there and name not in names for part in load(name, there[name])]
    return sets, names


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--model", default="default", help="a model's name, a bundle folder or an .onnx file")
    parser.add_argument("--engines", default="inkdigits", help=f"separated by commas, of: {', '.join(ENGINES)}")
    parser.add_argument("--only", nargs="*", metavar="NAME", help="sets to measure; all of them when left out")
    parser.add_argument("--compose", nargs="+", default=(), metavar="NAME", help="make fields and pages of them")
    parser.add_argument("--words", nargs="+", default=(), metavar="NAME", help="make fields with words of them, too")
    parser.add_argument(
        "--signs", nargs="+", default=(), metavar="NAME", help="a set of signs, and sets to make fields with them of"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="at most N pictures of each set")
    parser.add_argument("--results", type=Path, default=RESULTS / "realworld.csv", metavar="CSV")
    parser.add_argument("--mistakes", action="store_true", help="name every picture that was read wrong")
    parser.add_argument("--dry", action="store_true", help="append nothing to the CSV")
    given = parser.parse_args()
    names = given.engines.split(",")
    if unknown := [name for name in names if name not in ENGINES]:
        parser.error(f"Expected engines of {', '.join(ENGINES)}. Received: {', '.join(unknown)}.")
    try:
        whole, scored = wanted_sets(given.folder, given.only, given.compose, given.words, given.signs)
    except (ValueError, ImageError) as error:
        parser.error(str(error))

    say = Console(stderr=True, highlight=False, soft_wrap=True)
    for part in whole:
        if part.unsure:
            say.print(f"{part.name}: {part.unsure} left out, their labels are in doubt", markup=False)
    if any(part.kind == "other" for part in whole):
        compared = ", ".join(part.name for part in positives(whole))
        say.print(f"The digits that non-digits are compared with: {compared}", markup=False)
    sets = [part.sample(given.limit, SEED) for part in whole]

    found: list[dict[str, object]] = []
    wrong: list[str] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=say, transient=True) as progress:
        for engine in started(names, given.model, say):
            results = measured(engine, sets, progress)
            told = rows(engine, results, scored)
            if not given.dry:
                append(given.results, told)
            found += told
            wrong += mistakes(engine, results) if given.mistakes else ()
    if not found:
        sys.exit("Nothing was measured.")
    for line in wrong:
        print(line)
    out = Console(highlight=False)
    if not out.is_terminal:
        out.width = WIDTH
    out.print(table(found))


if __name__ == "__main__":
    main()
