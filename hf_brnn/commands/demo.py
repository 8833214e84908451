"""`hf-brnn demo`: serves a web page that classifies texts, or writes it as a Gradio Space."""

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Optional

from ..about import DEFAULT_FOLDER
from .output import check_output_path
from .parser import CommandParser, model_argument, path_argument, run_command

EXAMPLES = """\
examples:
  hf-brnn demo                                   brnn-tweet-sentiment, at http://127.0.0.1:7860
  hf-brnn demo runs/reviews                      GRADIO_SERVER_PORT=8000 sets another port
  hf-brnn demo runs/reviews --space space        then: hf upload --repo-type space user/name space .
"""


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the command."""
    run_command(build_parser(), demo, argv)


def build_parser() -> CommandParser:
    parser = CommandParser(
        prog="hf-brnn demo",
        description="Serves a web page that classifies texts, or writes it as a Gradio Space.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "model",
        nargs="?",
        type=model_argument,
        default=str(DEFAULT_FOLDER),
        metavar="MODEL",
        help="Model directory, or model that comes with hf-brnn.",
    )
    parser.add_argument(
        "--space",
        type=path_argument,
        metavar="DIR",
        help="Write a Space to this new directory instead of serving the page.",
    )
    return parser


def demo(args: argparse.Namespace) -> None:
    """Checks the model directory, then serves the page or writes the Space.

    Raises:
        OSError: A file is missing, the directory of the Space exists, or no port is free.
        ValueError: It is not a model directory, or gradio is not installed.
    """
    from ..hub.layout import check_model_directory

    directory = Path(args.model).resolve()
    check_model_directory(directory)
    if find_spec("gradio") is None:
        raise ValueError("the demo needs gradio, which is not installed. Run pip install 'hf-brnn[demo]'")
    if args.space is not None:
        check_output_path(args.space)
        from ..apps.space import write_space

        write_space(directory, args.space)
        print(f"The Space of {directory.name} is in {args.space}. To serve it here: python {args.space}/app.py")
        return
    from ..apps.demo import launch

    launch(directory, directory.name)


if __name__ == "__main__":
    main()
