"""The argument parser that all commands share."""

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Optional

from ..data.text import closest
from ..hub.find import find_shipped

MODEL_HELP = "Model directory, model that comes with hf-brnn, or model id on the Hub."
COMMANDS = {
    "train": "Train a classifier on labeled texts and save it as a model directory.",
    "evaluate": "Evaluate a model on labeled texts.",
    "compare": "Compare two models on the same labeled texts.",
    "predict": "Label texts, or a file of texts.",
    "export": "Write the ONNX graphs of a model directory.",
    "push": "Push a model directory to the Hugging Face Hub.",
    "serve": "Answer HTTP requests with labels and scores.",
    "demo": "Serve a web page that labels texts, or write it as a Gradio Space.",
}
# What other tools call an option.
OTHER_NAMES = {
    "--batch_size": "--per_device_train_batch_size",
    "--data_files": "--input",
    "--epochs": "--num_train_epochs",
    "--input": "--data_files",
    "--lr": "--learning_rate",
    "--model": "--model_name_or_path",
    "--output": "--output_dir",
    "--revision": "--model_revision",
}
# How similar an option is that was surely meant, from 0 to 1.
ALMOST_THE_SAME = 0.85


class CommandParser(argparse.ArgumentParser):
    """An `ArgumentParser` that takes `--text-column` for `--text_column` and suggests the option that was meant."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        args = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args([self._underscored(argument) for argument in args], namespace)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        args = sys.argv[1:] if args is None else list(args)
        self._check_repeated(args)
        found, unknown = self.parse_known_intermixed_args(args, namespace)
        for argument in unknown:
            self.error(self.explain_unknown(argument))
        return found

    def explain_unknown(self, argument: str) -> str:
        """The message about an argument that the parser doesn't know."""
        name, known = argument.partition("=")[0], self._option_string_actions
        if not name.startswith("-"):
            hint = "See --help."
            if "--data_files" in known and Path(argument).exists() and not (Path(argument) / "config.json").exists():
                hint = f"To read rows from it, give --data_files {argument}"
            elif "--repo_id" in known and not Path(argument).exists():
                hint = f"To name the repository, give --repo_id {argument}"
            return f"unexpected argument {argument!r}. {hint}"
        name = "--" + name.lstrip("-").replace("-", "_")
        options = [option for option in known if self._is_shown(option)]
        meant = OTHER_NAMES.get(name)
        if meant not in options:
            meant = closest(name, options, ALMOST_THE_SAME)
        others = [] if meant else [command for command in COMMANDS if name in _shown_options(command)]
        if others:
            return f"unknown option {name}, which is one of hf-brnn {' and hf-brnn '.join(others)}. See --help."
        meant = meant or closest(name, options)
        return f"unknown option {argument.partition('=')[0]}. " + (f"Did you mean {meant}?" if meant else "See --help.")

    def _check_repeated(self, args: Sequence[str]) -> None:
        """Ends the command if an option that names files is given twice: the first ones would be ignored."""
        names = set()
        for argument in args:
            action = self._option_string_actions.get(self._underscored(argument).partition("=")[0])
            if action is None or (action.nargs != "+" and action.metavar not in ("FILE", "DIR")):
                continue
            if action.dest in names:
                several = " Give all its values at once." if action.nargs == "+" else ""
                self.error(f"--{action.dest} is given twice.{several or ' Leave one out.'}")
            names.add(action.dest)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")

    def _is_shown(self, option: str) -> bool:
        return self._option_string_actions[option].help != argparse.SUPPRESS

    def _underscored(self, argument: str) -> str:
        name, equals, value = argument.partition("=")
        spelling = "--" + name[2:].replace("-", "_")
        is_known = name not in self._option_string_actions and spelling in self._option_string_actions
        return spelling + equals + value if is_known and name.startswith("--") else argument


def path_argument(text: str) -> Path:
    """The type of arguments that name a file or a directory.

    Raises:
        argparse.ArgumentTypeError: There is no name.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("the name is empty. Name a path.")
    return Path(text)


def model_argument(text: str) -> str:
    """The type of arguments that name a model: a directory, a model that ships with the package, or one on the Hub."""
    return str(find_shipped(text))


def _shown_options(command: str) -> list[str]:
    """Returns the options of a command that its --help shows."""
    parser = import_module(f"hf_brnn.commands.{command}").build_parser()
    return [option for option in parser._option_string_actions if parser._is_shown(option)]


def run_command(parser: CommandParser, run: Callable[[Any], None], argv: Optional[Sequence[str]] = None) -> None:
    """Parses the command line and runs a command. An error that the user can correct ends it with one line on stderr
    and exit code 1; a mistake in the command line, with exit code 2.

    Args:
        parser: The command's parser.
        run: Takes the parsed arguments. Raises `OSError` or `ValueError` for what the user can correct.
        argv: The arguments; by default those of the process.
    """
    with errors_in_one_line(parser.prog):
        run(parser.parse_args(argv))


@contextmanager
def errors_in_one_line(prog: str, hint: str = "") -> Iterator[None]:
    """Ends the command with one line on stderr where the user can correct an error or has pressed Ctrl-C.

    Args:
        prog: The name of the command.
        hint: What follows the message of an error.
    """
    try:
        yield
    except BrokenPipeError:
        # The reader of the output, such as `head`, has ended. Python would complain again when it flushes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except (OSError, ValueError) as error:
        sys.exit(f"{prog}: error: {error}{hint}")
    except KeyboardInterrupt as stopped:
        # Ends the context managers that the interrupted frames have entered or were about to leave.
        traceback.clear_frames(stopped.__traceback__)
        print("Stopped.", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
