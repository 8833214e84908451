"""The demo: a Gradio page that classifies a text, shows the effect of each word, and classifies lines and files."""

import html
import inspect
import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Optional

import gradio as gr
import numpy as np
from huggingface_hub import metadata_load

from ..data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS
from ..data.text import escape_markdown
from ..hub.card import widget_texts
from ..hub.layout import CARD
from ..inference.base_classifier import split_words
from ..inference.explain import Explanation, explain
from ..inference.load import load
from ..inference.score_texts import ScoreOptions
from . import upload
from .upload import MAX_CHARACTERS, MAX_ROWS, PREVIEW_ROWS

if TYPE_CHECKING:
    from ..inference.base_classifier import Classifier

MAX_FILE_MEGABYTES = 20
# Where Python finds this package.
PACKAGE_FOLDER = Path(__file__).parent.parent.parent
# Uploads and scored files are deleted at this age, and when the server stops.
KEPT_MINUTES = 10
# Requests that run at the same time; others wait.
CONCURRENT_TEXTS = 16
CONCURRENT_FILES = 4
# What may be uploaded.
UPLOADS = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".txt")
# The suffix of the scored file, where it differs from that of the upload.
TARGET_SUFFIXES = {".txt": ".csv", ".json": ".jsonl"}
# What the model does, for the kind of problem.
TASKS = {
    SINGLE_LABEL: "gives short texts one of {} labels",
    MULTI_LABEL: "gives short texts any of {} labels",
    REGRESSION: "predicts numbers for short texts",
    TOKENS: "gives each word of short texts one of {} tags",
}
# The tag of words that are left plain.
OUTSIDE = "O"
NO_KNOWN_WORD = '<p class="hint">The model knows none of these words, so it can\'t judge the text.</p>'
# The section of a card that the page shows.
LIMITS = "Limits and biases"
CSS = """
.gradio-container { max-width: min(860px, 100%) !important; margin: auto !important; }
.words { line-height: 1.5; overflow-wrap: anywhere; padding-top: 12px; white-space: pre-wrap; }
.hint { font-size: 0.9em; margin-top: 12px; opacity: 0.75; }
.words span, .hint span { border-radius: 4px; padding: 1px 4px; }
.words span { display: inline-block; max-width: 100%; text-align: center; vertical-align: top; }
.words small { display: block; font-size: 0.7em; opacity: 0.75; }
.for { background: rgb(35 163 149 / var(--strength, 0.45)); }
.against { background: rgb(249 115 22 / var(--strength, 0.45)); }
.words .tag { background: oklch(0.68 0.15 var(--hue) / 0.38); margin-bottom: 4px; }
.verdict { font-size: 1.3em; font-weight: 600; padding-top: 12px; }
.scores { border-collapse: collapse; margin: 12px 0 0 !important; width: 100%; }
.scores, .scores * { border: 0 !important; }
.scores td { padding: 2px 0 !important; white-space: nowrap; }
.scores td:first-child { overflow-wrap: anywhere; white-space: normal; }
.scores td:last-child { font-variant-numeric: tabular-nums; text-align: end; }
.scores .line { padding: 2px 12px !important; width: 50%; }
.scores .line span { background: var(--border-color-primary); border-radius: 4px; display: block; }
.scores .line span span { background: var(--body-text-color-subdued); height: 8px; width: var(--share); }
.scores .chosen { font-weight: 600; }
.scores .chosen .line span span { background: var(--color-accent); }
.answer .html-container { padding-top: 20px; }
.problem .html-container { padding: 0 12px; }
.problem p { color: #b3261e; margin: 0; }
.dark .problem p { color: #ff9d94; }
.problem:not(:has(p)), .answer:not(:has(.words)):not(:has(.hint)):not(:has([download])) { display: none !important; }
"""

# The scored file and its first rows.
Scored = tuple[str, list[list[str]]]


