"""What a model directory holds, and whether it is complete. Loads neither torch nor transformers."""

import json
import logging
import re
from functools import cache
from pathlib import Path
from typing import Any, Optional

from ..about import SHIPPED_MODELS
from ..data.problem_type import DEFAULT_LABELS, TOKENS, read_problem_type
from .weights import INDEX, SHARD, WEIGHTS, weight_files, weight_shapes, weights_hash

logger = logging.getLogger(__name__)

GRAPH = "onnx/model.onnx"
QUANTIZED_GRAPH = "onnx/model_quantized.onnx"
GRAPHS = (GRAPH, QUANTIZED_GRAPH)
CARD = "README.md"
METRICS = "metrics.json"
TRAINING_CONFIG = "training_config.yaml"
# Trainer saves its arguments into this pickle. Nothing here reads it, and it is never pushed.
TRAINING_ARGS = "training_args.bin"
CODE_FILES = ("configuration_brnn.py", "modeling_brnn.py")
FILE_NAMES = {
    *GRAPHS,
    *CODE_FILES,
    WEIGHTS,
    INDEX,
    CARD,
    METRICS,
    TRAINING_ARGS,
    TRAINING_CONFIG,
    "config.json",
    "curves.png",
    "curves.svg",
    "handler.py",
    "onnx",
    "predictions.png",
    "predictions.svg",
    "reliability.png",
    "reliability.svg",
    "tokenizer.json",
    "tokenizer_config.json",
}
# Graphs that are being exported. An export that was killed leaves them behind.
PARTIAL_GRAPHS = ".onnx.part"
# Python and huggingface_hub write the other names into directories.
IGNORED_NAMES = {"__pycache__", ".cache", ".gitattributes", PARTIAL_GRAPHS}
# Trainer's checkpoints, in the directory that its output_dir names.
CHECKPOINT = re.compile(r"checkpoint-\d+")
PICKLE_SUFFIXES = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}
EMBEDDING = "brnn.embeddings.word_embeddings.weight"
ENCODER_EMBEDDING = EMBEDDING.removeprefix("brnn.")
CLASSIFIER = "classifier.weight"
TOKEN_CLASSIFIER = "token_classifier.weight"
MODEL_TYPE = "brnn"
# The key under which a graph stores the hash of the model.safetensors that it was exported from.
WEIGHTS_HASH_KEY = "weights_sha256"


def is_encoder(config: dict[str, Any]) -> bool:
    """Returns whether a config.json describes a `BrnnModel`, which has no classifier."""
    return config.get("architectures") == ["BrnnModel"]


def check_model_directory(directory: Path, allow_encoder: bool = False) -> None:
    """Checks that a model directory is complete and that its files belong together. Loads no weights.

    Args:
        directory: The model directory.
        allow_encoder: Whether it may hold an encoder without a classifier.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: It holds another kind of model or a pickle, or its files don't belong together.
    """
    check_files(directory, "config.json", "tokenizer.json", "tokenizer_config.json")
    check_files(directory, *(path.name for path in weight_files(directory)))
    names = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))
    pickles = [name for name in names if Path(name).suffix.lower() in PICKLE_SUFFIXES and not is_of_trainer(name)]
    if pickles:
        raise ValueError(
            f"{directory} holds pickles, which can run code when they are loaded: {', '.join(pickles[:5])}. Weights "
            f"must be in {WEIGHTS}. Remove the pickles."
        )
    if TRAINING_ARGS in names:
        _say_what_is_not_read(directory.resolve())
    config = _read_json(directory / "config.json")
    if config.get("model_type") != MODEL_TYPE:
        raise ValueError(
            f"{directory}: model_type in config.json is {config.get('model_type')!r}, expected {MODEL_TYPE!r}. Name "
            "a directory that hf-brnn saved."
        )
    if not isinstance(config.get("pad_token_id"), int):
        raise ValueError(
            f"{directory}: pad_token_id in config.json is {config.get('pad_token_id')!r}, expected an integer. "
            "Restore config.json."
        )
    label_names = config.get("id2label", DEFAULT_LABELS)
    labels = len(label_names) if isinstance(label_names, dict) else 0
    if not labels or set(label_names) != set(map(str, range(labels))):
        raise ValueError(
            f'{directory}: id2label in config.json is {label_names!r}, expected the keys "0", "1" and so on. Restore '
            "config.json."
        )
    has_classifier = not is_encoder(config)
    if not (has_classifier or allow_encoder):
        name = directory.name if directory in SHIPPED_MODELS.values() else directory
        raise ValueError(
            f"{name} holds an encoder without a classifier. Train one: hf-brnn train FILE --model_name_or_path {name}"
        )
    words = number_of_words(directory / "tokenizer.json")
    shapes = weight_shapes(directory)
    classifier = TOKEN_CLASSIFIER if read_problem_type(config) == TOKENS else CLASSIFIER
    needed = [EMBEDDING, classifier] if has_classifier else [ENCODER_EMBEDDING]
    if missing := set(needed) - shapes.keys():
        raise ValueError(
            f"{directory}: {WEIGHTS} holds no complete {'classifier' if has_classifier else 'encoder'}: it has no "
            f"{', '.join(sorted(missing))}. Copy the file again, or train again."
        )
    embedding, *outputs = (shapes[name][0] for name in needed)
    if words > embedding:
        raise ValueError(
            f"{directory}: tokenizer.json has {words:,} words, but the embedding in {WEIGHTS} has {embedding:,} rows. "
            "They belong to different models: restore one of them."
        )
    if has_classifier and outputs != [labels]:
        raise ValueError(
            f"{directory}: config.json names {labels} labels, but the classifier in {WEIGHTS} has {outputs[0]} "
            "outputs. They belong to different models: restore one of them."
        )


