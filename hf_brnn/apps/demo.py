"""The demo: a Gradio page that classifies a text, shows the effect of each word, and classifies lines and files."""

import html
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn, Optional, Union

import gradio as gr

from ..data.files import SUFFIXES, BadRow, column_values, read_batches
from ..inference.explain import Explanation, explain
from ..inference.load import load
from ..inference.score_files import ScoreOptions, check_columns, score_file

if TYPE_CHECKING:
    from ..inference.base_classifier import Classifier

MAX_CHARACTERS = 1_000
MAX_ROWS = 100_000
MAX_FILE_MEGABYTES = 20
PREVIEW_ROWS = 10
# Uploads and scored files are deleted at this age, and when the server stops.
KEPT_MINUTES = 10
# Requests that run at the same time; others wait.
CONCURRENT_TEXTS = 16
CONCURRENT_FILES = 4
# The suffix of the scored file, where it differs from that of the upload.
TARGET_SUFFIXES = {".txt": ".csv", ".json": ".jsonl"}
EXAMPLES = [
    "so happy with it, works great",
    "I do not recommend this product",
    "the train was late again, ugh",
    "looooove this song 😀 https://example.com/song",
]
CSS = """
.gradio-container { max-width: 860px !important; margin: auto !important; }
.words { line-height: 1.5; overflow-wrap: anywhere; padding-top: 12px; white-space: pre-wrap; }
.words ~ p { font-size: 0.85em; margin-top: 12px; opacity: 0.75; }
.words span { border-radius: 4px; display: inline-block; max-width: 100%; padding: 1px 4px; text-align: center; }
.words small { display: block; font-size: 0.7em; opacity: 0.75; }
.words .for { background: rgb(59 130 246 / var(--strength)); }
.words .against { background: rgb(249 115 22 / var(--strength)); }
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
        ValueError: The model is not for one label out of several.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with TemporaryDirectory(prefix="hf-brnn-") as uploads:
        os.environ["GRADIO_TEMP_DIR"] = uploads
        build_demo(load(directory), name).launch(
            theme=gr.themes.Default(
                primary_hue="blue", font=("system-ui", "sans-serif"), font_mono=("ui-monospace", "monospace")
            ),
            css=CSS,
            max_file_size=f"{MAX_FILE_MEGABYTES}mb",
            footer_links=["api", "settings"],
            ssr_mode=False,
        )


def build_demo(classifier: "Classifier", name: str) -> gr.Blocks:
    """Builds the page of a classifier. `name` is the name of the model on the page."""

    def classify(text: str) -> tuple[Union[dict[str, float], str], str]:
        if not text.strip():
            raise gr.Error("Type a text first.", print_exception=False)
        if len(text) > MAX_CHARACTERS:
            raise gr.Error(
                f"The text has {len(text):,} characters; {MAX_CHARACTERS:,} are the most.", print_exception=False
            )
        explanation = explain(classifier, text)
        if not explanation.known_words:
            return "No known word", "<p>The model knows none of these words, so it can't label the text.</p>"
        probabilities = dict(zip(classifier.label_names, explanation.probabilities.tolist()))
        return probabilities, words_html(explanation, classifier.label_names)

    def score_lines(lines: str, progress: gr.Progress = gr.Progress()) -> Iterator[Scored]:  # noqa: B008
        texts = [line for line in lines.split("\n") if line.strip()]
        if not texts:
            raise gr.Error("Paste some lines first.", print_exception=False)
        with TemporaryDirectory(prefix="hf-brnn-") as folder:
            source = Path(folder) / "lines.txt"
            source.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
            yield from score(classifier, source, "text", progress)

    def score_upload(
        file: Optional[str],
        text_column: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Iterator[Scored]:
        if file is None:
            raise gr.Error("Choose a file first.", print_exception=False)
        yield from score(classifier, Path(file), text_column, progress)

    with gr.Blocks(title=f"{name} · hf-brnn", delete_cache=(60, 60 * KEPT_MINUTES)) as demo:
        gr.Markdown(
            f"# {name}\nA small recurrent network, trained with hf-brnn, gives short texts one of "
            f"{len(classifier.label_names)} labels: {', '.join(classifier.label_names)}. Texts are not kept; files are "
            f"deleted after {KEPT_MINUTES} minutes."
        )
        with gr.Tab("One text"):
            text = gr.Textbox(label="Text", info=f"Up to {MAX_CHARACTERS:,} characters.", lines=1, max_lines=8)
            button = gr.Button("Classify", variant="primary")
            probabilities = gr.Label(label="Probabilities", render=False)
            words = gr.HTML(label="Effect of each word", show_label=True, container=True, padding=True, render=False)
            gr.Examples(
                [[example] for example in EXAMPLES],
                text,
                [probabilities, words],
                classify,
                cache_examples=False,
                run_on_click=True,
                api_visibility="private",
            )
            probabilities.render()
            words.render()
            gr.on(
                [button.click, text.submit],
                classify,
                text,
                [probabilities, words],
                api_name="classify",
                concurrency_limit=CONCURRENT_TEXTS,
                show_progress_on=probabilities,
            )
        limits = f"Up to {MAX_ROWS:,} {{}}, each of up to {MAX_CHARACTERS:,} characters."
        with gr.Tab("Many lines"):
            lines = gr.Textbox(label="Lines", info=f"A text a line. {limits.format('lines')}", lines=8, max_lines=16)
            lines_button = gr.Button("Score the lines", variant="primary")
            lines_result = result_components()
        with gr.Tab("File"):
            file = gr.File(label=f"File ({', '.join(SUFFIXES)})", file_types=list(SUFFIXES), height=140)
            text_column = gr.Textbox("text", label="Column that holds the texts")
            gr.Markdown(f"Up to {MAX_FILE_MEGABYTES} MB. {limits.format('rows')}")
            file_button = gr.Button("Score the file", variant="primary")
            file_result = result_components()
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


def result_components() -> list[gr.components.Component]:
    return [
        gr.File(label="Scored file", interactive=False, elem_classes="scored-file"),
        gr.Dataframe(
            label=f"First {PREVIEW_ROWS} rows", headers=["label", "score", "text"], interactive=False, wrap=True
        ),
    ]


def words_html(explanation: Explanation, label_names: list[str]) -> str:
    """Returns the text as HTML: each word coloured by its effect, with the effect in percentage points below it."""
    words = []
    for part, change in explanation.parts:
        points = round(100 * (change or 0))
        if change is None:
            words.append(html.escape(part))
        else:
            side, sign = ("for", "+") if points > 0 else ("against", "") if points else ("", "")
            style = f'class="{side}" style="--strength: {0.1 + 0.7 * abs(change):.2f}"'
            words.append(f"<span {style}>{html.escape(part)}<small>{sign}{points}</small></span>")
    return (
        f'<div class="words">{"".join(words)}</div><p>How many percentage points each word moves the probability of '
        f"{html.escape(label_names[explanation.label])} (blue: up, orange: down): the probability of the whole "
        "text minus that of the text with the word replaced by [UNK].</p>"
    )


def score(classifier: "Classifier", source: Path, text_column: str, progress: gr.Progress) -> Iterator[Scored]:
    """Yields the path of the scored file and its first rows. The file is deleted at the next step of the iterator.

    Raises:
        gr.Error: The file can't be read or passes a limit.
    """
    suffix = source.suffix.lower()
    with TemporaryDirectory(prefix="hf-brnn-") as folder, errors_without_folder(source):
        rows = count_rows(source, text_column, classifier)
        scored = 0

        def on_scored(count: int) -> None:
            nonlocal scored
            scored += count
            progress((scored, rows), desc="Scoring", unit="texts")

        on_scored(0)
        target = Path(folder) / f"{source.stem}.scored{TARGET_SUFFIXES.get(suffix, suffix)}"
        score_file(classifier, source, target, text_column, refuse, on_scored)
        first = next(read_batches(target, refuse, PREVIEW_ROWS)).table
        columns = [first[name].to_pylist() for name in ("label", "score", text_column)]
        yield str(target), [[label, f"{float(value):.3f}", text] for label, value, text in zip(*columns)]


def count_rows(source: Path, text_column: str, classifier: "Classifier") -> int:
    """Returns the number of rows of a file.

    Raises:
        ValueError: There are too many rows, one can't be read or is too long, or a column is missing.
    """
    rows = 0
    fields = ScoreOptions().fields(classifier)
    for batch in read_batches(source, refuse):
        check_columns(str(source), batch.table.column_names, text_column, fields, classifier)
        rows += len(batch.table)
        if rows > MAX_ROWS:
            raise ValueError(f"{source} has more than {MAX_ROWS:,} rows, the limit of this page. Split the file.")
        for number, text in zip(batch.numbers, column_values(str(source), batch.table, text_column)):
            if isinstance(text, str) and len(text) > MAX_CHARACTERS:
                problem = f"the text has {len(text):,} characters; {MAX_CHARACTERS:,} are the most"
                refuse(BadRow(str(source), batch.unit, number, problem))
    return rows


def refuse(bad_row: BadRow) -> NoReturn:
    raise ValueError(f"{bad_row}. Fix or remove this row.")


@contextmanager
def errors_without_folder(source: Path) -> Iterator[None]:
    """Shows what is wrong with a file, with the name of the upload instead of its path on the server."""
    try:
        yield
    except ValueError as error:
        raise gr.Error(str(error).replace(str(source), source.name), print_exception=False) from error