def launch(directory: Path, name: str) -> None:
    """Serves the demo of a model directory until it is interrupted.

    GRADIO_SERVER_NAME and GRADIO_SERVER_PORT set the address; 127.0.0.1:7860 by default.

    Args:
        directory: The model directory.
        name: The name of the model on the page.

    Raises:
        OSError: A file is missing, or no port is free.
        ValueError: The files of the model don't belong together.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with TemporaryDirectory(prefix="hf-brnn-") as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads
        build_demo(directory, name).launch(
            theme=gr.themes.Default(
                primary_hue="blue", font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")
            ).set(
                # Legible: 4.5:1 at least.
                body_text_color_subdued="*neutral_500",
                button_primary_background_fill="*primary_600",
                button_primary_background_fill_hover="*primary_700",
            ),
            css=CSS,
            max_file_size=f"{MAX_FILE_MEGABYTES}mb",
            footer_links=["api", "settings"],
            ssr_mode=False,
        )


def read_card(directory: Path) -> tuple[list[str], str]:
    """Returns the texts of the widget in the card of a model directory and the section on limits; nothing without a
    card."""
    card = directory / CARD
    if not card.is_file():
        return [], ""
    limits = re.search(rf"^## {LIMITS}$(.*?)(^## |\Z)", card.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return widget_texts(metadata_load(card) or {}), limits[1].strip() if limits else ""


def build_demo(directory: Path, name: str) -> gr.Blocks:
    """Builds the page of a model directory, with the examples and limits of its card. `name` is the name of the model
    on the page."""
    classifier = load(directory)
    examples, limits = read_card(directory)
    problem_type, names = classifier.problem_type, classifier.label_names

    def classify(text: str) -> Any:
        if not text.strip():
            raise error("Type a text first.")
        if len(text) > MAX_CHARACTERS:
            raise error(f"The text has {len(text):,} characters; the limit is {MAX_CHARACTERS:,}.")
        if problem_type == TOKENS:
            return tags_html(classifier, text)
        explanation = explain(classifier, text)
        if not explanation.known_words:
            return "No known word", NO_KNOWN_WORD
        words = words_html(explanation, names[explanation.label], problem_type)
        if problem_type == SINGLE_LABEL:
            return dict(zip(names, explanation.probabilities.tolist())), words
        return scores_html(explanation.probabilities, classifier), words

    def score_lines(lines: str, progress: gr.Progress = gr.Progress()) -> Iterator[Scored]:  # noqa: B008
        texts = [line for line in lines.split("\n") if line.strip()]
        if not texts:
            raise error("Paste some lines first.")
        with TemporaryDirectory(prefix="hf-brnn-") as folder:
            source = Path(folder) / "lines.txt"
            source.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
            yield from score(directory, source, "text", progress)

    def score_upload(
        file: Optional[str],
        text_column: Optional[str],
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Scored]:
        if file is None:
            raise error("Choose a file first.")
        check_suffix(file)
        if text_column is None:
            _, text_column = read_columns(Path(file), problem_type)
        yield from score(directory, Path(file), text_column, progress)

    def list_columns(file: Optional[str]) -> Iterator[tuple[Any, None, None]]:
        yield gr.Dropdown([], value=None, visible=False), None, None
        if file is not None:
            check_suffix(file)
            columns, text_column = read_columns(Path(file), problem_type)
            yield gr.Dropdown(columns, value=text_column, visible=True), None, None

    with gr.Blocks(title=f"{name} · hf-brnn", delete_cache=(60, 60 * KEPT_MINUTES)) as demo:
        gr.Markdown(
            f"# {escape_markdown(name)}\nA small recurrent network, trained with hf-brnn, "
            f"{TASKS[problem_type].format(len(names))}: {escape_markdown(', '.join(names))}. Texts are not kept; files "
            f"are deleted after {KEPT_MINUTES} minutes."
        )
        with gr.Tab("One text"):
            text = gr.Textbox(label="Text", info=f"Up to {MAX_CHARACTERS:,} characters.", lines=1, max_lines=8)
            problem = problem_component()
            button = gr.Button("Predict" if problem_type == REGRESSION else "Classify", variant="primary")
            with gr.Column(elem_classes="answer"):
                answer = answer_components(problem_type)
            shown = [*answer, problem]
            # An answer and its text. It is shown if the text is still there.
            found = [
                gr.Textbox(visible=False),
                *answer_components(problem_type, visible=False),
                problem_component(visible=False),
            ]
            show_answer = on_page(classify, answer)

            def answer_text(text: str) -> Iterator[list[Any]]:
                yield from ([text, *values] for values in show_answer(text))

            limit: dict[str, Any] = {"concurrency_id": "texts", "concurrency_limit": CONCURRENT_TEXTS}
            gr.on([], classify, text, answer, api_name="classify", **limit)
            text.change(
                None,
                [text, found[0]],
                shown,
                js=f"(text, answered) => text === answered ? [] : {json.dumps(empty(shown))}",
            )
            triggers = [button.click, text.submit]
            if examples:
                dataset = gr.Dataset(components=[text], samples=[[example] for example in examples], label="Try")
                triggers.append(dataset.click(None, dataset, text, js=f"index => {json.dumps(examples)}[index]").then)
            for trigger in triggers:
                trigger(
                    answer_text,
                    text,
                    found,
                    trigger_mode="multiple",
                    show_progress="minimal",
                    show_progress_on=text,
                    api_visibility="private",
                    **limit,
                ).success(
                    None, [text, *found], shown, js="(text, answered, ...found) => text === answered ? found : []"
                )
        limits_of = f"Up to {MAX_ROWS:,} {{}}, each of up to {MAX_CHARACTERS:,} characters."
        with gr.Tab("Many texts"):
            lines = gr.Textbox(
                label="One text a line",
                info=f"{limits_of.format('lines')} Empty lines are left out.",
                lines=8,
                max_lines=16,
            )
            add_scoring(score_lines, [lines], [lines], classifier)
        with gr.Tab("File"):
            gr.Markdown(
                f"{', '.join(UPLOADS)}, up to {MAX_FILE_MEGABYTES} MB. {limits_of.format('rows')} In a scored csv or "
                "tsv file, a field that a spreadsheet would run as a formula has a ' before it."
            )
            file = gr.File(label="File", height=140)
            text_column = gr.Dropdown(label="Column of the texts", interactive=True, visible=False)
            # Clients of the API name the column.
            named_column = gr.Textbox("text", label=text_column.label, visible=False)
            scoring, result = add_scoring(score_upload, [file, text_column], [file, named_column], classifier)
            file.change(None, cancels=[scoring])
            file.change(
                on_page(list_columns, [text_column, *result[:-1]]),
                file,
                [text_column, *result],
                concurrency_limit=CONCURRENT_FILES,
                api_visibility="private",
            )
        if limits:
            with gr.Accordion(LIMITS, open=False):
                gr.Markdown(limits)
    return demo


def error(message: str) -> gr.Error:
    return gr.Error(message, print_exception=False)


def check_suffix(file: str) -> None:
    """Raises:
    gr.Error: The file is not one that may be uploaded.
    """
    if Path(file).suffix.lower() not in UPLOADS:
        raise error(f"{Path(file).name} is not one of {', '.join(UPLOADS)}.")


def on_page(function: Callable[..., Any], outputs: Sequence[Any]) -> Callable[..., Iterator[list[Any]]]:
    """Returns `function` for the page: a `gr.Error` clears its outputs, and the message is one more output."""

    @wraps(function)
    def run(*inputs: Any) -> Iterator[list[Any]]:
        try:
            values = function(*inputs)
            for each in values if inspect.isgenerator(values) else [values]:
                yield [*(each if isinstance(each, tuple) else (each,)), ""]
        except gr.Error as problem:
            yield [*empty(outputs), f'<p role="alert">{html.escape(problem.message)}</p>']

    return run


def empty(components: Sequence[Any]) -> list[Any]:
    """Returns the values of components that show nothing, for Python and for the browser."""
    values: dict[Any, Any] = {gr.HTML: "", gr.Label: {}}
    return [values.get(type(component)) for component in components]


def add_scoring(
    function: Callable[..., Iterator[Scored]],
    inputs: list[gr.components.Component],
    api_inputs: list[gr.components.Component],
    classifier: "Classifier",
) -> tuple[Any, list[gr.components.Component]]:
    """Adds what scores many texts below their field: a button and the results. Returns the event of the button, and the
    results with the problem."""
    problem = problem_component()
    button = gr.Button("Score", variant="primary")
    with gr.Column(elem_classes="answer"):
        result = [
            gr.File(label="Scored file", interactive=False),
            gr.Dataframe(
                label=f"First {PREVIEW_ROWS} rows",
                headers=[*ScoreOptions().columns(classifier), "text"],
                interactive=False,
                wrap=True,
            ),
        ]
    limit: dict[str, Any] = {"concurrency_id": "files", "concurrency_limit": CONCURRENT_FILES}
    gr.on([], function, api_inputs, result, **limit)
    scoring = button.click(
        on_page(function, result),
        inputs,
        [*result, problem],
        show_progress_on=inputs[0],
        api_visibility="private",
        **limit,
    )
    return scoring, [*result, problem]


def answer_components(problem_type: str, visible: bool = True) -> list[gr.components.Component]:
    """Adds what shows the answer of one text."""

    def html_component(label: str) -> gr.HTML:
        return gr.HTML(label=label, show_label=True, container=True, visible=visible)

    if problem_type == TOKENS:
        return [html_component("Tag of each word")]
    if problem_type == SINGLE_LABEL:
        return [gr.Label(label="Probabilities", visible=visible), html_component("Effect of each word")]
    heading = "Labels" if problem_type == MULTI_LABEL else "Prediction"
    return [html_component(heading), html_component("Effect of each word")]


def problem_component(visible: bool = True) -> gr.HTML:
    return gr.HTML(elem_classes="problem", padding=False, visible=visible)


def scores_html(scores: np.ndarray, classifier: "Classifier") -> str:
    """Returns what is predicted from `(num_labels,)` scores as HTML: the labels that are chosen and all probabilities,
    the most probable label first, or the numbers of a regression."""
    if classifier.problem_type == REGRESSION:
        cells = [
            f"<tr><td>{html.escape(name)}</td><td><b>{number(score)}</b></td></tr>"
            for name, score in zip(classifier.label_names, scores)
        ]
        return f'<table class="scores">{"".join(cells)}</table>'
    chosen = classifier.choose(scores[None])[0]
    rows = []
    for index in scores.argsort()[::-1]:
        name, percent = html.escape(classifier.label_names[index]), f"{100 * scores[index]:.1f}"
        rows.append(
            f'<tr class="{"chosen" if chosen[index] else ""}"><td>{"✓ " if chosen[index] else ""}{name}</td>'
            f'<td class="line"><span><span style="--share: {percent}%"></span></span></td><td>{percent} %</td></tr>'
        )
    names = [name for name, is_chosen in zip(classifier.label_names, chosen) if is_chosen]
    heading = html.escape(", ".join(names) or "No label")
    return f'<div class="verdict">{heading}</div><table class="scores">{"".join(rows)}</table>'


def tags_html(classifier: "Classifier", text: str) -> str:
    """Returns the text as HTML: each word colored by the kind of its tag, with the tag below it; `O` is left plain."""
    tokenized = classifier.tokenize([text])
    if not classifier.known_words.shares(tokenized)[0]:
        return NO_KNOWN_WORD
    (scores,) = split_words(tokenized, classifier.scores(tokenized))
    tags = iter([classifier.label_names[index] for index in classifier.choose(scores)])
    kinds = sorted({kind_of(name) for name in classifier.label_names if name != OUTSIDE})

    def color(word: str, note: str, kind: str) -> str:
        hue = 260 + 360 * kinds.index(kind) / len(kinds)
        note = f"<small>{html.escape(note)}</small>" if note else ""
        return f'<span class="tag" style="--hue: {hue:.0f}">{html.escape(word)}{note}</span>'

    words = []
    for part in re.split(r"(\s+)", text):
        tag = next(tags) if part.strip() else OUTSIDE
        words.append(html.escape(part) if tag == OUTSIDE else color(part, tag, kind_of(tag)))
    legend = " ".join(color(kind, "", kind) for kind in kinds)
    return f'<div class="words">{"".join(words)}</div><div class="words">{legend}</div>'


def kind_of(tag: str) -> str:
    """Returns the kind of entity of a tag such as B-PER or I-PER."""
    return re.sub("^[BIESLU]-", "", tag)


def words_html(explanation: Explanation, name: str, problem_type: str) -> str:
    """Returns the text as HTML: each word colored by its effect on the label or target `name`, with the effect below
    it: in log odds, or for a regression in the unit of the target."""
    is_regression = problem_type == REGRESSION
    largest = max(1e-6 if is_regression else 1, *(abs(effect or 0) for _, effect in explanation.parts))
    words = []
    for part, effect in explanation.parts:
        if effect is None:
            words.append(html.escape(part))
            continue
        size = abs(effect)
        note = number(size, largest, 2) if is_regression else f"{size:.1f}"
        side, sign = ("for", "+") if effect > 0 else ("against", "-")
        if not note.strip("0."):
            side = sign = ""
        style = f'class="{side}" style="--strength: {0.1 + 0.7 * size / largest:.2f}"'
        words.append(f"<span {style}>{html.escape(part)}<small>{sign}{note}</small></span>")
    moved, pronoun, unit = f"<strong>{html.escape(name)}</strong>", "it", ""
    if not is_regression:
        moved, pronoun, unit = f"the log odds of {moved}", "them", " +0.7 doubles the odds."
    return (
        f'<div class="words">{"".join(words)}</div><p class="hint"><span class="for">Teal</span> words raise {moved}, '
        f'<span class="against">orange</span> ones lower {pronoun}, compared with the same text with an unknown word '
        f"in their place.{unit}</p>"
    )


def number(value: float, largest: Optional[float] = None, digits: int = 3) -> str:
    """Returns a number with so many decimals that `largest`, by default itself, has `digits` significant digits."""
    size = max(abs(value if largest is None else largest), 1e-6)
    return f"{value:,.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"


def read_columns(source: Path, problem_type: str) -> tuple[list[str], str]:
    """Returns the columns of a file, and the one that probably holds the texts.

    Raises:
        gr.Error: The file can't be read or passes a limit.
    """
    with closing(run_upload(source, "columns", source, problem_type)) as reports:
        columns, text_column = next(reports)
    return columns, text_column


def score(model: Path, source: Path, text_column: str, progress: gr.Progress) -> Iterator[Scored]:
    """Yields the path of the scored file and its first rows. The file is deleted at the next step of the iterator.

    Raises:
        gr.Error: The file can't be read or passes a limit.
    """
    suffix = source.suffix.lower()
    with TemporaryDirectory(prefix="hf-brnn-") as folder:
        target = Path(folder) / f"{source.stem}.scored{TARGET_SUFFIXES.get(suffix, suffix)}"
        with closing(run_upload(source, "score", source, model, target, text_column)) as reports:
            found: Any = next(reports)
            rows, scored = found, 0
            while isinstance(found, int):
                progress((scored, rows), desc="Scoring", unit="texts")
                found = scored = next(reports)
        yield str(target), found


def run_upload(source: Path, *arguments: Any) -> Generator[Any, None, None]:
    """Runs the process of an upload until the generator is closed, and yields what it reports.

    Raises:
        gr.Error: The process reports what is wrong, or ends without an answer.
    """
    command = [sys.executable, "-m", upload.__name__, *map(str, arguments)]
    with subprocess.Popen(command, cwd=PACKAGE_FOLDER, stdout=subprocess.PIPE, encoding="utf-8") as process:
        try:
            for report in map(json.loads, process.stdout or ()):
                if isinstance(report, str):
                    # The name of the upload instead of its path on the server.
                    raise error(report.replace(str(source), source.name))
                yield report
            raise error(explain_end(process.wait(), source))
        finally:
            process.kill()


def explain_end(code: int, source: Path) -> str:
    """Returns why scoring a file ended without an answer."""
    if code == -signal.SIGALRM:
        return (
            f"{source.name} takes longer than {upload.MAX_SECONDS:,} seconds, the limit of this page. Split the file."
        )
    return f"{source.name} can't be scored within the limits of this page (exit code {code}). Split the file."
