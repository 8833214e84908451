"""The options of the commands that measure models on labeled rows."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from .output import check_output_path
from .parser import CommandParser

if TYPE_CHECKING:
    from ..data.arguments import DataArguments

FORMAT_OPTIONS = ("encoding", "delimiter", "quoting")
HUB_OPTIONS = ("dataset_revision", "dataset_split")
ROW_OPTIONS = (
    "data_files",
    "encoding",
    "delimiter",
    "quoting",
    "dataset_name",
    "dataset_revision",
    "dataset_split",
    "text_column",
    "label_column",
    "label_columns",
    "label_separator",
    "max_rows",
    "split_seed",
    "skip_bad_rows",
)


def add_row_options(parser: CommandParser) -> None:
    """Adds the options that name labeled rows."""
    parser.add_argument("--data_files", nargs="+", metavar="FILE", help="csv, tsv, json, jsonl or parquet files.")
    add_format_options(parser)
    parser.add_argument(
        "--dataset_name", metavar="NAME", help="Dataset on the Hub to read instead of files, or sample."
    )
    parser.add_argument("--dataset_split", metavar="SPLIT", help="Split of the dataset on the Hub. [train]")
    parser.add_argument("--dataset_revision", metavar="REVISION", help="Branch, tag or commit of that dataset.")
    parser.add_argument("--text_column", metavar="NAME", help="Column of the texts. [found by its name]")
    parser.add_argument("--label_column", metavar="NAME", help="Column of the labels. [found by its name]")
    parser.add_argument(
        "--label_columns",
        nargs="+",
        metavar="NAME",
        help="Instead of --label_column: a column for each label or target.",
    )
    parser.add_argument("--label_separator", metavar="TEXT", help="What separates several labels of a text. [|]")
    parser.add_argument("--max_rows", type=int, metavar="N", help="Evaluate on a random subset of this size.")
    parser.add_argument("--split_seed", type=int, metavar="N", help="Seed of the subset. [42]")
    parser.add_argument("--skip_bad_rows", action="store_true", default=None, help="Skip rows that can't be used.")


def add_format_options(parser: CommandParser) -> None:
    """Adds the options that say how text files are written."""
    parser.add_argument(
        "--encoding", metavar="NAME", help="Encoding of text files, such as cp1252. [UTF-8, or detected]"
    )
    parser.add_argument("--delimiter", metavar="TEXT", help="What separates fields. [detected in the first line]")
    parser.add_argument("--quoting", choices=("minimal", "none"), help="Whether fields may be quoted. [detected]")


def has_rows(args: argparse.Namespace) -> bool:
    """Returns whether the arguments name rows."""
    return args.data_files is not None or args.dataset_name is not None


def check_is_model(model: str, parser: CommandParser) -> None:
    """Ends the command if a file was given where a model is expected."""
    if Path(model).is_file():
        parser.error(
            f"{model!r} is a file, but a model was expected. Name models first, then the rows: --data_files {model}"
        )


def check_row_options(args: argparse.Namespace, parser: CommandParser) -> None:
    """Ends the command if an option of the rows would be ignored."""
    from ..data.arguments import SAMPLE_FILES

    def refuse(names: Sequence[str], reason: str) -> None:
        for name in names:
            if getattr(args, name) is not None:
                parser.error(f"--{name} is {reason}. Leave it out.")

    if not has_rows(args):
        refuse(ROW_OPTIONS, "for rows, but none are named")
    if args.data_files is not None:
        refuse(("dataset_name", *HUB_OPTIONS), "for a data set on the Hub, but --data_files names files")
        if models := [file for file in args.data_files if (Path(file) / "config.json").is_file()]:
            parser.error(
                f"{models[0]} is a model directory, but --data_files names files of rows. Name models first, then "
                "--data_files FILE."
            )
    elif args.dataset_name is not None:
        name = args.dataset_name
        if name in SAMPLE_FILES:
            refuse(HUB_OPTIONS, f"for a data set on the Hub, but {name} is an embedded one")
        else:
            refuse(FORMAT_OPTIONS, "for files, but --dataset_name names a data set on the Hub")
    if args.max_rows is None:
        refuse(("split_seed",), "the seed of --max_rows, which is not given")


def check_rows(args: argparse.Namespace, problem_type: str) -> "DataArguments":
    """Returns the arguments of the rows, for a model of this kind of problem.

    Raises:
        FileNotFoundError: A file does not exist.
        ValueError: A value is out of range.
    """
    from ..data.arguments import DataArguments
    from ..data.files import explain_missing
    from ..data.rows import source_files

    values = {name: getattr(args, name) for name in ROW_OPTIONS if getattr(args, name) is not None}
    data_args = DataArguments(problem_type=problem_type, **values)
    for file in source_files(data_args) or []:
        if not Path(file).exists():
            raise FileNotFoundError(explain_missing(Path(file)))
    return data_args


def check_labels(data_args: "DataArguments", label_names: list[str]) -> None:
    """Sets the label names, and looks at the first rows of each file for other labels.

    Raises:
        ValueError: There are such labels, or a file can't be read.
    """
    from ..data.problem_type import REGRESSION
    from ..data.rows import check_source

    columns = 1 if data_args.label_columns is None else len(data_args.label_columns)
    if data_args.problem_type == REGRESSION and columns != len(label_names):
        raise ValueError(f"The model predicts {', '.join(label_names)}: name a column for each with --label_columns.")
    data_args.label_names = label_names
    if set(data_args.label_columns or []) == set(label_names):
        data_args.label_columns = label_names
    check_source(data_args)


def read_labels(model: str, revision: Optional[str] = None) -> tuple[list[str], str]:
    """Returns the label names and the kind of problem in the config.json of a model.

    Raises:
        OSError: There is no such model, or a file is missing.
        ValueError: The model or the revision is not what it should be.
    """
    from ..data.problem_type import read_label_names, read_problem_type
    from ..hub.find import find_config

    config = json.loads(find_config(model, revision).read_text(encoding="utf-8"))
    return read_label_names(config), read_problem_type(config)


def check_output_dir(directory: Path, args: argparse.Namespace, results: Sequence[str]) -> None:
    """Raises:
    ValueError: The directory is a file or can't be written, it holds a model, which results must not mix with, or one
        of the `results` would replace a file that is read.
    """
    check_output_path(directory)
    if directory.exists() and not directory.is_dir():
        raise ValueError(f"{directory} is a file, expected a directory. Choose another --output_dir.")
    for file in args.data_files or ():
        if Path(file).name in results and Path(file).resolve().parent == directory.resolve():
            raise ValueError(f"The results would replace {file}, which is read. Choose another --output_dir.")
    if saved := [name for name in ("config.json", "model.safetensors") if (directory / name).exists()]:
        raise ValueError(f"{directory} holds the {saved[0]} of a model. Choose another --output_dir for the results.")


def model_name(model: str) -> str:
    """Returns the last part of a model's path or id."""
    return Path(model).resolve().name


def describe_source(data_args: "DataArguments") -> str:
    """Returns the names of the files, or of the dataset."""
    return ", ".join(Path(file).name for file in data_args.data_files or [data_args.dataset_name])
