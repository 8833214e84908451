"""`hf-brnn predict`: predicts the labels of texts, or of a file of texts."""

import argparse
import logging
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import has_magic
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Optional

from ..data.file_format import STDIO, SUFFIXES, WRITABLE_SUFFIXES, FileFormat
from .output import check_output_path
from .parser import MODEL_HELP, CommandParser, model_argument, run_command
from .rows import FORMAT_OPTIONS, add_format_options

if TYPE_CHECKING:
    from ..inference.score_texts import ScoreOptions

EXAMPLES = """\
examples:
  hf-brnn predict runs/reviews "I do not recommend this" "works great"
  hf-brnn predict runs/reviews --input tweets.parquet --output scored.parquet
  hf-brnn predict runs/reviews --input tweets.csv --output scored.csv --min_score 0.8 --all_scores
  zcat tweets.csv.gz | hf-brnn predict runs/reviews --input - --output - | head
  hf-brnn predict runs/reviews --engine ray --input tweets/ --output scored/
"""

# Printed in place of label and score.
NO_KNOWN_WORD = "no known word"
# Options that only files need.
FILE_OPTIONS = (*FORMAT_OPTIONS, "text_column", "skip_bad_rows", "workers")

logger = logging.getLogger("hf-brnn")


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the command."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = build_parser()
    run_command(parser, lambda args: predict(args, parser), argv)


def build_parser() -> CommandParser:
    parser = CommandParser(
        prog="hf-brnn predict",
        usage="hf-brnn predict MODEL TEXT ... [--option value ...]\n"
        "       hf-brnn predict MODEL --input FILE --output FILE [--option value ...]",
        description="Predicts the labels of texts, or of a file of texts: through the int8 ONNX graph where the model "
        "has one, else through torch.",
        epilog=EXAMPLES,
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", type=model_argument, help=MODEL_HELP)
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="Texts to classify. Prints label, score and text.")
    parser.add_argument("--model", dest="old_model", type=model_argument, help=argparse.SUPPRESS)
    parser.add_argument(
        "--input",
        metavar="FILE",
        help="File of texts: csv, tsv, json, jsonl, parquet, arrow, xlsx or txt. - is a csv on stdin.",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="File to write: the same rows with columns label and score. - is a csv on stdout.",
    )
    add_format_options(parser)
    parser.add_argument("--text_column", metavar="NAME", help="Column of the texts. [text, tweet, review ...]")
    parser.add_argument("--all_scores", action="store_true", help="Write the score of each label: score_<label>.")
    parser.add_argument(
        "--min_score",
        type=float,
        metavar="X",
        help="Write the label unsure if the score is below this or no word is known.",
    )
    parser.add_argument("--known_words", action="store_true", help="Write the share of the words that are known.")
    parser.add_argument(
        "--escape_formulas",
        action="store_true",
        help="Write a ' before fields of csv and tsv files that a spreadsheet would run as formulas (=, +, -, @ or a "
        "tab first). Without it, fields are written unchanged.",
    )
    parser.add_argument("--skip_bad_rows", action="store_true", help="List and skip rows that can't be read.")
    parser.add_argument("--revision", help="Branch, tag or commit of a model on the Hub.")
    parser.add_argument("--batch_size", type=int, metavar="N", help="Texts per batch. [32 with ONNX, 128 with torch]")
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: input and output are directories of parquet files; uses all cores of a cluster. [local]",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="Number of processes that score a file. [one per core]"
    )
    return parser


def predict(args: argparse.Namespace, parser: CommandParser) -> None:
    """Checks the arguments and the files, then predicts.

    Raises:
        OSError: A file or the model is missing.
        ValueError: The model or a file is not what it should be.
    """
    if args.old_model is not None:
        args.texts = [*([] if args.model is None else [args.model]), *args.texts]
        args.model = args.old_model
    check_arguments(args, parser)
    check_input(args)
    from ..hub.find import find_config

    find_config(args.model, args.revision)
    if args.engine == "ray" and not Path(args.model).is_dir():
        raise ValueError(f"{args.model} is on the Hub, but --engine ray needs a model directory. Download it first.")
    if args.engine == "ray":
        predict_with_ray(args)
    elif args.texts:
        predict_texts(args)
    else:
        predict_file(args)


