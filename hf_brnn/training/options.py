"""The options of a training and its recipes, known without importing torch or transformers."""

import ast
import dataclasses
import importlib.util
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, Optional

import yaml

from ..data.arguments import DataArguments
from ..data.problem_type import MULTI_LABEL, SINGLE_LABEL
from ..data.text import did_you_mean
from ..evaluation.metrics import METRIC_NAMES, OLD_METRIC_NAMES
from ..evaluation.thresholds import parse_target
from ..model.arguments import ModelArguments

PACKAGE = Path(__file__).parent.parent
DEFAULT_RECIPE = "finetune"
# Options that, where they are given, also set a value of the recipe back to its default. With the value
# of the recipe, they would have no effect, or contradict it.
OVERRIDDEN = {
    "data_files": "dataset_name",
    "early_stopping_patience": "load_best_model_at_end",
    "freeze": "ngram_embeddings",
    "metric_for_best_model": "load_best_model_at_end",
    "num_train_epochs": "min_steps",
}
LAST_CHECKPOINT = "last"
# Spellings of earlier versions.
OLD_NAMES = {
    "adversarial_norm": "adversarial_epsilon",
    "class_names": "label_names",
    "emoticon_share": "emoticon_prob",
    "save_half": "save_fp16",
}
TRUE, FALSE = ("true", "yes", "1", "t", "y"), ("false", "no", "0", "f", "n")
KINDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}


@dataclass(frozen=True)
class Option:
    """A value that a training takes by name.

    Attributes:
        name: Its name.
        kind: `"bool"`, `"int"`, `"float"` or `"str"`.
        is_list: Whether it is a list of these.
        default: The value where none is given; None if that is not a literal.
        help: What it does.
        choices: The values that it can have; None if any.
    """

    name: str
    kind: str
    is_list: bool
    default: Any
    help: str
    choices: Optional[tuple[str, ...]] = None

    @classmethod
    def from_field(cls, name: str, annotation: str, default: Any, metadata: Mapping[str, Any]) -> "Option":
        """Makes an option of a field of a dataclass, whose annotation is given as text."""
        base, bracket, inner = annotation.rpartition("list[")
        is_list = bool(bracket) and "str" not in base and "dict" not in base
        text = inner if is_list else annotation
        kind = next((kind for kind in ("dict", "str", "bool", "float", "int") if kind in text), "str")
        help_text = " ".join(str(metadata.get("help", "")).split()).replace("%%", "%")
        return cls(name, kind.replace("dict", "str"), is_list, default, help_text, metadata.get("choices"))

    def parse(self, text: str) -> Any:
        """Reads a value from text.

        Raises:
            ValueError: The text is not such a value. The message names the option, the value and what is expected.
        """
        try:
            if self.kind == "bool":
                return (*FALSE, *TRUE).index(text.lower()) >= len(FALSE)
            value = {"int": int, "float": float, "str": str}[self.kind](text)
        except ValueError:
            raise ValueError(f"{self.name} is {text!r}, but must be {KINDS[self.kind]}.") from None
        if self.choices and value not in self.choices:
            raise ValueError(f"{self.name} is {text!r}, but must be {' or '.join(self.choices)}.")
        return value


def _fields_of_class(path: Path, class_name: str) -> dict[str, Option]:
    """The fields of a dataclass, read from the source of its module: importing that would take seconds."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    options = {}
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            values = {"default": node.value}
            if isinstance(node.value, ast.Call):
                values = {keyword.arg: keyword.value for keyword in node.value.keywords}  # type: ignore[misc]
            if not _literal(values.get("init"), True):
                continue
            default, metadata = _literal(values.get("default"), None), _literal(values.get("metadata"), {})
            annotation = ast.unparse(node.annotation)
            options[node.target.id] = Option.from_field(node.target.id, annotation, default, metadata)
    return options


def _literal(node: Optional[ast.AST], otherwise: Any) -> Any:
    try:
        return otherwise if node is None else ast.literal_eval(node)
    except ValueError:
        return otherwise


def _fields_of_dataclass(kind: Any) -> dict[str, Option]:
    return {
        field.name: Option.from_field(
            field.name, field.type if isinstance(field.type, str) else str(field.type), _default(field), field.metadata
        )
        for field in dataclasses.fields(kind)
    }


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


@cache
def own_options() -> dict[str, Option]:
    """The options of data, model and training that this package defines, by name."""
    return {
        **_fields_of_dataclass(DataArguments),
        **_fields_of_dataclass(ModelArguments),
        **_fields_of_class(Path(__file__).with_name("arguments.py"), "BrnnTrainingArguments"),
    }


@cache
def all_options() -> dict[str, Option]:
    """All options by name: those of this package and those of transformers' `TrainingArguments`."""
    spec = importlib.util.find_spec("transformers")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("Training needs transformers: pip install transformers.")
    theirs = _fields_of_class(Path(spec.origin).with_name("training_args.py"), "TrainingArguments")
    return {**theirs, **own_options()}


