"""The command `hf-brnn`."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Optional

from ..about import __version__
from ..data.text import did_you_mean
from .parser import COMMANDS, errors_in_one_line

USAGE = "usage: hf-brnn COMMAND ...\n\n{commands}\n\nhf-brnn COMMAND --help describes a command; hf-brnn --version."


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the command that the first argument names. Only the module of that command is imported."""
    name, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        width = max(map(len, COMMANDS))
        print(USAGE.format(commands="\n".join(f"  {key:{width}}  {text}" for key, text in COMMANDS.items())))
    elif name == "--version":
        print(f"hf-brnn {__version__}")
    elif name in COMMANDS:
        with errors_in_one_line(f"hf-brnn {name}"):
            import_module(f"hf_brnn.commands.{name}").main(rest)
    else:
        hint = did_you_mean(name, COMMANDS) or " See hf-brnn --help."
        sys.exit(f"hf-brnn: error: unknown command {name!r}.{hint}")


if __name__ == "__main__":
    main()
