"""The version of the package, and the models that ship with it."""

from pathlib import Path

__version__ = "0.2.0"
REPOSITORY = "https://github.com/hf-brnn/hf-brnn"

# The models that ship with the package, and the names of their paths in `hf_brnn`. These are strings, and importing one
# registers the models.
SHIPPED_NAMES = {
    "brnn-sentiment140": "PRETRAINED",
    "brnn-tweet-sentiment": "TWEET_SENTIMENT",
    "brnn-tweet-encoder": "TWEET_ENCODER",
}
SHIPPED_MODELS = {name: Path(__file__).parent / "pretrained" / name for name in SHIPPED_NAMES}
PRETRAINED_FOLDER = SHIPPED_MODELS["brnn-sentiment140"]
# What demo and server show where no model is named.
DEFAULT_FOLDER = SHIPPED_MODELS["brnn-tweet-sentiment"]