def check_arguments(args: argparse.Namespace, parser: CommandParser) -> None:
    """Ends the command if its arguments contradict each other."""
    if args.model is None:
        parser.error("name the model: a model directory such as runs/reviews, or a model id on the Hub.")
    if Path(args.model).is_file():
        parser.error(
            f"{args.model!r} is a file, but a model was expected. To classify the rows of the file: hf-brnn predict "
            f"MODEL --input {args.model} --output scored.csv"
        )
    if args.texts == [STDIO]:
        parser.error("to classify the rows of a csv on stdin, use --input - --output -")
    if files := [text for text in args.texts if _is_file_name(text)]:
        file = Path(files[0])
        kind = "is a file" if file.is_file() else "is a directory" if file.is_dir() else "looks like a file"
        advice = f"--input {file} --output scored{file.suffix if file.suffix in WRITABLE_SUFFIXES else '.csv'}"
        if file.is_dir():
            advice = "--input with one of its files"
        parser.error(f"{files[0]!r} {kind}, but a text was expected. To classify the rows of a file, use {advice}")
    for_files = [name for name in FILE_OPTIONS if getattr(args, name)]
    if args.texts and for_files:
        parser.error(f"--{for_files[0]} is for --input FILE, but texts are given. Leave it out.")
    if bool(args.texts) == bool(args.input):
        parser.error("give either texts or --input FILE, not both." if args.texts else "give texts, or --input FILE.")
    if bool(args.input) != bool(args.output):
        parser.error("--input and --output go together: name both files.")
    if args.escape_formulas and (
        args.engine == "ray" or Path(args.output or "").suffix.lower() not in ("", ".csv", ".tsv")
    ):
        parser.error("--escape_formulas is for csv and tsv files. Leave it out.")
    if args.engine == "ray" and args.texts:
        parser.error("--engine ray reads directories of parquet files: give --input and --output instead of texts.")
    if args.engine == "ray" and STDIO in (args.input, args.output):
        parser.error("--engine ray reads and writes directories, not stdin and stdout. Leave out --engine.")
    for name in FORMAT_OPTIONS if args.engine == "ray" else ():
        if getattr(args, name) is not None:
            parser.error(f"--{name} is for text files, but --engine ray reads parquet files. Leave it out.")
    for name in ("batch_size", "workers"):
        value = getattr(args, name)
        if value is not None and value < 1:
            parser.error(f"--{name} is {value}, expected 1 or more.")
    if args.min_score is not None and not 0 <= args.min_score <= 1:
        parser.error(f"--min_score is {args.min_score}, expected a probability between 0 and 1.")


def _is_file_name(text: str) -> bool:
    """Returns whether a text is a path, or has the suffix of a file of rows."""
    if len(text) > 1000 or not text.strip():
        return False
    path = Path(text)
    is_one_word = len(text.split()) == 1
    return path.is_file() or ("/" in text and path.is_dir()) or (is_one_word and path.suffix in SUFFIXES)


def check_input(args: argparse.Namespace) -> None:
    """Raises:
    OSError: The input does not exist, or is a directory where a file is expected or the reverse.
    ValueError: The suffix of the output is unknown, or it can't be written.
    """
    file_format(args).check()
    if args.input is None:
        return
    from ..data.arrow_file import is_saved_dataset
    from ..data.files import check_is_local, explain_missing

    if args.engine == "local":
        check_is_local(args.input)
    if "://" not in args.output:
        if args.output != STDIO:
            check_output_path(Path(args.output))
    elif args.engine == "local":
        raise ValueError(f"--output {args.output} is a URL, but must be a local file. Name one.")
    if "://" in args.input:
        return
    if args.engine == "local" and args.output != STDIO and Path(args.output).suffix.lower() not in WRITABLE_SUFFIXES:
        raise ValueError(
            f"--output {args.output}: unknown suffix, expected {', '.join(WRITABLE_SUFFIXES)}. Rename the file."
        )
    if args.input == STDIO:
        return
    path = Path(args.input)
    if not path.exists():
        if has_magic(args.input):
            raise FileNotFoundError(f"--input {path}: a pattern, but --input takes one file. Predict file by file.")
        raise FileNotFoundError(f"--input {explain_missing(path)}")
    if args.engine == "ray" and not path.is_dir():
        raise NotADirectoryError(f"--input {path} is a file, but --engine ray reads a directory. Leave out --engine.")
    if args.engine == "local" and path.is_dir() and not is_saved_dataset(path):
        raise IsADirectoryError(f"--input {path} is a directory. Name a file, or use --engine ray for parquet files.")
    if args.engine == "ray" and Path(args.output).is_file():
        raise NotADirectoryError(f"--output {args.output} is a file, but --engine ray writes a directory. Name one.")
    if args.engine == "local" and Path(args.output).resolve() == path.resolve():
        raise ValueError(f"--output {args.output} is also the input, which would be replaced. Name another file.")


