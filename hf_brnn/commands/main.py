"""The command `hf-brnn`."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Optional

from ..about import __version__
from .parser import errors_in_one_line

COMMANDS = {
    "train": "Train a classifier on labelled texts and save it as a model directory.",
    "evaluate": "Measure a model on labelled texts.",
    "compare": "Compare two models on the same labelled texts.",
    "predict": "Label texts, or a file of texts.",
    "export": "Write the ONNX graphs of a model directory.",
    "push": "Push a model directory to the Hugging Face Hub.",
    "serve": "Answer HTTP requests with labels and scores.",
    "demo": "Serve a web page that labels texts, or write it as a Gradio Space.",
}
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
        import difflib

        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"Did you mean {close[0]}?" if close else "See hf-brnn --help."
        sys.exit(f"hf-brnn: error: unknown command {name!r}. {hint}")


if __name__ == "__main__":
    main()
