"""Folders that are not what a script needs: one clear line, before anything of them is loaded."""

import json
import pickle
import shutil

import pytest
from processes import REPOSITORY, run_python
from safetensors.torch import load_file, save_file

from hf_brnn.hub.layout import check_model_directory
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.inference.onnx_classifier import OnnxClassifier


class Opened:
    def __reduce__(self):
        return (open, ("opened", "w"))


def change_json(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def drop_last_words(folder):
    weights = load_file(folder / "model.safetensors")
    name = "brnn.embeddings.word_embeddings.weight"
    save_file(weights | {name: weights[name][:-5].clone()}, folder / "model.safetensors")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


FOLDERS = {
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "it has no tokenizer.json"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "it has no model.safetensors"),
    "a pickle": (
        lambda folder: (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Opened())),
        "pytorch_model.bin",
    ),
    "a pickle in capitals": (lambda folder: (folder / "old.PKL").write_bytes(pickle.dumps(Opened())), "old.PKL"),
    "no tokenizer's configuration": (
        lambda folder: (folder / "tokenizer_config.json").unlink(),
        "it has no tokenizer_config.json",
    ),
    "no words": (lambda folder: (folder / "tokenizer.json").write_text("{}"), "its model has no words"),
    "words in a list": (
        lambda folder: change_json(folder / "tokenizer.json", model={"type": "Unigram", "vocab": [["a", 0.5]]}),
        "its model has no words",
    ),
    "a list": (lambda folder: (folder / "config.json").write_text("[1]"), "config.json is not a JSON object"),
    "labels from 1": (lambda folder: change_json(folder / "config.json", id2label={"1": "a", "2": "b"}), "id2label"),
    "no labels": (lambda folder: change_json(folder / "config.json", id2label=None), "id2label"),
    "no padding": (lambda folder: change_json(folder / "config.json", pad_token_id=None), "pad_token_id"),
    "another kind": (lambda folder: change_json(folder / "config.json", model_type="bert"), "'bert', expected 'brnn'"),
    "no json": (lambda folder: (folder / "config.json").write_text("{"), "config.json is not valid JSON"),
    "fewer words": (drop_last_words, "They belong to different models"),
    "more labels": (
        lambda folder: change_json(folder / "config.json", id2label={"0": "a", "1": "b", "2": "c"}),
        "names 3 labels, but the classifier in model.safetensors has 2",
    ),
    "truncated weights": (
        lambda folder: truncate(folder / "model.safetensors"),
        "holds no complete sequence classifier",
    ),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_that_is_not_whole_is_refused(exported_folder, tmp_path, name):
    folder = shutil.copytree(exported_folder, tmp_path / "model")
    check_model_directory(folder)
    damage, message = FOLDERS[name]
    damage(folder)
    for load in (check_model_directory, TorchClassifier, OnnxClassifier):
        with pytest.raises((FileNotFoundError, ValueError), match=message) as error:
            load(folder)
        assert str(folder) in str(error.value)
        assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_hidden_layers": 2}, r"has missing weights: brnn\.encoder\.layer\.1\."),
        ({"pooling": "last"}, "have other shapes than config.json says"),
        ({"cell_type": "gru"}, "have other shapes than config.json says"),
    ],
)
def test_weights_that_are_not_those_of_the_configuration_are_refused(saved_folder, tmp_path, values, message):
    folder = shutil.copytree(saved_folder, tmp_path / "model")
    change_json(folder / "config.json", **values)
    with pytest.raises(ValueError, match=message):
        TorchClassifier(folder)


@pytest.mark.parametrize(
    "command",
    [
        ("predict.py", "--model", "FOLDER", "some text"),
        ("evaluate_model.py", "--model", "FOLDER", "--checklist"),
        ("export_onnx.py", "FOLDER"),
        ("demo.py", "FOLDER"),
        ("push_to_hub.py", "FOLDER", "--repo_id", "user/name", "--dry_run"),
    ],
)
def test_scripts_refuse_a_folder_with_a_pickle_and_do_not_open_it(saved_folder, tmp_path, command):
    folder = shutil.copytree(saved_folder, tmp_path / "model")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Opened()))
    script, *arguments = [argument.replace("FOLDER", str(folder)) for argument in command]
    process = run_python(REPOSITORY / "scripts" / script, *arguments, cwd=tmp_path, check=False)
    assert process.returncode
    assert "pytorch_model.bin" in process.stderr.splitlines()[-1]
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "opened").exists()
