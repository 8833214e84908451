"""The demo: a Gradio page that classifies a text, shows the effect of each word, and classifies lines and files."""

import html
import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Optional

import gradio as gr
import numpy as np
from huggingface_hub import metadata_load

from ..data.known_words import known_word_shares
from ..data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS
from ..data.text import escape_markdown
from ..hub.layout import CARD
from ..inference.base_classifier import split_words
from ..inference.explain import Explanation, explain
from ..inference.load import load
from ..inference.score_files import ScoreOptions
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
NO_KNOWN_WORD = "<p>The model knows none of these words, so it can't judge the text.</p>"
CSS = """
.gradio-container { max-width: 860px !important; margin: auto !important; }
.words { line-height: 1.5; overflow-wrap: anywhere; padding-top: 12px; white-space: pre-wrap; }
.words ~ p { font-size: 0.85em; margin-top: 12px; opacity: 0.75; }
.words span { border-radius: 4px; display: inline-block; max-width: 100%; padding: 1px 4px; text-align: center;
  vertical-align: top; }
.words small { display: block; font-size: 0.7em; opacity: 0.75; }
.words .for { background: rgb(35 163 149 / var(--strength)); }
.words .against { background: rgb(249 115 22 / var(--strength)); }
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
.scored-file .empty { min-height: 80px !important; }
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
            ),
            css=CSS,
            max_file_size=f"{MAX_FILE_MEGABYTES}mb",
            footer_links=["api", "settings"],
            ssr_mode=False,
        )


def read_examples(directory: Path) -> list[str]:
    """Returns the texts of the widget in the card of a model directory; none without a card."""
    card = directory / CARD
    metadata = (metadata_load(card) if card.is_file() else None) or {}
    examples = [example for example in metadata.get("widget") or [] if isinstance(example, dict)]
    return [example["text"] for example in examples if isinstance(example.get("text"), str)]


def build_demo(directory: Path, name: str) -> gr.Blocks:
    """Builds the page of a model directory, with the examples of its card. `name` is the name of the model on the
    page."""
    classifier, examples = load(directory), read_examples(directory)
    problem_type, names = classifier.problem_type, classifier.label_names

    def classify(text: str) -> Any:
        if not text.strip():
            raise gr.Error("Type a text first.", print_exception=False)
        if len(text) > MAX_CHARACTERS:
            raise gr.Error(
                f"The text has {len(text):,} characters; {MAX_CHARACTERS:,} are the most.", print_exception=False
            )
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
            raise gr.Error("Paste some lines first.", print_exception=False)
        with TemporaryDirectory(prefix="hf-brnn-") as folder:
            source = Path(folder) / "lines.txt"
            source.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
            yield from score(directory, source, "text", progress)

    def score_upload(
        file: Optional[str],
        text_column: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Scored]:
        if file is None:
            raise gr.Error("Choose a file first.", print_exception=False)
        if Path(file).suffix.lower() not in UPLOADS:
            raise gr.Error(f"{Path(file).name} is not one of {', '.join(UPLOADS)}.", print_exception=False)
        yield from score(directory, Path(file), text_column, progress)

    with gr.Blocks(title=f"{name} · hf-brnn", delete_cache=(60, 60 * KEPT_MINUTES)) as demo:
        gr.Markdown(
            f"# {escape_markdown(name)}\nA small recurrent network, trained with hf-brnn, "
            f"{TASKS[problem_type].format(len(names))}: {escape_markdown(', '.join(names))}. Texts are not kept; files "
            f"are deleted after {KEPT_MINUTES} minutes."
        )
        with gr.Tab("One text"):
            text = gr.Textbox(label="Text", info=f"Up to {MAX_CHARACTERS:,} characters.", lines=1, max_lines=8)
            button = gr.Button("Predict" if problem_type == REGRESSION else "Classify", variant="primary")
            answer: list[gr.components.Component] = [
                html_component("Tags" if problem_type == TOKENS else "Effect of each word")
            ]
            if problem_type == SINGLE_LABEL:
                answer.insert(0, gr.Label(label="Probabilities", render=False))
            elif problem_type != TOKENS:
                answer.insert(0, html_component("Labels" if problem_type == MULTI_LABEL else "Prediction"))
            if examples:
                gr.Examples(
                    [[example] for example in examples],
                    text,
                    answer,
                    classify,
                    cache_examples=False,
                    run_on_click=True,
                    api_visibility="private",
                )
            for component in answer:
                component.render()
            gr.on(
                [button.click, text.submit],
                classify,
                text,
                answer,
                api_name="classify",
                concurrency_limit=CONCURRENT_TEXTS,
                show_progress_on=answer[0],
            )
        limits = f"Up to {MAX_ROWS:,} {{}}, each of up to {MAX_CHARACTERS:,} characters."
        with gr.Tab("Many lines"):
            lines = gr.Textbox(label="Lines", info=f"A text a line. {limits.format('lines')}", lines=8, max_lines=16)
            lines_button = gr.Button("Score the lines", variant="primary")
            lines_result = result_components(classifier)
        with gr.Tab("File"):
            file = gr.File(label=f"File ({', '.join(UPLOADS)})", file_types=list(UPLOADS), height=140)
            text_column = gr.Textbox("text", label="Column that holds the texts")
            gr.Markdown(
                f"Up to {MAX_FILE_MEGABYTES} MB. {limits.format('rows')} In a scored csv or tsv file, a field that a "
                "spreadsheet would run as a formula has a ' before it."
            )
            file_button = gr.Button("Score the file", variant="primary")
            file_result = result_components(classifier)
        for click, score_function, inputs, outputs in (
            (lines_button.click, score_lines, [lines], lines_result),
            (file_button.click, score_upload, [file, text_column], file_result),
        ):
            click(
                score_function,
                inputs,
                outputs,
                concurrency_limit=CONCURRENT_FILES,
                concurrency_id="files",
                show_progress_on=outputs[0],
            )
    return demo


def html_component(label: str) -> gr.HTML:
    return gr.HTML(label=label, show_label=True, container=True, padding=True, render=False)


def result_components(classifier: "Classifier") -> list[gr.components.Component]:
    headers = [*(field.name for field in ScoreOptions().fields(classifier)), "text"]
    return [
        gr.File(label="Scored file", interactive=False, elem_classes="scored-file"),
        gr.Dataframe(label=f"First {PREVIEW_ROWS} rows", headers=headers, interactive=False, wrap=True),
    ]


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
    """Returns the text as HTML: each word coloured by the kind of its tag, with the tag below it; `O` is left plain."""
    tokenized = classifier.tokenize([text])
    if not known_word_shares(tokenized, classifier.tokenizer)[0]:
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
    """Returns the text as HTML: each word coloured by its effect on the label or target `name`, with the effect below
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
    moved, unit = html.escape(name), ""
    if not is_regression:
        moved, unit = f"the log odds of {moved}", " +0.7 doubles the odds."
    return (
        f'<div class="words">{"".join(words)}</div><p>How much each word moves {moved} (teal: up, orange: down), '
        f"compared with the same text with an unknown word in its place.{unit}</p>"
    )


