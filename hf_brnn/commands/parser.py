"""The argument parser that all commands share."""

import argparse
import difflib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, Optional


class CommandParser(argparse.ArgumentParser):
    """An `ArgumentParser` that takes `--text-column` for `--text_column` and suggests the option that was meant."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        args = sys.argv[1:] if args is None else list(args)
        return super().parse_known_args([self._underscored(argument) for argument in args], namespace)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, unknown = self.parse_known_intermixed_args(args, namespace)
        for argument in unknown:
            self.error(self.explain_unknown(argument))
        return found

    def explain_unknown(self, argument: str) -> str:
        """The message about an argument that the parser doesn't know."""
        name = argument.partition("=")[0]
        if not name.startswith("-"):
            return f"unexpected argument {argument!r}. See --help."
        options = [option for option in self._option_string_actions if self._is_shown(option)]
        close = difflib.get_close_matches(name, options, n=1)
        return f"unknown option {name}. " + (f"Did you mean {close[0]}?" if close else "See --help.")

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")

    def _is_shown(self, option: str) -> bool:
        return self._option_string_actions[option].help != argparse.SUPPRESS

    def _underscored(self, argument: str) -> str:
        name, equals, value = argument.partition("=")
        spelling = "--" + name[2:].replace("-", "_")
        is_known = name not in self._option_string_actions and spelling in self._option_string_actions
        return spelling + equals + value if is_known and name.startswith("--") else argument


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