def predict_texts(args: argparse.Namespace) -> None:
    """Prints a line with label, score and text for each text; for token classification its words with their tags."""
    from ..data.problem_type import REGRESSION, TOKENS
    from ..inference.load import load
    from ..inference.score_texts import UNSURE, score_texts

    classifier = load(args.model, args.batch_size, args.revision)
    scores = score_texts(classifier, args.texts, score_options(args))
    names = [UNSURE, *classifier.label_names] if args.min_score is not None else classifier.label_names
    width = max(len(NO_KNOWN_WORD) - 8, *map(len, names), *map(len, scores.labels))
    for index, (text, label, score) in enumerate(zip(args.texts, scores.labels, scores.scores)):
        known_words = scores.known_words[index]
        if not known_words:
            columns = [f"{NO_KNOWN_WORD:{width + 8}}"]
        elif classifier.problem_type == REGRESSION:
            columns = [label]
        else:
            columns = [f"{label:{width}}  {score:.4f}"]
        if args.all_scores:
            found = zip(classifier.label_names, scores.probabilities[index])
            columns += [f"{name} {value:.4f}" for name, value in found]
        if args.known_words:
            columns += [f"known words {known_words:.2f}"]
        if classifier.problem_type == TOKENS:
            columns = [" ".join(f"{word}/{tag}" for word, tag in zip(text.split(), label.split()))]
            text = ""
        print("  ".join((*columns, text)).rstrip())


def score_options(args: argparse.Namespace) -> "ScoreOptions":
    from ..inference.score_texts import ScoreOptions

    return ScoreOptions(args.all_scores, args.min_score, args.known_words)


def file_format(args: argparse.Namespace) -> FileFormat:
    return FileFormat(args.encoding, args.delimiter, args.quoting)


def predict_file(args: argparse.Namespace) -> None:
    """Writes the rows of a file with label and score."""
    if args.input != STDIO:
        score_source(args, Path(args.input))
        return
    # Files are read more than once: the first pass finds the encoding.
    with TemporaryDirectory(prefix="hf-brnn-") as folder:
        source = Path(folder) / "stdin.csv"
        with source.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        with named_stdin(source):
            score_source(args, source)


@contextmanager
def named_stdin(source: Path) -> Iterator[None]:
    """Makes log lines and errors call a file stdin."""

    def rename(record: logging.LogRecord) -> bool:
        record.msg, record.args = record.getMessage().replace(str(source), "stdin"), ()
        return True

    handlers = list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(rename)
    try:
        yield
    except ValueError as error:
        raise ValueError(str(error).replace(str(source), "stdin")) from error
    finally:
        for handler in handlers:
            handler.removeFilter(rename)


def score_source(args: argparse.Namespace, source: Path) -> None:
    """Scores a file."""
    import pyarrow as pa
    from tqdm import tqdm

    from ..data.bad_rows import BadRow, BadRowsError
    from ..inference.load import load
    from ..inference.score_files import score_file

    classifier = load(args.model, args.batch_size, args.revision)
    if args.workers is not None and not classifier.can_have_workers:
        raise ValueError(
            f"{args.model} has no int8 graph, which --workers needs. Write it (hf-brnn export {args.model}), or leave "
            "out --workers."
        )
    workers = args.workers or pa.cpu_count() if classifier.can_have_workers else 1
    bad_rows: list[BadRow] = []

    def on_bad_row(bad_row: BadRow) -> None:
        if not args.skip_bad_rows:
            raise BadRowsError([bad_row])
        bad_rows.append(bad_row)
        logger.warning("Skipped %s", bad_row)

    with tqdm(desc="Predicting", unit=" texts", disable=None) as progress:
        scored = score_file(
            classifier,
            source,
            Path(args.output),
            args.text_column,
            on_bad_row,
            progress.update,
            score_options(args),
            file_format(args),
            args.escape_formulas,
            workers,
        )
    report_rows(scored, len(bad_rows), args.output)


def predict_with_ray(args: argparse.Namespace) -> None:
    """Writes the rows of a directory of parquet files with label and score."""
    try:
        from ..inference.ray import score_folder
    except ModuleNotFoundError as error:
        raise ValueError(
            f"--engine ray needs {error.name}, which is not installed. Run pip install 'hf-brnn[ray]'"
        ) from error
    scored, skipped = score_folder(
        Path(args.model).resolve(),
        args.input,
        args.output,
        args.text_column,
        args.batch_size,
        args.skip_bad_rows,
        args.workers,
        score_options(args),
    )
    report_rows(scored, skipped, args.output)


def report_rows(scored: int, skipped: int, output: str) -> None:
    to_stdout = output == STDIO
    where = "stdout" if to_stdout else output
    print(f"{scored:,} rows written to {where}, {skipped:,} skipped.", file=sys.stderr if to_stdout else None)


if __name__ == "__main__":
    main()
