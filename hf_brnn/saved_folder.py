"""Whether a folder is a saved one, whole, and of parts that belong together: found out before any of it is loaded."""

import json
from pathlib import Path
from typing import Any, Optional

from safetensors import SafetensorError, safe_open

SAVED_NAMES = {
    "README.md",
    "config.json",
    "configuration_brnn.py",
    "curves.png",
    "handler.py",
    "metrics.json",
    "model.safetensors",
    "modeling_brnn.py",
    "onnx",
    "reliability.png",
    "tokenizer.json",
    "tokenizer_config.json",
    "training_config.yaml",
}
PICKLE_SUFFIXES = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}
EMBEDDING = "brnn.embeddings.word_embeddings.weight"
CLASSIFIER = "classifier.weight"
MODEL_TYPE = "brnn"


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
    if config.get("model_type") != MODEL_TYPE:
        raise ValueError(f"{folder}: model_type in config.json is {config.get('model_type')!r}, not {MODEL_TYPE!r}.")
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


def check_output_folder(folder: Path) -> None:
    """Raises:
    FileExistsError: `folder` holds anything other than a saved folder, which saving would replace.
    """
    if folder.is_dir():
        config = folder / "config.json"
        names = [path.name for path in folder.iterdir() if path.name != "__pycache__"]
        if others := foreign_names(names, config if config.exists() else None):
            raise FileExistsError(
                f"{folder} is no saved model, or holds more than one: {', '.join(others[:5])}. Saving would remove it: "
                "choose another --output_dir."
            )
    elif folder.exists():
        raise FileExistsError(f"{folder} is a file: choose another --output_dir.")


def foreign_names(names: list[str], config: Optional[Path]) -> list[str]:
    """Those of a folder's files that don't belong to a saved folder; `config` is its config.json, if it has one."""
    others = sorted(name for name in names if Path(name).parts[0] not in SAVED_NAMES)
    if config is not None and not is_brnn_config(config):
        others.insert(0, "config.json of another model")
    return others


def is_brnn_config(path: Path) -> bool:
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("model_type") == MODEL_TYPE
    except (ValueError, AttributeError):
        return False


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not json: {error}.") from error
