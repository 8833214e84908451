"""`hf-brnn export`: writes the ONNX graphs of a model directory."""

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Optional

from .parser import CommandParser, path_argument, run_command

EXAMPLES = """\
examples:
  hf-brnn export runs/reviews
  hf-brnn predict runs/reviews "works great"      then uses the int8 graph, without torch
"""


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the command."""
    run_command(build_parser(), export, argv)


def build_parser() -> CommandParser:
    parser = CommandParser(
        prog="hf-brnn export",
        description="Writes onnx/model.onnx (float32) and onnx/model_quantized.onnx (int8) into a model directory.",
        epilog=EXAMPLES,
    )
    parser.add_argument("model", metavar="MODEL", type=path_argument, help="Model directory.")
    return parser


def export(args: argparse.Namespace) -> None:
    """Checks the model directory, then writes the graphs.

    Raises:
        FileNotFoundError: A file of the model directory is missing.
        ValueError: It is not a model directory, or onnx or onnxruntime is not installed.
    """
    from ..hub.layout import check_model_directory

    check_model_directory(args.model)
    for name in ("onnx", "onnxruntime"):
        if find_spec(name) is None:
            raise ValueError(f"exporting needs {name}, which is not installed. Run pip install {name}")
    from ..onnx.export import export_onnx

    for path in export_onnx(args.model):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
