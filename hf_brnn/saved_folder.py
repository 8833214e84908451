"""Whether a saved folder is whole and its parts belong together, found out before anything of it is loaded."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

PICKLE_SUFFIXES = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}
EMBEDDING = "brnn.embeddings.word_embeddings.weight"
CLASSIFIER = "classifier.weight"


def check_saved_folder(folder: Path) -> None:
    """Raises:
    FileNotFoundError: A part is missing.
    ValueError: It is the folder of another kind of model, holds a pickle, or its parts don't belong together.
    """
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} is no saved folder: it has no {name}.")
    pickles = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in PICKLE_SUFFIXES
    )
    if pickles:
        raise ValueError(
            f"{folder} holds {', '.join(pickles[:5])}: pickles, which can run code when they are loaded. Remove them; "
            "weights belong into model.safetensors."
        )
    config = _read_json(folder / "config.json")
    if config.get("model_type") != "brnn":
        raise ValueError(f"{folder}: model_type in config.json is {config.get('model_type')!r}, not 'brnn'.")
    words = max(_read_json(folder / "tokenizer.json")["model"]["vocab"].values()) + 1
    labels = len(config.get("id2label", (0, 1)))
    try:
        with safe_open(folder / "model.safetensors", framework="np") as weights:
            embedding, *_ = weights.get_slice(EMBEDDING).get_shape()
            outputs, *_ = weights.get_slice(CLASSIFIER).get_shape()
    except SafetensorError as error:
        raise ValueError(f"{folder / 'model.safetensors'} holds no whole sequence classifier: {error}.") from error
    if words > embedding:
        raise ValueError(
            f"{folder}: tokenizer.json has {words:,} words, but the embedding of model.safetensors {embedding:,}: they "
            "belong to different models."
        )
    if labels != outputs:
        raise ValueError(
            f"{folder}: config.json names {labels} labels, but the classifier of model.safetensors has {outputs}."
        )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not json: {error}.") from error
