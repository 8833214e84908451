"""`hf-brnn train`: trains a classifier and saves a model directory for from_pretrained, pipeline and the Hub."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Optional

from ..data.arguments import DataArguments
from ..data.rows import check_source
from ..hub.layout import check_output_dir
from ..training.base_model import SIZES, with_model_values
from ..training.checkpoints import CHECKPOINTS_SUFFIX, check_no_checkpoints
from ..training.options import (
    DEFAULT_RECIPE,
    LAST_CHECKPOINT,
    OLD_NAMES,
    Option,
    all_options,
    check_values,
    override,
    own_options,
    read_recipe,
    recipe_path,
)
from .output import check_output_path
from .parser import CommandParser, errors_in_one_line
from .rows import HUB_OPTIONS

# What people use. The other options are shown by --help_all.
COMMON = (
    "problem_type",
    "text_column",
    "label_column",
    "label_columns",
    "label_names",
    "validation_size",
    "test_size",
    "max_rows",
    "model_name_or_path",
    "model_revision",
    "freeze",
    "extend_vocabulary",
    "vocab_size",
    "embedding_size",
    "hidden_size",
    "cell_type",
    "pooling",
    "num_train_epochs",
    "min_steps",
    "per_device_train_batch_size",
    "learning_rate",
    "head_learning_rate",
    "early_stopping_patience",
    "class_weight",
    "tune_thresholds",
    "precision",
    "seed",
    "resume_from_checkpoint",
    "push_to_hub",
)
EXAMPLES = """\
examples:
  hf-brnn train reviews.csv                            finds the columns, starts from the encoder of the package,
                                                       saves runs/reviews
  hf-brnn train reviews.csv --label_column stars --class_weight balanced
  hf-brnn train tickets.csv --label_separator ';'      several labels per text
  hf-brnn train reviews.csv --problem_type regression --label_column stars
  hf-brnn train reviews.csv --config quickstart        starts from random weights: other languages, other sizes
  hf-brnn train --config my_recipe.yaml                a recipe by name, or the path of a YAML file
  hf-brnn train new.csv --model_name_or_path runs/reviews    starts from a model of yours
  hf-brnn train reviews.csv --resume_from_checkpoint   resumes an interrupted run
  accelerate launch -m hf_brnn.commands.train reviews.csv    on several GPUs
"""


def parse_values(argv: Optional[Sequence[str]] = None) -> dict[str, Any]:
    """Reads the recipe and the command line, which overrides it, without importing torch or transformers.

    Returns:
        The values that are given, by the name of their option, and `output_dir`.

    Raises:
        FileNotFoundError: There is no such recipe.
        SystemExit: The command line is wrong, or asks for help.
        ValueError: The recipe is wrong, or a value is out of range.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    known, _ = _config_parser().parse_known_args(arguments)
    shows_help = known.help or known.help_all
    recipe = read_recipe(recipe_path(known.config))
    parser = _build_parser(recipe, known.config, known.help_all)
    if shows_help:
        parser.print_help()
        sys.exit(0)
    given = vars(parser.parse_args(arguments))
    for name in ("config", "help", "help_all"):
        given.pop(name, None)
    files = given.pop("files", [])
    if files:
        given["data_files"] = [*files, *given.get("data_files", [])]
    if "data_files" in given:
        for name in ("dataset_name", *HUB_OPTIONS):
            if name in given:
                raise ValueError(
                    f"{name} is {given[name]!r}, which is for a data set on the Hub, but files are named too. Leave "
                    "out one of them."
                )
    resume = given.get("resume_from_checkpoint")
    if resume is not None:
        is_true, is_false = (str(resume).lower() == text for text in ("true", "false"))
        given["resume_from_checkpoint"] = LAST_CHECKPOINT if is_true else None if is_false else resume
    name = Path(files[0]).stem if files else Path(known.config).stem
    values = {"output_dir": f"runs/{name}"} | override(recipe, given)
    if not str(values["output_dir"]).strip():
        raise ValueError("output_dir is empty, but must be a directory. Name one.")
    check_values(values)
    return values


def build_parser() -> CommandParser:
    """Returns the parser of all options, with the values of the default recipe."""
    return _build_parser(read_recipe(recipe_path(DEFAULT_RECIPE)), DEFAULT_RECIPE, True)


