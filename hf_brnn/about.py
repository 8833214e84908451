"""The version of the package, and the model that ships with it."""

from pathlib import Path

__version__ = "0.2.0"
REPOSITORY = "https://github.com/hf-brnn/hf-brnn"

# `hf_brnn.PRETRAINED` is its path as a string; importing it registers the models.
PRETRAINED_FOLDER = Path(__file__).parent / "pretrained" / "brnn-sentiment140"
