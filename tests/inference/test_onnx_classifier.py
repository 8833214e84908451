"""The ONNX path runs where torch and transformers can't be imported."""

import shutil

import numpy as np
import pytest
from hub_server import Repository
from processes import run_new_python

import hf_brnn.onnx
from hf_brnn import PRETRAINED_FOLDER
from hf_brnn.hub.layout import QUANTIZED_GRAPH
from hf_brnn.inference.load import load
from hf_brnn.inference.onnx_classifier import OnnxClassifier

BLOCKED = """
import sys

HEAVY = {"torch", "transformers", "datasets", "evaluate", "pandas", "sklearn", "accelerate"}

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in HEAVY:
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())
"""
CLASSIFY = """
import hf_brnn
from hf_brnn.inference.explain import explain
from hf_brnn.inference.load import load
from hf_brnn.inference.onnx_classifier import OnnxClassifier

for classifier in (OnnxClassifier(hf_brnn.PRETRAINED_FOLDER), load(hf_brnn.PRETRAINED_FOLDER)):
    print(classifier.predict(["so happy today", "worst day ever"]))
print(explain(classifier, "so happy today").label)
print(sorted(name for name in sys.modules if name.startswith("hf_brnn.data.")))
"""


def test_it_classifies_with_torch_and_transformers_blocked():
    *answers, modules = run_new_python("-c", BLOCKED + CLASSIFY).stdout.splitlines()
    assert answers == ["['POSITIVE', 'NEGATIVE']"] * 2 + ["1"]
    assert "hf_brnn.data.files" not in modules, "classifying texts loads the csv reader"


@pytest.mark.parametrize("module", ["hub.layout", "hub.push", "inference.score_files"])
def test_a_light_module_loads_with_torch_and_transformers_blocked(module):
    run_new_python("-c", f"{BLOCKED}\nimport hf_brnn.{module}")


def test_texts_are_predicted_without_what_files_need():
    code = "import sys; sys.modules |= dict.fromkeys(['pyarrow', 'torch', 'tqdm', 'transformers'])\n"
    code += "from hf_brnn.commands.main import main; main(sys.argv[1:])"
    process = run_new_python("-c", code, "predict", "brnn-sentiment140", "so happy today")
    assert process.stdout.startswith("POSITIVE")


def test_a_model_without_a_graph_names_what_is_missing(tmp_path):
    folder = tmp_path / "m"
    shutil.copytree(PRETRAINED_FOLDER, folder, ignore=shutil.ignore_patterns("onnx"))
    code = "import sys; sys.modules['torch'] = None; from hf_brnn.commands.main import main; main(sys.argv[1:])"
    process = run_new_python("-c", code, "predict", folder, "hi", check=False)
    assert process.returncode == 1
    assert "holds no int8 graph" in process.stderr
    assert f"hf-brnn export {folder}" in process.stderr
    assert "Traceback" not in process.stderr


def test_predict_names_the_most_probable_label():
    classifier = load(PRETRAINED_FOLDER)
    texts = ["so happy today", "worst day ever", ""]
    probabilities = classifier(texts)
    assert probabilities.shape == (3, 2)
    assert probabilities.dtype == np.float32
    assert classifier.predict(texts) == [classifier.label_names[index] for index in probabilities.argmax(axis=1)]
    assert classifier.predict([]) == []


def test_a_model_on_the_hub_runs_through_its_graph(server):
    names = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", QUANTIZED_GRAPH)
    files = {name: (PRETRAINED_FOLDER / name).read_bytes() for name in names}
    repository = server.repositories["alice/tweets"] = Repository(private=False)
    revision = repository.add_commit("main", "first", {**files, "curves.png": b""})
    classifier = load("alice/tweets", revision=revision)
    assert isinstance(classifier, OnnxClassifier)
    assert classifier.predict(["so happy today", "worst day ever"]) == ["POSITIVE", "NEGATIVE"]
    assert not any("curves.png" in request for request in server.requests)


def test_a_model_that_is_not_found_is_asked_for_once(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for path in ("runs/none", "./none", "/none", "a/b/c"):
        with pytest.raises(FileNotFoundError, match=f"^{path}: there is no such directory. Check the spelling"):
            load(path)
    assert server.requests == []
    server.broken = "."
    with pytest.raises(FileNotFoundError, match="no such model on the Hub"):
        load("alice/none")
    assert len(server.requests) == 1


def test_the_old_import_still_works_with_a_warning():
    with pytest.warns(DeprecationWarning, match=r"Use hf_brnn\.load"):
        assert hf_brnn.onnx.OnnxClassifier is OnnxClassifier
