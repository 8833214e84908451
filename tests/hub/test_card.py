import dataclasses
import json
import shutil
from html import escape

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from models import save_model
from reports import make_model, make_report
from safetensors.torch import load_file

from hf_brnn import PRETRAINED_FOLDER
from hf_brnn.data.augmentation import OTHER_LABEL_SHARE
from hf_brnn.data.problem_type import SINGLE_LABEL
from hf_brnn.hub.card import add_baselines, build_card, rebuild_card
from hf_brnn.hub.save import save_model_directory
from hf_brnn.model.tokenization_brnn import train_tokenizer


@pytest.fixture
def card_of(tmp_path, monkeypatch):
    monkeypatch.setattr("hf_brnn.hub.save.plot_curves", lambda *args: args[1].with_suffix(".png").touch())
    monkeypatch.setattr("hf_brnn.hub.save.plot_result", lambda *args: (args[1] / "reliability.png").touch())

    def save(report):
        save_model_directory(tmp_path / "m", make_model(), train_tokenizer(["a b c d"], 10), report)
        return ModelCard.load(tmp_path / "m" / "README.md")

    return save


def test_it_says_whether_scores_are_calibrated(card_of):
    report = make_report()
    assert "a temperature of 1.250" in card_of(report).text
    report = dataclasses.replace(report, temperature=1.0, results={"validation": report.results["test"]})
    text = card_of(report).text
    assert "temperature" not in text
    assert "| validation | 9 |" in text


def test_it_names_a_dataset_of_the_hub(card_of):
    card = card_of(make_report(dataset_name="stanfordnlp/sentiment140"))
    assert card.data.datasets == ["stanfordnlp/sentiment140"]
    assert "demonstration" not in card.text
    assert "Their labels come from emoticons" in card.text


def test_a_model_of_other_texts_has_neither_license_nor_language(card_of):
    card = card_of(make_report(data_files=["reviews.csv"]))
    assert card.data.license is card.data.language is card.data.datasets is None
    assert "reviews.csv" in card.text
    assert "Sentiment140" not in card.text


def test_it_tells_of_emoticons_that_were_put_in(card_of):
    plain, told = (card_of(make_report(emoticon_prob=share)).text for share in (0.0, 0.03))
    assert "3 % of the training texts got one back" in told
    assert f"{100 * OTHER_LABEL_SHARE:.3g} % of these the emoticon of the other label" in told
    assert "`:)`" not in plain


def test_it_shows_each_class(card_of):
    text = card_of(make_report()).text
    assert "By class, on the test split:" in text
    assert "| LABEL_0 | 1.0000 | 1.0000 | 1.0000 | 1 |" in text


def test_names_are_text_not_html(tmp_path):
    label = "<img src=x onerror=alert(1)>|*b* [c](d) `e"
    folder = save_model(tmp_path / "<b>model", SINGLE_LABEL, [label, "snake_case"], ["so happy", "never"])
    text = MarkdownIt("commonmark").enable("table").render(build_card(folder).text)
    assert "<b>" not in text and "<img src=x" not in text
    assert f"Labels: {escape(label)}, snake_case." in text


def test_results_come_before_use_and_the_configuration_is_a_link(card_of):
    text = card_of(make_report()).text
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["## Results", "## Use", "## Training", "## Limits and biases"]
    assert "(training_config.yaml)" in text
    assert "```yaml" not in text


def test_an_undefined_metric_is_left_out_of_the_metadata(card_of, tmp_path):
    report = make_report()
    report.metrics["test"]["roc_auc"] = float("nan")
    card = card_of(report)
    assert "roc_auc" not in {result.metric_type for result in card.data.eval_results}
    assert "| undefined |" in card.text
    assert json.loads((tmp_path / "m" / "metrics.json").read_text())["test"]["roc_auc"] is None


def test_it_is_rebuilt_from_the_directory(card_of, tmp_path):
    before = str(card_of(make_report()))
    (tmp_path / "m" / "README.md").unlink()
    rebuild_card(tmp_path / "m")
    assert (tmp_path / "m" / "README.md").read_text() == before


def test_a_rebuilt_card_keeps_baselines_and_what_people_set(card_of, tmp_path):
    card = card_of(make_report(data_files=["reviews.csv"]))
    card.data.license, card.data.language = "mit", "de"
    card.save(tmp_path / "m" / "README.md")
    add_baselines(tmp_path / "m", "| fastText |")
    rebuilt = build_card(tmp_path / "m")
    assert (rebuilt.data.license, rebuilt.data.language) == ("mit", "de")
    assert rebuilt.text.count("| fastText |") == 1


@pytest.mark.parametrize("missing", ["metrics.json", "training_config.yaml"])
def test_a_missing_file_leaves_gaps_that_are_named(tmp_path, missing):
    folder = shutil.copytree(PRETRAINED_FOLDER, tmp_path / "mine", ignore=shutil.ignore_patterns(missing, "README.md"))
    text = build_card(folder).text
    assert ("No results: the directory has no metrics.json." in text) == (missing == "metrics.json")
    assert ("holds all values of the run" in text) == (missing != "training_config.yaml")
    parameters = sum(weight.numel() for weight in load_file(folder / "model.safetensors").values())
    assert f"{parameters:,} parameters" in text
    assert "None" not in text.replace("run(None", "")


def test_a_table_of_baselines_replaces_an_earlier_one(card_of, tmp_path):
    card_of(make_report())
    path = tmp_path / "m" / "README.md"
    without = path.read_text()
    add_baselines(tmp_path / "m", "| first |")
    add_baselines(tmp_path / "m", "| second |")
    text = path.read_text()
    assert "| first |" not in text
    assert [line for line in text.splitlines() if line not in without.splitlines()] == ["| second |"]
    path.write_text(without.replace("<!-- baselines -->", "<!-- peers -->"))
    add_baselines(tmp_path / "m", "| third |")
    assert "| third |" in path.read_text()
    path.write_text("a card of my own")
    with pytest.raises(ValueError, match="no line <!-- baselines -->"):
        add_baselines(tmp_path / "m", "| fourth |")
    assert path.read_text() == "a card of my own"