def recipe_path(name: str) -> Path:
    """The YAML file of a recipe.

    Args:
        name: A path, or the name of a recipe of this package, such as `"subset"`.

    Raises:
        FileNotFoundError: There is no such file or recipe.
    """
    if Path(name).is_file():
        return Path(name)
    # In a wheel the recipes lie in the package, in the repository beside it.
    folders = (PACKAGE / "configs", PACKAGE.parent / "configs")
    recipes = {path.stem: path for folder in folders for path in sorted(folder.glob("*.yaml"))}
    if name in recipes:
        return recipes[name]
    raise FileNotFoundError(
        f"{name}: no such configuration file or recipe.{did_you_mean(name, recipes)} Give the path of a YAML file, or "
        f"one of {', '.join(recipes)}."
    )


def read_recipe(path: Path) -> dict[str, Any]:
    """Reads the values of a recipe.

    Raises:
        ValueError: The file is not a YAML mapping, a key is unknown or a value is not of its kind.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a YAML file ({error}).") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: must hold 'name: value' lines.")
    try:
        found = read_values(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return {name: value for name, value in found.items() if value is not None}


def read_values(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Reads the values of options by name, as YAML or Python have them: numbers, texts, lists and dicts.

    Raises:
        ValueError: A name is unknown, or a value is not of its kind.
    """
    found = {}
    for key, value in values.items():
        name = OLD_NAMES.get(str(key), str(key))
        option = all_options().get(name)
        if option is None:
            raise ValueError(f"unknown key {key!r}.{did_you_mean(str(key), all_options())}")
        found[name] = None if value is None else _read_value(option, value)
    return found


