"""The report: everything an evaluation found, and the network opened up, as one HTML page that needs nothing else."""

from __future__ import annotations

import csv
import html
import io
from pathlib import Path
from typing import Any

import numpy as np

from inkdigits import drawing, files
from inkdigits.bundle import HISTORY_FILE, KERAS_FILE, Bundle
from inkdigits.drawing import Section
from inkdigits.evaluation import Evaluation, anatomy, figures, metrics
from inkdigits.evaluation.words import from_confidence, percent

_FOLDER = Path(__file__).parent
_FEWEST_POINTS = 30  # of an embedding map: fewer show nothing


def write_report(folder: Path, evaluation: Evaluation, bundle: Bundle | None = None) -> Path:
    """Write `index.html` into a folder, atomically.

    Args:
        folder: made when missing.
        evaluation: what `evaluate` measured.
        bundle: where the network, its history and its card come from; without it the page has no parts about them.

    Returns:
        The page's path.

    Raises:
        MissingExtraError: matplotlib, or Keras for a bundle with a network, is not installed.
    """
    path = Path(folder) / "index.html"
    files.write_atomically(path, report_html(evaluation, bundle))
    return path


def report_html(evaluation: Evaluation, bundle: Bundle | None = None) -> str:
    """The page as text; see `write_report`."""
    low, high = (percent(end) for end in evaluation.confidence_interval)
    right = evaluation.n - evaluation.errors
    summary = (
        f"{right:,} of the {evaluation.n:,} digits of {evaluation.dataset} are read right: "
        f"{percent(evaluation.accuracy)} (95 % interval {low} to {high})."
    )
    sections = [_confusion(evaluation), _gallery(evaluation), _confidence(evaluation), _curves(evaluation)]
    sections += _training(bundle) + _anatomy(evaluation, bundle) + _about(evaluation, bundle)
    return drawing.page(
        f"How well {evaluation.model} reads digits",
        summary,
        sections,
        lead=_facts(evaluation),
        style=gallery_style(),
        script=(_FOLDER / "gallery.js").read_text(encoding="utf-8"),
    )


def gallery_style() -> str:
    """The CSS that pages of this room add to the house style."""
    return (_FOLDER / "gallery.css").read_text(encoding="utf-8")


def _facts(evaluation: Evaluation) -> str:
    facts = [
        ("Accuracy", percent(evaluation.accuracy)),
        ("Mistakes", f"{evaluation.errors:,}"),
        ("Calibration error", f"{evaluation.reliability.expected_calibration_error:.4f}"),
        ("Handed to a person", percent(evaluation.rejected.share)),
        ("Accuracy of the rest", percent(evaluation.rejected.accuracy_of_accepted)),
        ("Parameters", f"{evaluation.parameters:,}"),
    ]
    return drawing.facts_html(facts)


def _confusion(evaluation: Evaluation) -> Section:
    pairs = metrics.confused_pairs(evaluation.confusion)[:3]
    told = "; ".join(f"{true} read as {answer} ({count} times)" for true, answer, count in pairs)
    opening = f"<p>The most frequent mistakes: {told}.</p>" if pairs else "<p>Not a single mistake.</p>"
    rows = [
        [
            str(score.digit),
            f"{score.precision:.4f}",
            f"{score.recall:.4f}",
            f"{score.f1:.4f}",
            f"{score.support:,}",
        ]
        for score in evaluation.per_class
    ]
    table = drawing.table_html(
        ["Digit", "Precision", "Recall", "F1", "Images"],
        rows,
        "Precision: how many of those read as the digit are it. Recall: how many of the digit are read as it. "
        "F1: their harmonic mean.",
    )
    tables = f'<div class="pair">{figures.confusion_table(evaluation.confusion)}{table}</div>'
    return Section("Right and wrong, digit by digit", opening + tables)


def _gallery(evaluation: Evaluation) -> Section:
    if not evaluation.errors:
        return Section("Every mistake", "<p>There is none to show.</p>")
    confidences = evaluation.confidences
    order = sorted((int(index) for index in evaluation.mistakes), key=lambda index: (-confidences[index], index))
    named: set[tuple[int, int]] = set()
    tiles = "".join(_tile(evaluation, index, named) for index in order)
    text = (
        "<p>All of them, the most confident first. Bars show the probability of each digit: "
        '<span class="key t"></span> the true one, <span class="key a"></span> the one read.</p>'
    )
    controls = (
        '<div class="filters" role="group" aria-label="Filter the mistakes" hidden>'
        f"{_select('True digit')}{_select('Read as')}"
        '<button type="button">Show all</button><output aria-live="polite"></output></div>'
    )
    return Section("Every mistake", f'{text}{controls}<ul class="gallery">{tiles}</ul>')


def _select(name: str) -> str:
    options = "".join(f"<option>{digit}</option>" for digit in range(10))
    place = f"filter-{drawing.slug(name)}"
    choice = f'<select id="{place}" autocomplete="off"><option value="">any</option>{options}</select>'
    return f'<div><label for="{place}">{name}</label>{choice}</div>'


def _tile(evaluation: Evaluation, index: int, named: set[tuple[int, int]]) -> str:
    label, answer = int(evaluation.labels[index]), int(evaluation.predictions[index])
    probabilities = evaluation.probabilities[index]
    first = "" if (label, answer) in named else f' id="error-{label}-{answer}"'
    named.add((label, answer))
    image = drawing.image_html(
        drawing.ink_on_paper(evaluation.seen[index]), f"A handwritten {label}, read as {answer}", 4, "ink"
    )
    name = evaluation.paths[index] if evaluation.paths else f"image {index}"
    rejected = ", rejected" if evaluation.is_rejected[index] else ""
    return (
        f'<li{first} data-index="{index}" data-true="{label}" data-answer="{answer}">{image}'
        f"<p><strong>{label}</strong> read as <strong>{answer}</strong></p>"
        f'<p class="note">{percent(float(evaluation.confidences[index]), 1)} sure{rejected}<br>{html.escape(name)}</p>'
        f"{figures.bars(probabilities, label, answer)}</li>"
    )