def _config_parser() -> CommandParser:
    parser = CommandParser(prog="hf-brnn train", add_help=False)
    parser.add_argument("--config", default=DEFAULT_RECIPE, help=f"Recipe: a name, or a YAML file. [{DEFAULT_RECIPE}]")
    parser.add_argument("-h", "--help", action="store_true", help="Show the common options.")
    parser.add_argument(
        "--help_all", action="store_true", help="Show all options, including those of TrainingArguments."
    )
    return parser


def _build_parser(recipe: dict[str, Any], config: str, shows_all: bool) -> CommandParser:
    parser = CommandParser(
        prog="hf-brnn train",
        usage="hf-brnn train [FILE ...] [--config RECIPE] [--option value ...]",
        description="Trains a model and saves a model directory for from_pretrained, pipeline and the Hub.\n"
        f"Values in brackets are those of the recipe {config}.",
        epilog=EXAMPLES,
        parents=[_config_parser()],
        add_help=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="Files of labeled texts, folders, or patterns such as 'data/*.csv'."
    )
    groups = [parser.add_argument_group(title) for title in ("common options", "other options")]
    own, every = own_options(), all_options()
    if "model_name_or_path" in recipe:
        recipe = dict.fromkeys((*SIZES, "vocab_size"), "from the model") | recipe
    recipe = {"output_dir": "runs/<file or recipe>", **recipe}
    for name in ("output_dir", *COMMON, *(name for name in (*own, *every) if name not in COMMON)):
        if f"--{name}" in parser._option_string_actions:
            continue
        is_common = name in COMMON or name == "output_dir"
        _add_option(groups[not is_common], every[name], recipe, is_shown=is_common or shows_all)
    for old, name in OLD_NAMES.items():
        _add_option(groups[1], every[name], recipe, is_shown=False, spelling=old)
    return parser


def _add_option(
    group: Any, option: Option, recipe: dict[str, Any], is_shown: bool, spelling: Optional[str] = None
) -> None:
    name = spelling or option.name

    def parse(text: str) -> Any:
        try:
            return option.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    default = recipe.get(option.name, option.default)
    shown = f" [{' '.join(map(str, default)) if isinstance(default, list) else default}]" if default is not None else ""
    kwargs: dict[str, Any] = {
        "dest": option.name,
        "type": parse,
        "help": (option.help + shown).replace("%", "%%") if is_shown else argparse.SUPPRESS,
        "metavar": {"bool": "BOOL", "int": "N", "float": "X", "str": "TEXT"}[option.kind],
    }
    if option.is_list:
        kwargs["nargs"] = "+"
    elif option.kind == "bool":
        kwargs |= {"nargs": "?", "const": True}
        group.add_argument(f"--no_{name}", dest=option.name, action="store_false", help=argparse.SUPPRESS)
    elif option.name == "resume_from_checkpoint":
        kwargs |= {"nargs": "?", "const": LAST_CHECKPOINT}
    group.add_argument(f"--{name}", **kwargs)


def check_before_training(values: dict[str, Any]) -> None:
    """Checks the data, the model to start from and the output folder, without importing torch or transformers.

    Raises:
        OSError: A file or the model is missing, or the output folder holds something else or an interrupted run.
        ValueError: A value of the data is out of range or not that of the model, or a file can't be read.
    """
    values = with_model_values(values)
    names = {field.name for field in fields(DataArguments)}
    data_args = DataArguments(**{name: value for name, value in values.items() if name in names})
    check_values(values | {"problem_type": data_args.problem_type})
    check_source(data_args)
    folder = Path(values["output_dir"])
    check_output_path(folder)
    check_output_dir(folder)
    if values.get("resume_from_checkpoint") is None:
        check_no_checkpoints(Path(f"{folder}{CHECKPOINTS_SUFFIX}"))


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Trains as the command line says."""
    is_launched = "ACCELERATE_MIXED_PRECISION" in os.environ
    hint = "\nThe traceback below is the launcher's. For one process, use hf-brnn train." if is_launched else ""
    with errors_in_one_line("hf-brnn train", hint):
        values = parse_values(argv)
        check_before_training(values)
        # These imports take seconds: nothing can be wrong with the command line by now.
        from ..training.arguments import build_arguments
        from ..training.run import run

        run(build_arguments(values))


if __name__ == "__main__":
    main()