def override(recipe: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of a recipe, overridden by those that are given and by what they imply."""
    dropped = {name for option, name in OVERRIDDEN.items() if given.get(option)}
    return {name: value for name, value in recipe.items() if name not in dropped} | dict(given)


def _read_value(option: Option, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        if bools := [item for item in value if isinstance(item, bool)]:
            raise ValueError(f"{option.name} holds {bools[0]}. Put yes, no, true and false into quotes.")
        return [option.parse(str(item)) for item in value]
    if isinstance(value, dict):
        if option.name == "class_weight":
            return [f"{label}={weight}" for label, weight in value.items()]
        if option.is_list:
            raise ValueError(f"{option.name} is {value}, but must be a list.")
        return json.dumps(value)
    if value is False and option.name.endswith("_strategy"):  # YAML reads a bare no as false
        return "no"
    return [option.parse(str(value))] if option.is_list else option.parse(str(value))


def parse_class_weight(items: list[str]) -> dict[str, float]:
    """Reads weights by label from items such as `NEGATIVE=3`.

    Raises:
        ValueError: An item is not a name and a number of 0 or more.
    """
    weights = {}
    for item in items:
        name, _, number = item.rpartition("=")
        try:
            weights[name] = float(number)
        except ValueError:
            weights[name] = -1.0
        if not name or not 0 <= weights[name] < math.inf:
            raise ValueError(f"class_weight has {item!r}, but must be balanced, or a weight for labels: NEGATIVE=3.")
    return weights


class Range(NamedTuple):
    """The numbers that an option can be; never NaN or infinity."""

    text: str
    holds: Callable[[float], bool]


AT_LEAST_1 = Range("at least 1", lambda value: value >= 1)
NOT_NEGATIVE = Range("0 or more", lambda value: value >= 0)
ABOVE_0 = Range("a number above 0", lambda value: value > 0)
BELOW_1 = Range("in [0, 1)", lambda value: 0 <= value < 1)
SHARE = Range("in [0, 1]", lambda value: 0 <= value <= 1)
SEED = Range(f"between 0 and {2**32 - 1}", lambda value: value in range(2**32))
SPLIT_SIZE = Range(
    "a share in [0, 1) or a whole number of rows", lambda value: 0 <= value < 1 or (value > 1 and value == int(value))
)
RANGES = {
    "adam_beta1": BELOW_1,
    "adam_beta2": BELOW_1,
    "adam_epsilon": ABOVE_0,
    "adversarial_epsilon": NOT_NEGATIVE,
    "classifier_dropout": BELOW_1,
    "data_seed": SEED,
    "dataloader_num_workers": NOT_NEGATIVE,
    "dataloader_prefetch_factor": AT_LEAST_1,
    "ddp_bucket_cap_mb": AT_LEAST_1,
    "ddp_timeout": AT_LEAST_1,
    "early_stopping_patience": NOT_NEGATIVE,
    "embedding_dropout": BELOW_1,
    "embedding_size": AT_LEAST_1,
    "emoticon_prob": SHARE._replace(text="a probability in [0, 1]"),
    "eval_accumulation_steps": AT_LEAST_1,
    "eval_delay": NOT_NEGATIVE,
    "eval_steps": ABOVE_0,
    "gradient_accumulation_steps": AT_LEAST_1,
    "head_learning_rate": NOT_NEGATIVE,
    "hidden_size": AT_LEAST_1,
    "initializer_range": ABOVE_0,
    "input_dropout": BELOW_1,
    "label_smoothing_factor": BELOW_1,
    "learning_rate": NOT_NEGATIVE,
    "local_rank": Range("-1 or more", lambda value: value >= -1),
    "logging_steps": ABOVE_0,
    "max_grad_norm": NOT_NEGATIVE,
    "max_length": AT_LEAST_1,
    "max_rows": AT_LEAST_1,
    "max_steps": Range("at least 1, or -1 for no limit", lambda value: value == -1 or value >= 1),
    "min_frequency": AT_LEAST_1,
    "min_steps": NOT_NEGATIVE,
    "neftune_noise_alpha": NOT_NEGATIVE,
    "num_hidden_layers": AT_LEAST_1,
    "num_train_epochs": Range("above 0 and at most 1000000", lambda value: 0 < value <= 1_000_000),
    "per_device_eval_batch_size": AT_LEAST_1,
    "per_device_train_batch_size": AT_LEAST_1,
    "recurrent_dropout": BELOW_1,
    "save_steps": ABOVE_0,
    "save_total_limit": AT_LEAST_1,
    "seed": SEED,
    "shuffle_buffer_size": AT_LEAST_1,
    "split_seed": SEED,
    "test_size": SPLIT_SIZE,
    "torch_empty_cache_steps": AT_LEAST_1,
    "validation_size": SPLIT_SIZE,
    "vocab_size": AT_LEAST_1,
    "warmup_ratio": SHARE,
    "warmup_steps": NOT_NEGATIVE,
    "weight_decay": NOT_NEGATIVE,
    "word_dropout": BELOW_1,
}


# Options of `Trainer` that would take away the predictions of an evaluation, and the value that each must have. They
# choose the best epoch, calibrate the scores and make the report.
NEEDED_VALUES = {"batch_eval_metrics": False, "eval_do_concat_batches": True, "prediction_loss_only": False}


def check_values(values: Mapping[str, Any]) -> None:
    """Checks the values of model and training that are given, and whether they suit the kind of problem, if that is
    among them.

    Raises:
        ValueError: A value is out of range. The message names it and says what is allowed.
    """

    def check(name: str, is_allowed: bool, allowed: str) -> None:
        if not is_allowed:
            raise ValueError(f"{name} is {values[name]!r}, but must be {allowed}.")

    problem_type = values.get("problem_type")
    metric_names = METRIC_NAMES.get(str(problem_type)) or dict.fromkeys(chain.from_iterable(METRIC_NAMES.values()))
    for name, value in values.items():
        if value is None:
            continue
        if name in NEEDED_VALUES:
            text = f"{NEEDED_VALUES[name]}: a run needs the predictions of evaluations"
            check(name, value is NEEDED_VALUES[name], text)
        allowed = RANGES.get(name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            text = "a finite number" if allowed is None else allowed.text
            check(name, math.isfinite(value) and (allowed is None or allowed.holds(value)), text)
        elif name == "precision":
            check(name, value in ("auto", "bf16", "fp16", "fp32"), "auto, bf16, fp16 or fp32")
        elif name == "metric_for_best_model":
            metrics = ("loss", *metric_names)
            check(name, value.removeprefix("eval_") in (*metrics, *OLD_METRIC_NAMES), ", ".join(metrics))
        elif name == "class_weight":
            check(
                name,
                problem_type in (None, SINGLE_LABEL),
                f"left out: it is for {SINGLE_LABEL}, not for {problem_type}",
            )
            if value != ["balanced"]:
                parse_class_weight(value)
        elif name == "tune_thresholds":
            is_allowed = problem_type in (None, SINGLE_LABEL, MULTI_LABEL)
            check(name, is_allowed, f"left out: it is for {SINGLE_LABEL} and {MULTI_LABEL}, not for {problem_type}")
            parse_target(value)
