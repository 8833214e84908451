"""The handler of Hugging Face Inference Endpoints. It is part of a model directory and needs torch and transformers."""

from typing import Any

from transformers import AutoConfig, pipeline

MAX_TEXTS = 1_000
MAX_CHARACTERS = 10_000
# Of all texts of a request.
MAX_REQUEST_CHARACTERS = 2**21
FUNCTIONS = ("softmax", "sigmoid", "none")
AGGREGATIONS = ("none", "simple", "first", "average", "max")


class EndpointHandler:
    """Answers requests like the text-classification pipeline, or for a token classifier the token-classification one.

    Args:
        path: The model directory.
    """

    def __init__(self, path: str = "") -> None:
        config = AutoConfig.from_pretrained(path, trust_remote_code=True)
        is_of_tokens = "BrnnForTokenClassification" in (config.architectures or ())
        task = "token-classification" if is_of_tokens else "text-classification"
        self.classifier = pipeline(task, model=path, trust_remote_code=True)

    def __call__(self, data: dict[str, Any]) -> list[Any]:
        """Takes `{"inputs": text or list of texts, "parameters": {"top_k": ...}}`; returns label and score of each.

        Without `top_k`, a model with thresholds gives the label whose probability, divided by its threshold, is the
        largest, and a model with several labels a text gives all whose probability is above their threshold, by default
        0.5. Of a token classifier, the answer has the tokens with their tags.

        Raises:
            ValueError: `inputs` is missing, or is neither a text nor a list of texts; there are too many or too long
                ones, or one is invalid Unicode; or a parameter is unknown or has a value that it can't have.
        """
        if not isinstance(data, dict):
            raise ValueError(f"The request is {repr(data)[:100]}, expected an object with inputs. Send one.")
        inputs = data.get("inputs")
        texts = [inputs] if isinstance(inputs, str) else inputs
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"inputs is {repr(inputs)[:100]}, expected a text or a list of texts. Send one of these.")
        if len(texts) > MAX_TEXTS:
            raise ValueError(f"inputs holds {len(texts):,} texts, but at most {MAX_TEXTS:,} are allowed. Send fewer.")
        if max(map(len, texts), default=0) > MAX_CHARACTERS:
            raise ValueError(f"inputs holds a text of over {MAX_CHARACTERS:,} characters. Send shorter texts.")
        if sum(map(len, texts)) > MAX_REQUEST_CHARACTERS:
            raise ValueError(f"inputs holds over {MAX_REQUEST_CHARACTERS:,} characters in all. Send fewer texts.")
        if any("\ud800" <= character <= "\udfff" for text in texts for character in text):
            raise ValueError("inputs holds a lone surrogate, which is invalid Unicode. Send valid texts.")
        parameters = {} if data.get("parameters") is None else data["parameters"]
        self._check(parameters)
        if not texts or "top_k" in parameters:
            return self.classifier(texts, **parameters) if texts else []
        config = self.classifier.model.config
        thresholds = getattr(config, "thresholds", None)
        is_multi_label = config.problem_type == "multi_label_classification"
        if not is_multi_label and not thresholds:
            return self.classifier(texts, **parameters)
        thresholds = thresholds or [0.5] * config.num_labels
        threshold_of = {config.id2label[index]: threshold for index, threshold in enumerate(thresholds)}
        rows = self.classifier(texts, top_k=None, **parameters)
        if is_multi_label:
            return [[each for each in row if each["score"] > threshold_of[each["label"]]] for row in rows]
        return [max(row, key=lambda each: each["score"] / threshold_of[each["label"]]) for row in rows]

    def _check(self, parameters: Any) -> None:
        """Refuses what the pipeline would take for itself, such as a number of processes to start."""
        is_of_tokens = self.classifier.task == "token-classification"
        allowed = {"aggregation_strategy": AGGREGATIONS} if is_of_tokens else {"function_to_apply": FUNCTIONS}
        if not isinstance(parameters, dict):
            raise ValueError(f"parameters is {repr(parameters)[:100]}, expected an object. Send names and values.")
        for name, value in parameters.items():
            if name in allowed:
                if value not in allowed[name]:
                    raise ValueError(f"{name} is {repr(value)[:100]}, expected one of {', '.join(allowed[name])}.")
            elif name != "top_k" or is_of_tokens:
                names = ", ".join([*allowed, *([] if is_of_tokens else ["top_k"])])
                raise ValueError(f"parameters has {repr(name)[:100]}, expected {names}. Leave it out.")
            elif value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"top_k is {repr(value)[:100]}, expected 1 or more, or null for all labels.")