def _confidence(evaluation: Evaluation) -> Section:
    rejected, candidates = evaluation.rejected, evaluation.candidates
    text = (
        f"<p>Answers below a confidence of {rejected.threshold:.3f} are handed to a person: {rejected.count:,} of "
        f"{evaluation.n:,} here, among them {rejected.errors:,} of the {evaluation.errors:,} mistakes. "
        f"Of the others {percent(rejected.accuracy_of_accepted)} are right.</p>"
        f"<p>The candidate sets promise to hold the true digit {percent(candidates.promised, 1)} of the time. Here "
        f"they do {percent(candidates.coverage)} of the time, with {candidates.mean_size:.3f} digits on average. "
        f"The negative log likelihood is {evaluation.negative_log_likelihood:.4f} nats per image.</p>"
    )
    plots = figures.reliability_figure(evaluation.reliability)
    plots += figures.coverage_figure(evaluation.coverage, rejected.threshold)
    rows = [
        [percent(covered), percent(accuracy), from_confidence(threshold)]
        for covered, accuracy, threshold in map(evaluation.coverage.at, metrics.COVERAGES)
    ]
    caption = (
        "Accuracy when the least confident are not answered. Choose a threshold with inkdigits read --min-confidence, "
        "or inkdigits.load(reject_threshold=...)."
    )
    table = drawing.table_html(["Answered", "Accuracy", "From confidence"], rows, caption)
    return Section("How far to trust it", f'{text}<div class="plots">{plots}</div>{table}')


def _curves(evaluation: Evaluation) -> Section:
    text = (
        f"<p>Average precision over all digits: micro {evaluation.micro.average_precision:.5f}, "
        f"macro {evaluation.macro_average_precision:.5f}.</p>"
    )
    plot = figures.precision_recall_figure(evaluation.curves, evaluation.micro, evaluation.accuracy)
    return Section("Precision and recall", text + plot)


def _training(bundle: Bundle | None) -> list[Section]:
    if bundle is None or HISTORY_FILE not in bundle.card.files:
        return []
    text = bundle.read(HISTORY_FILE).decode("utf-8")
    rows: list[dict[str, float]] = [
        {name: float(value) for name, value in row.items() if value} for row in csv.DictReader(io.StringIO(text))
    ]
    wanted = {"epoch", "loss", "validation_loss", "validation_accuracy"}
    if not rows or not all(wanted <= set(row) for row in rows):
        return []
    return [Section("Training", f'<div class="plots">{figures.history_figures(rows)}</div>')]


def _anatomy(evaluation: Evaluation, bundle: Bundle | None) -> list[Section]:
    if bundle is None or KERAS_FILE not in bundle.card.files:
        note = (
            "<p>The learned filters, feature maps and saliency are drawn from the Keras network of a bundle folder. "
            "This model came without one.</p>"
        )
        return [Section("Inside the network", note)]
    model = bundle.keras_model()
    labels, answers = evaluation.labels, evaluation.predictions
    right = np.flatnonzero(answers == labels)
    example = int(right[0]) if len(right) else 0
    chosen = _examples(labels, answers)
    captions = [
        f"Read as {answers[i]}" if answers[i] == labels[i] else f"A {labels[i]}, read as {answers[i]}" for i in chosen
    ]
    parts = [
        anatomy.learned(model),
        anatomy.seen_by(model, evaluation.seen[example], f"image {example}, a {labels[example]}"),
        anatomy.looked_at(model, evaluation.seen[chosen], [int(answers[i]) for i in chosen], captions),
    ]
    if evaluation.n >= _FEWEST_POINTS:
        parts.append(anatomy.arranged(model, evaluation.seen, labels, answers))
    return [part.section() for part in parts]


def _examples(labels: Any, answers: Any) -> list[int]:
    """One right answer of each digit, then up to five mistakes."""
    right = [np.flatnonzero((labels == digit) & (answers == digit))[:1] for digit in range(10)]
    return [int(index) for found in [*right, np.flatnonzero(labels != answers)[:5]] for index in found]


def _about(evaluation: Evaluation, bundle: Bundle | None) -> list[Section]:
    rows = [["Dataset", evaluation.dataset], ["Dataset SHA-256", evaluation.dataset_sha256]]
    if bundle is not None:
        card = bundle.card
        options = ", ".join(f"{name} {value}" for name, value in card.architecture["options"].items())
        rows += [
            ["Architecture", f"{card.architecture['name']} ({options})" if options else card.architecture["name"]],
            ["Trained on", f"{card.data['name']}: {card.data['train']:,} images, seed {card.seed}"],
            ["Validation accuracy", percent(card.validation["accuracy"])],
            ["Temperature", f"{card.temperature:.4f}"],
            ["Training time", f"{card.training['seconds']:.1f} s, {card.training['cpu_seconds']:.1f} CPU seconds"],
            ["Hardware", ", ".join(str(value) for value in card.hardware.values())],
            ["Packages", ", ".join(f"{name} {version}" for name, version in card.packages.items())],
            ["Created", card.created],
        ]
    table = drawing.table_html(["What", "Value"], rows, "Where these numbers come from.")
    return [Section("About this model", table)]
