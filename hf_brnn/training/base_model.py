"""The model that a training starts from: its sizes, labels and tokenizer. Loads neither torch nor transformers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

from ..data.labels import label_key
from ..data.problem_type import read_label_names, read_problem_type
from ..hub.find import find_model
from ..hub.layout import is_encoder, number_of_words, read_vocabulary
from ..model.arguments import ModelArguments

SIZES = ("embedding_size", "hidden_size", "num_hidden_layers", "cell_type", "hidden_act", "pooling")
# Options that say how to start from a model.
START_OPTIONS = ("model_revision", "freeze", "extend_vocabulary")
SNAPSHOTS = "snapshots"  # huggingface_hub's folder of commits


@dataclass(frozen=True)
class BaseModel:
    """The model that a training starts from.

    Attributes:
        name: Its name, as `model_name_or_path` gives it.
        path: Its directory; for a model on the Hub, the one in the cache.
    """

    name: str
    path: Path

    @classmethod
    def find(cls, name: Optional[str], revision: Optional[str] = None) -> Optional["BaseModel"]:
        """Finds a model; None without a name.

        Raises:
            What `find_model` raises.
        """
        return None if name is None else cls(name, find_model(name, revision))

    @cached_property
    def config(self) -> dict[str, Any]:
        return json.loads((self.path / "config.json").read_text(encoding="utf-8"))

    @property
    def is_encoder(self) -> bool:
        """Whether it has no classifier."""
        return is_encoder(self.config)

    @property
    def label_names(self) -> list[str]:
        return [] if self.is_encoder else read_label_names(self.config)

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """The ids of its words."""
        return read_vocabulary(self.path / "tokenizer.json")

    @property
    def public_name(self) -> str:
        """The name without the folders of this machine."""
        return self.path.name if Path(self.name).is_dir() else self.name

    @property
    def commit(self) -> Optional[str]:
        """The commit of a model on the Hub."""
        return self.path.name if self.path.parent.name == SNAPSHOTS else None

    @property
    def problem_type(self) -> str:
        return read_problem_type(self.config)

    def continued_labels(self, names: list[str], problem_type: str) -> list[str]:
        """Returns the label names of the training: those of the model, if it has all of `names`, else `names`."""
        return self.label_names if len(self.kept_labels(names, problem_type)) == len(names) else names

    def kept_labels(self, names: list[str], problem_type: str) -> dict[str, int]:
        """Returns those of `names` that the model has, with their ids in the model; none for another kind of
        problem."""
        if problem_type != self.problem_type:
            return {}
        ids = {label_key(name): index for index, name in enumerate(self.label_names)}
        return {name: ids[label_key(name)] for name in names if label_key(name) in ids}


def with_model_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Adds to the values of a training those that come from the model that it starts from: all sizes, and the dropouts
    and the kind of problem where they are not given.

    Raises:
        OSError: There is no such model, or a file is missing.
        ValueError: A given size is not that of the model, or an option needs a model to start from.
    """
    base = BaseModel.find(values.get("model_name_or_path"), values.get("model_revision"))
    if base is None:
        for name in START_OPTIONS:
            if values.get(name):
                raise ValueError(
                    f"{name} is {values[name]}, but this training starts from no model: give --model_name_or_path, or "
                    "use a recipe that starts from random weights, such as quickstart."
                )
        return dict(values)
    own = {
        f.name: base.config.get(f.name, f.default) for f in fields(ModelArguments) if not f.name.startswith("model_")
    }
    for name in SIZES:
        if name in values and values[name] != own[name]:
            raise ValueError(
                f"{name} is {values[name]}, but {base.name} has {own[name]}, and sizes come from the model that the "
                f"training starts from: leave out --{name}, and use a recipe without sizes, such as finetune. Or start "
                "from random weights: use the recipe quickstart, and name no model."
            )
    words, vocab_size = number_of_words(base.path / "tokenizer.json"), values.get("vocab_size")
    if vocab_size not in (None, words) and not values.get("extend_vocabulary"):
        raise ValueError(
            f"vocab_size is {vocab_size}, but {base.name} has {words} words: leave out --vocab_size, or add "
            "--extend_vocabulary."
        )
    if not base.is_encoder and not {"problem_type", "label_columns", "label_separator"} & values.keys():
        own["problem_type"] = base.problem_type
    return {"vocab_size": None, **own, **values}
