"""The safetensors files of a model directory: one, or the shards of a large model. Loads neither torch nor
transformers."""

import hashlib
import json
import re
from pathlib import Path

from safetensors import SafetensorError, safe_open

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


def weight_files(directory: Path) -> list[Path]:
    """Returns the files of weights, as `save_pretrained` writes them: `model.safetensors`, or the shards that the index
    names. Not all of them need be there.

    Raises:
        ValueError: The index names no shards.
    """
    index = directory / INDEX
    if (directory / WEIGHTS).is_file() or not index.is_file():
        return [directory / WEIGHTS]
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{index} is not an index of weights: {error!r}. Restore the file.") from error
    if not names or not all(isinstance(name, str) and SHARD.fullmatch(name) for name in names):
        raise ValueError(f"{index} names {names}, expected files such as model-00001-of-00002.safetensors.")
    return [directory / name for name in names]


def weight_shapes(directory: Path) -> dict[str, list[int]]:
    """Returns the shape of each weight by its name. Loads no weights.

    Raises:
        ValueError: A file is damaged.
    """
    shapes: dict[str, list[int]] = {}
    for path in weight_files(directory):
        try:
            with safe_open(path, framework="np") as file:
                shapes |= {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118  not a dict
        except SafetensorError as error:
            raise ValueError(
                f"{path} holds no complete sequence classifier: {error}. Copy the file again, or train again."
            ) from error
    return shapes


def weights_hash(directory: Path) -> str:
    """Returns the SHA-256 of all weights, one file after the other, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in weight_files(directory):
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()
