"""Loads a model directory as a stranger does, and prints what it gives as json.

python use_saved_folder.py FOLDER_OR_REPOSITORY

Runs in any environment with torch and transformers; hf_brnn is kept from being imported. Where there is optimum, its
ONNX classifier is used too.
"""

import importlib.util
import json
import sys
import tempfile
from pathlib import Path

sys.modules["hf_brnn"] = None

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import (  # noqa: E402
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PreTrainedTokenizerFast,
    pipeline,
)

TEXTS = [
    "I do not recommend this product",
    "",
    "word " * 10_000,
    "so happy!!! :) 😀 #yay @somebody_who_is_nobody http://example.com",
    " \u200b ",
    "unknownword zzzqqq",
]


def check_resaved(models, batch):
    """A model that is saved again brings its code along, loads again, and runs in half precision."""
    for name, model in models.items():
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            assert {path.name for path in Path(folder).glob("*.py")} == {"configuration_brnn.py", "modeling_brnn.py"}
            auto_class = getattr(transformers, name)
            again = auto_class.from_pretrained(folder, trust_remote_code=True).eval()
            half = auto_class.from_pretrained(folder, trust_remote_code=True, torch_dtype=torch.float16).eval()
        assert half.dtype == torch.float16
        with torch.no_grad():
            expected, found, half_found = (part(**batch)[0] for part in (model, again, half))
        assert torch.equal(found, expected)
        assert (half_found.float() - expected).abs().max() < 0.1


def main(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    assert set(batch) == {"input_ids", "attention_mask"}, set(batch)

    models = {
        auto_class.__name__: auto_class.from_pretrained(folder, trust_remote_code=True).eval()
        for auto_class in (AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification)
    }
    assert {type(model).__module__.split(".")[0] for model in models.values()} == {"transformers_modules"}
    with torch.no_grad():
        pooled = models["AutoModel"](**batch).pooler_output
        logits = models["AutoModelForSequenceClassification"](**batch).logits
        token_logits = models["AutoModelForTokenClassification"](**batch).logits
    assert pooled.isfinite().all()
    assert token_logits.shape[:2] == batch["input_ids"].shape

    check_resaved(models, {name: values[3:4, :20] for name, values in batch.items()})

    classifier = pipeline("text-classification", model=folder, trust_remote_code=True)
    one_by_one = [classifier(text)[0] for text in TEXTS]
    batched = classifier(TEXTS, batch_size=4)
    by_list = classifier(TEXTS)
    scores = logits.softmax(-1).max(-1).values.tolist()
    names = AutoConfig.from_pretrained(folder, trust_remote_code=True).id2label
    for results in (one_by_one, batched, by_list):
        for result, score, label in zip(results, scores, logits.argmax(-1).tolist()):
            assert abs(result["score"] - score) < 1e-5, (result, score)
            assert result["label"] == names[label], (result, label)

    found = {
        "transformers": transformers.__version__,
        "tokenizer_class": type(tokenizer).__name__,
        "input_ids": [tokenizer(text)["input_ids"] for text in TEXTS],
        "logits": logits.tolist(),
        "labels": [result["label"] for result in one_by_one],
    }
    if importlib.util.find_spec("optimum"):
        from optimum.onnxruntime import ORTModelForSequenceClassification

        graph = ORTModelForSequenceClassification.from_pretrained(
            folder, subfolder="onnx", file_name="model.onnx", trust_remote_code=True
        )
        found["onnx_logits"] = graph(**batch).logits.tolist()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
