"""`hf-brnn serve`: answers HTTP requests with labels and scores."""

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Optional

from ..about import DEFAULT_FOLDER
from .parser import MODEL_HELP, CommandParser, model_argument, run_command

EXAMPLES = """\
examples:
  hf-brnn serve runs/reviews
  hf-brnn serve runs/reviews --host 0.0.0.0 --port 80      for other machines
  curl http://127.0.0.1:8000 --json '{"inputs": "so happy with it"}'
"""
NEEDED = ("fastapi", "fastapi_offline", "uvicorn", "prometheus_client")


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the command."""
    run_command(build_parser(), run, argv)


def build_parser() -> CommandParser:
    parser = CommandParser(
        prog="hf-brnn serve",
        description="Answers HTTP requests with labels and scores, in the protocol of the Hub's inference API.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "model", nargs="?", type=model_argument, default=str(DEFAULT_FOLDER), metavar="MODEL", help=MODEL_HELP
    )
    parser.add_argument("--revision", help="Branch, tag or commit of a model on the Hub.")
    parser.add_argument("--host", default="127.0.0.1", help="Address to listen on; 0.0.0.0 for all (%(default)s).")
    parser.add_argument("--port", type=int, default=8000, help="Port to listen on (%(default)s).")
    return parser


def run(args: argparse.Namespace) -> None:
    """Checks the model, then serves it.

    Raises:
        OSError: A file is missing, or the address can't be listened on.
        ValueError: The port is out of range, it is not a model directory, or a package is not installed.
    """
    from ..hub.find import find_config

    if not 0 <= args.port < 2**16:
        raise ValueError(f"--port is {args.port}, but must be between 0 and 65535.")
    if not args.host.strip():
        raise ValueError("--host is empty. Name an address, such as 127.0.0.1, or 0.0.0.0 for all.")
    find_config(args.model, args.revision)
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise ValueError(
            f"serving needs packages that are not installed: {', '.join(missing)}. Run pip install 'hf-brnn[serve]'"
        )
    from ..apps.serve import serve

    serve(args.model, args.host, args.port, args.revision)


if __name__ == "__main__":
    main()
