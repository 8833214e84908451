import json
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from processes import REPOSITORY, run_python, train
from safetensors import safe_open
from transformers import pipeline

from hf_brnn.hub.layout import check_output_dir
from hf_brnn.hub.push import files_to_push


def test_it_holds_what_the_map_says_and_nothing_else(saved_folder):
    assert sorted(path.name for path in saved_folder.iterdir()) == [
        "README.md",
        "config.json",
        "configuration_brnn.py",
        "curves.png",
        "curves.svg",
        "handler.py",
        "metrics.json",
        "model.safetensors",
        "modeling_brnn.py",
        "reliability.png",
        "reliability.svg",
        "tokenizer.json",
        "tokenizer_config.json",
        "training_config.yaml",
    ]


def test_whoever_may_read_one_of_its_files_may_read_all(saved_folder):
    assert len({path.stat().st_mode for path in saved_folder.iterdir()}) == 1


def test_the_configuration_names_every_auto_class_and_the_tokenizer(saved_folder):
    config = json.loads((saved_folder / "config.json").read_text())
    assert config["auto_map"] == {
        "AutoConfig": "configuration_brnn.BrnnConfig",
        "AutoModel": "modeling_brnn.BrnnModel",
        "AutoModelForSequenceClassification": "modeling_brnn.BrnnForSequenceClassification",
        "AutoModelForTokenClassification": "modeling_brnn.BrnnForTokenClassification",
    }
    assert config["id2label"] == {"0": "NEGATIVE", "1": "POSITIVE"}
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_it_is_used_in_a_new_process_without_this_package(saved_folder, tmp_path):
    moved = shutil.copytree(saved_folder, tmp_path / "elsewhere")
    process = run_python(
        REPOSITORY / "tests" / "helpers" / "use_saved_folder.py",
        moved,
        cwd=tmp_path,
        HF_MODULES_CACHE=str(tmp_path / "cache"),
    )
    assert "UNEXPECTED" not in process.stderr
    result = json.loads(process.stdout)
    assert result["labels"][0] == "NEGATIVE"
    assert result["labels"][3] == "POSITIVE"


def test_the_travelling_files_import_torch_transformers_and_each_other_alone():
    for name in ("model/configuration_brnn.py", "model/modeling_brnn.py", "hub/handler.py"):
        lines = (REPOSITORY / "hf_brnn" / name).read_text().splitlines()
        modules = {
            line.split()[1].split(".")[0] or line.split()[1] for line in lines if line.startswith(("import", "from"))
        }
        assert modules - sys.stdlib_module_names <= {"torch", "transformers", ".configuration_brnn"}, modules


def test_nothing_in_it_names_a_path_of_this_machine(saved_folder):
    for path in saved_folder.iterdir():
        content = path.read_bytes()
        for place in (str(saved_folder.parent), str(REPOSITORY), str(Path.home())):
            assert place.encode() not in content, path.name
    with safe_open(saved_folder / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_the_card_is_read_and_holds_the_measured_metrics(saved_folder):
    card = ModelCard.load(saved_folder / "README.md")
    metrics = json.loads((saved_folder / "metrics.json").read_text())["test"]
    data = card.data
    assert (data.library_name, data.pipeline_tag, data.license) == ("transformers", "text-classification", "apache-2.0")
    measured = {result.metric_type: result.metric_value for result in data.eval_results}
    types = {"accuracy": "accuracy", "macro_f1": "f1", "macro_precision": "precision", "macro_recall": "recall"}
    types |= {"roc_auc": "roc_auc"}
    assert measured == {types[name]: pytest.approx(metrics[name], abs=1e-4) for name in types}
    assert [set(example) for example in data.widget] == [{"text"}] * 3
    assert f"{metrics['accuracy']:.4f}" in card.text
    assert "demonstration" in card.text
    assert "{{" not in card.text and "{%" not in card.text
    for part in ("pipeline(", "AutoModel", "hf_brnn.load(", "@huggingface/transformers", "curves.png",
                 "reliability.png", "hf-brnn train", "Wh.", "## Limits and biases"):  # fmt: skip
        assert part in card.text


def test_the_snippets_of_the_card_run(exported_folder, tmp_path):
    shutil.copytree(exported_folder, tmp_path / "quickstart")
    text = (exported_folder / "README.md").read_text()
    snippets = [block.split("```")[0] for block in text.split("```python\n")[1:]]
    assert len(snippets) == 4
    run_python("-c", "\n".join(snippets), cwd=tmp_path)


def test_the_resolved_configuration_can_be_trained_again(saved_folder, tmp_path):
    values = yaml.safe_load((saved_folder / "training_config.yaml").read_text())
    assert values["hidden_size"] == 64
    again = tmp_path / "again"
    train(again, "--config", saved_folder / "training_config.yaml")
    # Weights depend on the number of threads, and the first epoch that differs says more than the weights.
    assert course_of(again) == course_of(saved_folder)
    assert (again / "model.safetensors").read_bytes() == (saved_folder / "model.safetensors").read_bytes()


def course_of(folder):
    """The processor of a training, and what it measured after each epoch."""
    metrics = json.loads((folder / "metrics.json").read_text())
    return metrics["training"]["processor"], [(epoch["loss"], epoch["eval_loss"]) for epoch in metrics["history"]]


def test_a_pipeline_takes_empty_and_long_texts_in_one_batch(saved_folder):
    classifier = pipeline("text-classification", model=str(saved_folder), trust_remote_code=True)
    results = classifier(["", "great " * 10_000, "awful"], batch_size=3)
    assert [set(result) for result in results] == [{"label", "score"}] * 3
    assert [result["label"] for result in results[1:]] == ["POSITIVE", "NEGATIVE"]


HANDLE = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("handler", sys.argv[1] + "/handler.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
handler = module.EndpointHandler(path=sys.argv[1])
one = handler({"inputs": "so happy with it, works great"})
both = handler({"inputs": ["so happy with it, works great", "worst day"], "parameters": {"top_k": None}})
assert handler({"inputs": []}) == []
try:
    handler({"text": "hello"})
except ValueError as error:
    print(json.dumps([one, both, str(error)]))
"""


def test_an_inference_endpoint_answers_as_the_pipeline_does(saved_folder, tmp_path):
    folder = shutil.copytree(saved_folder, tmp_path / "model")
    process = run_python("-c", HANDLE, folder, cwd=tmp_path, HF_MODULES_CACHE=str(tmp_path / "cache"))
    (folder / "__pycache__").mkdir(exist_ok=True)
    (folder / "__pycache__" / "handler.pyc").touch()
    check_output_dir(folder)
    assert not [file for file in files_to_push(folder) if "__pycache__" in file.parts]
    one, both, error = json.loads(process.stdout)
    assert [answer["label"] for answer in one] == ["POSITIVE"]
    assert [len(answers) for answers in both] == [2, 2]
    assert sum(answer["score"] for answer in both[1]) == pytest.approx(1)
    assert error.startswith("inputs is None, expected a text")