def number(value: float, largest: Optional[float] = None, digits: int = 3) -> str:
    """Returns a number with so many decimals that `largest`, by default itself, has `digits` significant digits."""
    size = max(abs(value if largest is None else largest), 1e-6)
    return f"{value:,.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"


def score(model: Path, source: Path, text_column: str, progress: gr.Progress) -> Iterator[Scored]:
    """Yields the path of the scored file and its first rows. The file is deleted at the next step of the iterator.

    Raises:
        gr.Error: The file can't be read or passes a limit.
    """
    suffix = source.suffix.lower()
    with TemporaryDirectory(prefix="hf-brnn-") as folder:
        target = Path(folder) / f"{source.stem}.scored{TARGET_SUFFIXES.get(suffix, suffix)}"
        command = [sys.executable, "-m", upload.__name__, *map(str, (model, source, target, text_column))]
        with subprocess.Popen(command, cwd=PACKAGE_FOLDER, stdout=subprocess.PIPE, encoding="utf-8") as process:
            try:
                reports = map(json.loads, process.stdout or ())
                found: Any = next(reports, None)
                rows = found
                scored: Any = 0
                while isinstance(found, int):
                    progress((scored, rows), desc="Scoring", unit="texts")
                    found = scored = next(reports, None)
            except BaseException:
                process.kill()
                raise
        if found is None:
            raise gr.Error(explain_end(process.returncode, source), print_exception=False)
        if isinstance(found, str):
            # The name of the upload instead of its path on the server.
            raise gr.Error(found.replace(str(source), source.name), print_exception=False)
        yield str(target), found


def explain_end(code: int, source: Path) -> str:
    """Returns why scoring a file ended without an answer."""
    if code == -signal.SIGALRM:
        return (
            f"{source.name} takes longer than {upload.MAX_SECONDS:,} seconds, the limit of this page. Split the file."
        )
    return f"{source.name} can't be scored within the limits of this page (exit code {code}). Split the file."
