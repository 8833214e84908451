import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from processes import run_python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from hf_brnn import PRETRAINED, BrnnConfig, BrnnForSequenceClassification, BrnnForTokenClassification
from hf_brnn.apps.space import write_space
from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.dataset import TokenizedDataset
from hf_brnn.data.rows import load_rows
from hf_brnn.hub.layout import check_output_dir
from hf_brnn.hub.push import files_to_push
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.inference.load import load
from hf_brnn.inference.onnx_classifier import OnnxClassifier
from hf_brnn.onnx.export import export_onnx, write_graph

TEXTS = [*load_rows(DataArguments()).texts, "", " \u200b", "word " * 2000]


@pytest.mark.parametrize(
    ("model_class", "pooling"),
    [
        (BrnnForSequenceClassification, "last"),
        (BrnnForSequenceClassification, "max_mean"),
        (BrnnForTokenClassification, "last"),
    ],
    ids=["last", "max_mean", "tokens"],
)
@pytest.mark.parametrize("num_hidden_layers", [1, 3])
@pytest.mark.parametrize(
    ("cell_type", "hidden_act"), [("lstm", "tanh"), ("gru", "tanh"), ("rnn", "tanh"), ("rnn", "relu")]
)
def test_the_graph_agrees_with_torch(tmp_path, cell_type, hidden_act, num_hidden_layers, model_class, pooling):
    torch.manual_seed(0)
    config = BrnnConfig(
        vocab_size=60, embedding_size=9, hidden_size=7, cell_type=cell_type, hidden_act=hidden_act,
        num_hidden_layers=num_hidden_layers, pooling=pooling, num_labels=3, initializer_range=0.5,
    )  # fmt: skip
    model = model_class(config).eval()
    write_graph(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for width in (0, 1, 4, 30):
        input_ids = torch.randint(2, 60, (6, width))
        mask = torch.ones_like(input_ids)
        mask[1, width // 2 :] = 0  # right padding
        mask[2, : width // 2] = 0  # left padding
        mask[3] = 0  # no token
        mask[4] = torch.randint(0, 2, (width,))
        with torch.no_grad():
            expected = model(input_ids, mask).logits
        logits = session.run(None, {"input_ids": input_ids.numpy(), "attention_mask": mask.numpy()})[0]
        np.testing.assert_allclose(logits, expected, atol=1e-5)
    # States cost time to write: those that nothing reads are not.
    nodes = onnx.load(tmp_path / "model.onnx").graph.node
    written = {name for node in nodes for name in node.output if name.startswith("states_")}
    assert written == {name for node in nodes for name in node.input if name.startswith("states_")}


def test_the_exported_files_are_small_and_self_contained(exported_folder):
    sizes = {path.name: path.stat().st_size for path in (exported_folder / "onnx").iterdir()}
    assert set(sizes) == {"model.onnx", "model_quantized.onnx"}
    assert sizes["model_quantized.onnx"] < 0.35 * sizes["model.onnx"]
    model = onnx.load(exported_folder / "onnx" / "model.onnx")
    assert [value.name for value in model.graph.input] == ["input_ids", "attention_mask"]
    assert [value.name for value in model.graph.output] == ["logits"]


def test_the_float_graph_gives_what_torch_gives_on_every_text(exported_folder):
    expected = TorchClassifier(exported_folder)(TEXTS)
    np.testing.assert_allclose(OnnxClassifier(exported_folder, quantized=False)(TEXTS), expected, atol=1e-5)


def test_logits_of_left_padded_and_empty_texts_are_those_of_torch(exported_folder):
    tokenizer = AutoTokenizer.from_pretrained(exported_folder, padding_side="left")
    batch = tokenizer([*TEXTS[:300], ""], padding=True, return_tensors="pt")
    assert batch.attention_mask[:, 0].sum() < 300
    with torch.no_grad():
        expected = AutoModelForSequenceClassification.from_pretrained(exported_folder)(**batch).logits
    session = onnxruntime.InferenceSession(exported_folder / "onnx" / "model.onnx")
    feed = {name: batch[name].numpy() for name in ("input_ids", "attention_mask")}
    np.testing.assert_allclose(session.run(None, feed)[0], expected, atol=1e-5)


def test_the_quantized_graph_gives_nearly_the_same_labels(exported_folder):
    expected = TorchClassifier(exported_folder)(TEXTS)
    found = OnnxClassifier(exported_folder)(TEXTS)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.99
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert np.abs(found - expected).mean() < 0.01


@pytest.mark.parametrize("is_exported", [True, False])
def test_int8_weights_leave_room_for_the_sum_of_two_products(exported_folder, is_exported):
    folder = exported_folder if is_exported else Path(PRETRAINED)
    graph = onnx.load(folder / "onnx" / "model_quantized.onnx").graph
    values = [onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer]
    weights = [value for value in values if value.dtype == np.int8 and value.ndim > 1]
    assert len(weights) >= 4
    largest = max(abs(value.astype(int)).max() for value in weights)
    # Beside activations of up to 255: what fits into 16 bits on a processor without VNNI.
    assert 2 * 255 * largest < 2**15


def test_a_score_does_not_depend_on_batch_mates(exported_folder):
    classifier = OnnxClassifier(exported_folder, quantized=False)
    texts = [*TEXTS[:50], ""]
    alone = np.concatenate([classifier([text]) for text in texts])
    np.testing.assert_allclose(classifier(texts), alone, atol=1e-5)


def test_scores_do_not_depend_on_the_number_of_threads():
    texts = [f"{'so happy' if i % 3 else 'so sad'} {i} " + "really " * (i % 40) for i in range(3_000)]
    expected = OnnxClassifier(PRETRAINED, num_threads=1)(texts)
    np.testing.assert_array_equal(OnnxClassifier(PRETRAINED, num_threads=4)(texts), expected)
    np.testing.assert_array_equal(OnnxClassifier(PRETRAINED)(texts), expected)


def test_several_threads_may_call_one_classifier():
    classifier = OnnxClassifier(PRETRAINED)
    parts = [[f"{'good' if i % 2 else 'bad'} day {i}" for i in range(start, start + 20)] for start in range(200)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(classifier, parts))
    np.testing.assert_array_equal(found, [classifier(part) for part in parts])


def test_a_batch_that_fails_on_its_thread_is_no_silent_one():
    unknown = np.full(300, 10**6, np.int32)
    with pytest.raises(InvalidArgument, match="out of data bounds"):
        OnnxClassifier(PRETRAINED).scores(TokenizedDataset(unknown, np.arange(301), None, 0))


@pytest.mark.parametrize("classifier_class", [OnnxClassifier, TorchClassifier])
def test_padding_and_truncation_of_the_saved_tokenizer_do_not_matter(tmp_path, classifier_class):
    folder = shutil.copytree(PRETRAINED, tmp_path / "model")
    texts = ["so sad " * 20, "happy", ""]
    expected = classifier_class(folder)(texts)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.enable_truncation(2)
    tokenizer.backend_tokenizer.enable_padding(length=40)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    np.testing.assert_array_equal(classifier_class(folder)(texts), expected)


def test_the_classifier_needs_neither_torch_nor_transformers(exported_folder, tmp_path):
    code = f"""
import sys
for name in ("torch", "transformers", "datasets", "pandas", "sklearn"):
    sys.modules[name] = None
from hf_brnn.inference.onnx_classifier import OnnxClassifier
classifier = OnnxClassifier({str(exported_folder)!r})
probabilities = classifier(["so happy, love it", "worst day ever", ""])
print([classifier.label_names[index] for index in probabilities.argmax(axis=1)[:2]])
"""
    assert run_python("-c", code, cwd=tmp_path).stdout.strip() == "['POSITIVE', 'NEGATIVE']"


@pytest.mark.parametrize("missing", ["onnx/model_quantized.onnx", "tokenizer.json", "config.json"])
def test_a_missing_part_is_named(exported_folder, tmp_path, missing):
    folder = shutil.copytree(exported_folder, tmp_path / "model")
    (folder / missing).unlink()
    with pytest.raises(FileNotFoundError, match=missing):
        OnnxClassifier(folder)


def test_a_graph_of_other_weights_is_refused(exported_folder, tmp_path):
    folder = shutil.copytree(exported_folder, tmp_path / "model")
    model = BrnnForSequenceClassification.from_pretrained(folder)
    model.classifier.weight.data.neg_()
    model.save_pretrained(folder)
    for quantized in (True, False):
        with pytest.raises(ValueError, match=r"onnx was exported from other weights .* hf-brnn export"):
            OnnxClassifier(folder, quantized=quantized)


def test_a_damaged_graph_is_named(exported_folder, tmp_path):
    folder = shutil.copytree(exported_folder, tmp_path / "model")
    graph = folder / "onnx" / "model_quantized.onnx"
    graph.write_bytes(graph.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"model_quantized\.onnx can't be loaded .* hf-brnn export"):
        OnnxClassifier(folder)


def test_a_revision_of_a_folder_is_refused(exported_folder):
    with pytest.raises(ValueError, match="a revision is for a model on the Hub"):
        load(exported_folder, revision="main")


def test_an_export_that_fails_leaves_the_folder_as_it_was(exported_folder, tmp_path, monkeypatch):
    folder = shutil.copytree(exported_folder, tmp_path / "model")
    before = sorted(folder.rglob("*"))

    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("hf_brnn.onnx.export.quantize_graph", fail)
    with pytest.raises(KeyboardInterrupt):
        export_onnx(folder)
    assert sorted(folder.rglob("*")) == before


def test_what_a_killed_export_leaves_is_in_nobodys_way(exported_folder, tmp_path):
    folder = shutil.copytree(exported_folder, tmp_path / "model")
    (folder / ".onnx.part").mkdir()
    (folder / ".onnx.part" / "model.onnx").write_bytes(b"half")
    check_output_dir(folder)
    assert not [path for path in files_to_push(folder) if ".onnx.part" in path.parts]
    write_space(folder, tmp_path / "space")
    assert not list((tmp_path / "space").rglob(".onnx.part"))


def test_exporting_again_replaces_the_graphs(exported_folder, tmp_path):
    folder = shutil.copytree(exported_folder, tmp_path / "model")
    (folder / "onnx" / "model.onnx").write_bytes(b"old")
    assert export_onnx(folder) == [folder / "onnx" / "model.onnx", folder / "onnx" / "model_quantized.onnx"]
    assert OnnxClassifier(folder, quantized=False)(["x"]).shape == (1, 2)
    assert not (folder / ".onnx.part").exists()


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is not a model directory: it has no config\.json"):
        export_onnx(tmp_path)


def test_labels_without_names_have_the_default_ones(exported_folder, tmp_path):
    folder = shutil.copytree(exported_folder, tmp_path / "model")
    model = BrnnForSequenceClassification.from_pretrained(folder)
    model.config.id2label = {0: "LABEL_0", 1: "LABEL_1"}
    model.config.save_pretrained(folder)
    assert "id2label" not in (folder / "config.json").read_text()
    assert OnnxClassifier(folder).label_names == ["LABEL_0", "LABEL_1"]
