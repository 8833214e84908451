"""The arguments of a training, from a command line."""

from pathlib import Path

from hf_brnn.commands.train import parse_values
from hf_brnn.training.arguments import build_arguments

QUICKSTART = Path(__file__).parent.parent.parent / "configs" / "quickstart.yaml"


def parse_arguments(argv, recipe=QUICKSTART):
    """Reads a command line; `--config` in it overrides `recipe`."""
    return build_arguments(parse_values(["--config", str(recipe), *map(str, argv)]))