def check_files(directory: Path, *names: str) -> None:
    """Raises:
    FileNotFoundError: One of these files is missing.
    PermissionError: One of them may not be read.
    """
    for name in names:
        if not (directory / name).is_file():
            found = "it is a file" if directory.is_file() else "there is no such directory"
            found = f"it has no {name}" if directory.is_dir() else found
            raise FileNotFoundError(
                f"{directory} is not a model directory: {found}. Name a directory that hf-brnn train wrote."
            )
        # safetensors calls a file that may not be read a missing file.
        (directory / name).open("rb").close()


def check_graph(graph: Path, directory: Path) -> None:
    """Checks that a graph was exported from the weights of its directory. A graph without a hash passes.

    Raises:
        ValueError: The graph stores the hash of other weights.
    """
    content = graph.read_bytes()
    if WEIGHTS_HASH_KEY.encode() in content and weights_hash(directory).encode() not in content:
        raise ValueError(
            f"{graph} was exported from other weights than {directory / WEIGHTS}. Export it again: hf-brnn export "
            f"{directory}"
        )


def stamp_weights_hash(graph: Path, directory: Path) -> None:
    """Stores the hash of a directory's weights in the graph that was exported from them: later, one file may be
    replaced without the other."""
    import onnx

    model = onnx.load(graph)
    onnx.helper.set_model_props(model, {WEIGHTS_HASH_KEY: weights_hash(directory)})
    onnx.save(model, graph)


def is_of_trainer(name: str) -> bool:
    """Returns whether Trainer keeps this file beside a model for itself: its arguments, or part of a checkpoint."""
    return name == TRAINING_ARGS or CHECKPOINT.fullmatch(Path(name).parts[0]) is not None


@cache
def _say_what_is_not_read(directory: Path) -> None:
    logger.warning(
        "%s holds %s, a pickle of Trainer's arguments, which can run code when it is loaded. It is not read, and a "
        "push leaves it out.",
        directory,
        TRAINING_ARGS,
    )


def check_output_dir(directory: Path) -> None:
    """Checks that saving to `directory` replaces at most a model directory.

    Raises:
        FileExistsError: It holds anything else.
    """
    if directory.is_dir():
        if others := unexpected_files(directory):
            raise FileExistsError(
                f"{directory} holds files that are not part of a model directory: {', '.join(others[:5])}. Saving "
                "would delete them. Choose another --output_dir."
            )
    elif directory.exists():
        raise FileExistsError(f"{directory} is a file, expected a directory. Choose another --output_dir.")


def check_no_other_files(directory: Path) -> None:
    """Raises:
    FileExistsError: The model directory holds a file that is not part of one.
    """
    if others := unexpected_files(directory):
        raise FileExistsError(
            f"{directory} holds files that are not part of a model directory: {', '.join(others[:5])}. Move them "
            "elsewhere."
        )


def unexpected_files(directory: Path) -> list[str]:
    """Returns the names of files and directories that are not part of a model directory."""
    names = [path.relative_to(directory).as_posix() for path in directory.rglob("*")]
    config = directory / "config.json"
    return unexpected_names(names, config if config.exists() else None)


def unexpected_names(names: list[str], config: Optional[Path]) -> list[str]:
    """Returns those of `names` that are not part of a model directory, sorted. `config` is the config.json among them,
    if there is one."""
    others = sorted(
        name for name in names if name not in FILE_NAMES and not SHARD.fullmatch(name) and not is_ignored(name)
    )
    if config is not None and not is_brnn_config(config):
        others.insert(0, "config.json of another model")
    return others


def is_ignored(name: str) -> bool:
    """Returns whether this file is neither part of a model directory nor in its way."""
    return not IGNORED_NAMES.isdisjoint(Path(name).parts)


def is_brnn_config(path: Path) -> bool:
    """Returns whether a config.json is that of a brnn model."""
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("model_type") == MODEL_TYPE
    except (ValueError, AttributeError):
        return False


def number_of_words(path: Path) -> int:
    """Returns the number of ids of a tokenizer.json.

    Raises:
        ValueError: It is not that of a WordLevel tokenizer.
    """
    return max(read_vocabulary(path).values()) + 1


def read_vocabulary(path: Path) -> dict[str, int]:
    """Returns the ids of the words of a tokenizer.json.

    Raises:
        ValueError: It is not that of a WordLevel tokenizer.
    """
    model = _read_json(path).get("model")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocab, dict) or not vocab or not all(isinstance(index, int) for index in vocab.values()):
        raise ValueError(f"{path}: its model has no words, expected a WordLevel tokenizer. Restore the file.")
    return vocab


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not valid JSON: {error}. Restore the file.") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a JSON object. Restore the file.")
    return content
