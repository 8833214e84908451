"""Whether a folder is a saved one, whole, and of parts that belong together: found out before any of it is loaded."""

import hashlib
import json
from pathlib import Path
from typing import Any, Optional

from safetensors import SafetensorError, safe_open

WEIGHTS = "model.safetensors"
QUANTIZED_GRAPH = "onnx/model_quantized.onnx"
GRAPHS = ("onnx/model.onnx", QUANTIZED_GRAPH)
SAVED_NAMES = {
    *GRAPHS,
    WEIGHTS,
    "README.md",
    "config.json",
    "configuration_brnn.py",
    "curves.png",
    "handler.py",
    "metrics.json",
    "modeling_brnn.py",
    "onnx",
    "reliability.png",
    "tokenizer.json",
    "tokenizer_config.json",
    "training_config.yaml",
}
# What Python and huggingface_hub put into a folder by themselves.
UNNOTICED_NAMES = {"__pycache__", ".cache", ".gitattributes"}
PICKLE_SUFFIXES = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}
EMBEDDING = "brnn.embeddings.word_embeddings.weight"
CLASSIFIER = "classifier.weight"
MODEL_TYPE = "brnn"
# transformers leaves the names of labels out of config.json where they are its default ones.
DEFAULT_LABELS = {"0": "LABEL_0", "1": "LABEL_1"}
# Under this name a graph says of which model.safetensors it was made.
WEIGHTS_DIGEST = "weights_sha256"


def check_saved_folder(folder: Path) -> None:
    """Raises:
    FileNotFoundError: A part is missing.
    ValueError: It is the folder of another kind of model, holds a pickle, or its parts don't belong together.
    """
    check_parts(folder, "config.json", "tokenizer.json", "tokenizer_config.json", WEIGHTS)
    pickles = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix.lower() in PICKLE_SUFFIXES
    )
    if pickles:
        raise ValueError(
            f"{folder} holds {', '.join(pickles[:5])}: pickles, which can run code when they are loaded. Remove them; "
            "weights belong into model.safetensors."
        )
    config = _read_json(folder / "config.json")
    if config.get("model_type") != MODEL_TYPE:
        raise ValueError(f"{folder}: model_type in config.json is {config.get('model_type')!r}, not {MODEL_TYPE!r}.")
    if not isinstance(config.get("pad_token_id"), int):
        raise ValueError(f"{folder}: pad_token_id in config.json is {config.get('pad_token_id')!r}, not an integer.")
    names = config.get("id2label", DEFAULT_LABELS)
    labels = len(names) if isinstance(names, dict) else 0
    if not labels or set(names) != set(map(str, range(labels))):
        raise ValueError(f'{folder}: id2label in config.json is {names!r}; it must name the labels "0", "1" and so on.')
    words = _number_of_words(folder / "tokenizer.json")
    try:
        with safe_open(folder / WEIGHTS, framework="np") as weights:
            embedding, *_ = weights.get_slice(EMBEDDING).get_shape()
            outputs, *_ = weights.get_slice(CLASSIFIER).get_shape()
    except SafetensorError as error:
        raise ValueError(f"{folder / WEIGHTS} holds no whole sequence classifier: {error}.") from error
    if words > embedding:
        raise ValueError(
            f"{folder}: tokenizer.json has {words:,} words, but the embedding of model.safetensors {embedding:,}: they "
            "belong to different models."
        )
    if labels != outputs:
        raise ValueError(
            f"{folder}: config.json names {labels} labels, but the classifier of model.safetensors has {outputs}."
        )


def check_parts(folder: Path, *names: str) -> None:
    """Raises:
    FileNotFoundError: One of these files is missing.
    """
    for name in names:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder} is no saved folder: it has no {name}.")


def check_graph(graph: Path, folder: Path) -> None:
    """A graph that `export_onnx` alone wrote says nothing of its weights.

    Raises:
        ValueError: The graph says that it was made of other weights than those of the folder.
    """
    content = graph.read_bytes()
    if WEIGHTS_DIGEST.encode() in content and sha256(folder / WEIGHTS).encode() not in content:
        raise ValueError(
            f"{graph} was made of other weights than those of model.safetensors. scripts/export_onnx.py {folder} "
            "writes it anew."
        )


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def check_output_folder(folder: Path) -> None:
    """Raises:
    FileExistsError: `folder` holds anything other than a saved folder, which saving would replace.
    """
    if folder.is_dir():
        if others := unexpected_files(folder):
            raise FileExistsError(
                f"{folder} is no saved model, or holds more than one: {', '.join(others[:5])}. Saving would remove it: "
                "choose another --output_dir."
            )
    elif folder.exists():
        raise FileExistsError(f"{folder} is a file: choose another --output_dir.")


def check_nothing_else(folder: Path) -> None:
    """Raises:
    FileExistsError: A saved folder holds something that doesn't belong to it.
    """
    if others := unexpected_files(folder):
        raise FileExistsError(f"{folder} holds more than a saved model: {', '.join(others[:5])}. Move it elsewhere.")


def unexpected_files(folder: Path) -> list[str]:
    """The files and folders in a folder that don't belong to a saved one."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    config = folder / "config.json"
    return unexpected_names(names, config if config.exists() else None)


def unexpected_names(names: list[str], config: Optional[Path]) -> list[str]:
    """Those of a folder's files that don't belong to a saved folder; `config` is its config.json, if it has one."""
    others = sorted(name for name in names if name not in SAVED_NAMES and is_noticed(name))
    if config is not None and not is_brnn_config(config):
        others.insert(0, "config.json of another model")
    return others


def is_noticed(name: str) -> bool:
    return UNNOTICED_NAMES.isdisjoint(Path(name).parts)


def is_brnn_config(path: Path) -> bool:
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("model_type") == MODEL_TYPE
    except (ValueError, AttributeError):
        return False


def _number_of_words(path: Path) -> int:
    model = _read_json(path).get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocab, dict) or not vocab or not all(isinstance(index, int) for index in vocab.values()):
        raise ValueError(f"{path} is not the tokenizer of a saved folder: its model has no words.")
    return max(vocab.values()) + 1


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not json: {error}.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is no json object.")
    return content
