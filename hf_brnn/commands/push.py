"""`hf-brnn push`: pushes a model directory to the Hugging Face Hub."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from .parser import CommandParser, model_argument, run_command

REPO_ID = re.compile(r"([A-Za-z0-9][\w.-]*/)?[A-Za-z0-9_][\w.-]*", re.ASCII)
EXAMPLES = """\
examples:
  hf-brnn push runs/reviews --repo_id user/reviews --dry_run     lists the files and sends nothing
  hf-brnn push runs/reviews --repo_id user/reviews --private
"""


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the command."""
    parser = build_parser()
    run_command(parser, lambda args: push(args, parser), argv)


def build_parser() -> CommandParser:
    parser = CommandParser(
        prog="hf-brnn push",
        description="Pushes a model directory to the Hugging Face Hub as one commit. Pushing replaces the contents of "
        "the\nrepository. Log in with hf auth login first, or set HF_TOKEN.",
        epilog=EXAMPLES,
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", type=model_argument, help="Model directory.")
    parser.add_argument("--repo_id", metavar="USER/NAME", help="Repository on the Hub.")
    parser.add_argument("--private", action="store_true", help="Make a new repository private.")
    parser.add_argument("--revision", metavar="BRANCH", help="Branch to push to. [main]")
    parser.add_argument("--write_card", action="store_true", help="Write a missing model card.")
    parser.add_argument("--dry_run", action="store_true", help="Check and list the files, and send nothing.")
    return parser


def push(args: argparse.Namespace, parser: CommandParser) -> None:
    """Checks the arguments and the model directory, then pushes it.

    Raises:
        OSError: A file is missing, or the directory or the repository holds other files.
        ValueError: The push failed; the message says why.
    """
    if args.model is None:
        parser.error("name the model directory, such as runs/reviews.")
    if args.repo_id is None:
        parser.error(f"name the repository: hf-brnn push {args.model} --repo_id USER/NAME")
    if not REPO_ID.fullmatch(args.repo_id):
        parser.error(
            f"--repo_id is {args.repo_id!r}, but must be USER/NAME, or NAME alone, of letters, digits, '-', '_' and "
            "'.'. Correct it."
        )
    from ..hub.layout import check_model_directory

    directory = Path(args.model)
    check_model_directory(directory)
    from ..hub.push import PUSH_ERRORS, explain_push_error, files_to_push
    from ..hub.push import push as push_directory

    try:
        files = files_to_push(directory, args.write_card)
        for file in files:
            print(f"{(directory / file).stat().st_size:>12,}  {file.as_posix()}")
        if args.dry_run:
            print(f"{len(files)} files would be pushed to {args.repo_id}.")
        else:
            print(f"Pushed: {push_directory(directory, args.repo_id, args.private or None, args.revision)}")
    except PUSH_ERRORS as error:
        raise ValueError(explain_push_error(error, args.repo_id)) from error


if __name__ == "__main__":
    main()
