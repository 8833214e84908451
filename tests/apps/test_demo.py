import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.error import URLError
from urllib.request import urlopen

import gradio as gr
import numpy as np
import pandas as pd
import pytest
from forks import HANGS
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from huggingface_hub import metadata_load, metadata_save
from models import save_model
from playwright.sync_api import expect
from processes import REPOSITORY, run_python

from hf_brnn import PRETRAINED_FOLDER
from hf_brnn.about import DEFAULT_FOLDER
from hf_brnn.apps import demo
from hf_brnn.apps.demo import build_demo
from hf_brnn.apps.space import write_space
from hf_brnn.commands.demo import build_parser
from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.problem_type import MULTI_LABEL, REGRESSION, TOKENS
from hf_brnn.data.rows import load_rows
from hf_brnn.inference.explain import explain
from hf_brnn.inference.onnx_classifier import OnnxClassifier

TEXTS = load_rows(DataArguments()).texts[:6]


@contextmanager
def serve(command, temporary_folder, cwd=REPOSITORY, **environment):
    """Runs a demo until the block ends, with its temporary files in a folder of its own, and gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"TMPDIR": str(temporary_folder), "GRADIO_SERVER_PORT": str(port)} | environment
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=cwd,
        env=environment,
        # A shell that runs in the background has its processes ignore Ctrl+C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        while True:
            assert process.poll() is None, f"the demo ended with {process.returncode}"
            try:
                urlopen(address).close()
                break
            except URLError:
                time.sleep(0.1)
        yield address
        process.send_signal(signal.SIGINT)
        process.wait(HANGS)
    finally:
        process.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serve(["scripts/demo.py", PRETRAINED_FOLDER], tmp_path_factory.mktemp("temporary")) as address:
        yield address


@pytest.fixture(scope="module")
def client(server):
    return Client(server, verbose=False)


@pytest.fixture
def page(server, browser):
    expect.set_options(timeout=600_000)
    page = browser.new_page(accept_downloads=True)
    page.set_default_timeout(600_000)
    elsewhere = []
    page.on("request", lambda request: elsewhere.append(request.url) if is_elsewhere(request.url, server) else None)
    page.goto(server)
    yield page
    page.close()
    assert not elsewhere


def is_elsewhere(url, server):
    return not url.startswith((server, "data:", "blob:"))


@pytest.fixture(scope="module")
def classifier():
    return OnnxClassifier(PRETRAINED_FOLDER)


def choose_file(page, path):
    page.get_by_role("tab", name="File").click()
    page.get_by_role("tabpanel").get_by_label("File upload").first.set_input_files(path)


def download(page):
    with page.expect_download() as started:
        page.locator("a[download*=scored]").click()
    return started.value


def test_a_text_gets_its_label_and_what_each_word_did(page, classifier):
    text = "I do not recommend this product <b>ever</b>"
    page.get_by_label("Text").fill(text)
    page.get_by_label("Text").press("Enter")
    words = page.locator(".words")
    expect(words).to_be_visible()
    expect(page.get_by_test_id("label-output-value")).to_have_text("NEGATIVE")
    scores = dict(zip(classifier.label_names, classifier([text])[0]))
    for name, score in scores.items():
        shown = re.search(rf"{name}\s*(\d+)%", page.locator(".confidence-set", has_text=name).inner_text())
        assert abs(int(shown[1]) - 100 * score) < 2
    spans = words.locator("span").all()
    effects = {
        span.evaluate("span => span.firstChild.textContent"): float(span.locator("small").inner_text())
        for span in spans
    }
    assert list(effects)[:6] == ["I", "do", "not", "recommend", "this", "product"]
    expected = [effect for _, effect in explain(classifier, text).parts if effect is not None]
    np.testing.assert_allclose([*effects.values()], expected, atol=0.1)
    assert words.locator("span", has_text="not").get_attribute("class") == "for"


def test_a_text_without_a_known_word_gets_no_label(client):
    label, words = client.predict("xqwzf fdsf!!", api_name="/classify")
    assert label == {"label": "No known word", "confidences": None}
    assert "knows none of these words" in words


def test_an_example_is_classified_by_a_click(page):
    page.get_by_text("so happy with it").click()
    expect(page.get_by_test_id("label-output-value")).to_have_text("POSITIVE")


def test_the_answer_is_above_the_examples(page):
    example = page.get_by_text("so happy with it")
    assert page.locator(".answer").first.is_hidden()
    example.click()
    expect(page.locator(".words")).to_be_visible()
    below_button, answer, below_answer = (
        each.bounding_box()["y"]
        for each in (page.get_by_role("button", name="Classify"), page.locator(".words"), example)
    )
    assert below_button < answer < below_answer


def test_a_text_that_fails_or_changes_loses_its_answer(page):
    text, words = page.get_by_label("Text"), page.locator(".words")
    alert = page.get_by_role("alert")
    for change, problem in (
        (lambda: text.fill("x" * 1001), "The text has 1,001 characters; the limit is 1,000."),
        (lambda: text.fill(" "), "Type a text first."),
    ):
        page.get_by_text("so happy with it").click()
        expect(words).to_contain_text("happy")
        expect(alert).to_have_count(0)
        change()
        expect(page.locator(".answer").first).to_be_hidden()
        text.press("Enter")
        expect(alert).to_have_text(problem)
        assert is_right_below(alert, text)
        assert page.locator(".answer").first.is_hidden()


def is_right_below(alert, field):
    """Returns whether a problem stands below its field, and nothing else is between them."""
    box, of_field = alert.bounding_box(), field.bounding_box()
    return 0 < box["y"] - of_field["y"] - of_field["height"] < 60


def test_an_answer_that_comes_late_is_not_shown_beside_another_text(page):
    text, held = page.get_by_label("Text"), []
    page.route("**/queue/data*", lambda route: held.append(route), times=1)
    text.fill("so sad")
    with page.expect_request("**/queue/data*"):
        text.press("Enter")
    text.fill("so happy")
    page.evaluate(
        """() => {
            const answer = document.querySelector(".answer");
            const options = { childList: true, subtree: true };
            window.seen = "";
            new MutationObserver(() => (window.seen += answer.textContent)).observe(answer, options);
        }"""
    )
    # The answers of a page come in one stream, in order.
    text.press("Enter")
    held[0].continue_()
    expect(page.locator(".words")).to_contain_text("happy")
    assert "sad" not in page.evaluate("window.seen")


def test_a_file_comes_back_scored_row_by_row(page, classifier, tmp_path):
    texts = [f"{'happy' if i % 3 else 'sad'}, number {i}\nof many " + "really " * (i % 17) for i in range(300)]
    pd.DataFrame({"id": range(300), "tweet": texts}).to_csv(tmp_path / "mine.csv", index=False)
    choose_file(page, tmp_path / "mine.csv")
    expect(page.get_by_label("Column of the texts")).to_have_value("tweet")
    page.get_by_role("button", name="Score").click()
    file = download(page)
    assert file.suggested_filename == "mine.scored.csv"
    scored = pd.read_csv(file.path())
    assert scored["id"].tolist() == list(range(300))
    assert scored["tweet"].tolist() == texts
    probabilities = classifier(texts)
    assert scored["label"].tolist() == [classifier.label_names[i] for i in probabilities.argmax(axis=1)]
    np.testing.assert_allclose(scored["score"], probabilities.max(axis=1), atol=1e-5)


def test_pasted_lines_come_back_scored(page, classifier):
    texts = ["so happy", 'so sad, "really"', "best day ever"]
    page.get_by_role("tab", name="Many texts").click()
    page.get_by_label("One text a line").fill("\n\n".join(texts))
    page.get_by_role("button", name="Score").click()
    scored = pd.read_csv(download(page).path())
    assert scored["text"].tolist() == texts
    np.testing.assert_allclose(scored["score"], classifier(texts).max(axis=1), atol=1e-5)


def test_limits_that_are_passed_are_named(page, tmp_path):
    page.get_by_label("Text").fill("x" * 1001)
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_text("The text has 1,001 characters; the limit is 1,000.")).to_be_visible()
    (tmp_path / "big.csv").write_text("text\n" + "a\n" * 10_500_000)
    choose_file(page, tmp_path / "big.csv")
    expect(page.get_by_text("exceed the maximum allowed size of 20.0 Mb")).to_be_visible()


def test_the_column_of_the_texts_is_chosen_from_a_list(page, classifier, tmp_path):
    rows = [{"id": "tweet 1", "note": "so sad", "body": "so happy with all of it"}] * 3
    pd.DataFrame(rows).to_json(tmp_path / "mine.jsonl", orient="records", lines=True)
    column = page.get_by_label("Column of the texts")
    page.get_by_role("tab", name="File").click()
    expect(column).to_be_hidden()
    choose_file(page, tmp_path / "mine.jsonl")
    expect(column).to_have_value("body")
    column.click()
    expect(page.get_by_role("option")).to_have_text([re.compile(name) for name in ("id", "note", "body")])
    page.get_by_role("option", name="note").click()
    page.get_by_role("button", name="Score").click()
    scored = pd.read_json(download(page).path(), lines=True)
    assert scored["label"].tolist() == classifier.predict(["so sad"] * 3)
    page.get_by_label("Clear").click()
    expect(column).to_be_hidden()
    expect(page.locator("a[download*=scored]")).to_be_hidden()


def test_a_file_that_cannot_be_read_is_named_below_its_field(page, write_file):
    alert, result = page.get_by_role("alert"), page.locator("a[download*=scored]")
    column = page.get_by_label("Column of the texts")
    choose_file(page, write_file("good.csv", "text\nso happy\n"))
    expect(column).to_have_value("text")
    page.get_by_role("button", name="Score").click()
    expect(result).to_be_visible()
    for name, content, message in (
        ("photo.png", "PNG", "photo.png is not one of .csv, .tsv, .json, .jsonl, .parquet, .txt."),
        ("fields.csv", "id,text\n1,a\n2,b,c\n", "fields.csv, line 3: 3 fields instead of 2"),
    ):
        page.get_by_label("Clear").click()
        choose_file(page, write_file(name, content))
        expect(alert).to_contain_text(message)
        expect(result).to_be_hidden()
        expect(column).to_be_hidden()
        assert is_right_below(alert, page.get_by_label(name))
    page.get_by_role("button", name="Score").click()
    expect(alert).to_contain_text("fields.csv, line 3: 3 fields instead of 2")


def test_scoring_that_fails_names_the_row_and_clears_the_results(page, write_file):
    alert, result = page.get_by_role("alert"), page.locator("a[download*=scored]")
    page.get_by_role("tab", name="Many texts").click()
    lines, button = page.get_by_label("One text a line"), page.get_by_role("button", name="Score")
    lines.fill("so happy")
    button.click()
    expect(result).to_be_visible()
    lines.fill("so happy\n" + "x" * 1001)
    button.click()
    expect(alert).to_contain_text("lines.txt, line 2: the text has 1,001 characters; the limit is 1,000.")
    assert is_right_below(alert, lines)
    expect(result).to_be_hidden()

    choose_file(page, write_file("long.csv", "text,note\nso happy," + "x" * 1001 + "\n"))
    column = page.get_by_label("Column of the texts")
    expect(column).to_have_value("text")
    button.click()
    expect(result).to_be_visible()
    column.click()
    page.get_by_role("option", name="note").click()
    button.click()
    expect(alert).to_contain_text("long.csv, line 2: the text has 1,001 characters; the limit is 1,000.")
    assert is_right_below(alert, column)
    expect(result).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("many.csv", "text\n" + "a\n" * 100_001, "many.csv has more than 100,000 rows"),
        ("long.csv", "text\na\n" + "b" * 1001 + "\n", "long.csv, line 3: the text has 1,001 characters"),
        ("fields.csv", "id,text\n1,a\n2,b,c\n", "fields.csv, line 3: 3 fields instead of 2"),
        ("null.jsonl", '{"text": "a"}\n{"text": null}\n', "null.jsonl, line 2: field 'text' is None"),
        ("column.csv", "tweet\na\n", "column.csv: no column 'text' among tweet"),
        ("empty.txt", "", "empty.txt: there are no rows to score"),
        ("broken.parquet", "PAR1", "broken.parquet: not a readable parquet file"),
        ("deep.jsonl", '{"text": "a", "x": ' + "[" * 900 + "]" * 900 + "}", "deep.jsonl, line 1: more than 100 levels"),
        ("bomb.csv", "text\n" + "a" * 17_000_000, "bomb.csv, line 2: more than 16,777,216 characters"),
    ],
)
def test_a_file_that_cannot_be_scored_is_named_with_its_place(client, write_file, name, content, message):
    with pytest.raises(AppError) as error:
        client.predict(handle_file(write_file(name, content)), "text", api_name="/score_upload")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_an_upload_whose_process_dies_leaves_the_demo_alive(write_file, monkeypatch):
    source = write_file("a.csv", "text\nso happy\n")
    for code, message in ((-signal.SIGALRM, "takes longer than 600 seconds"), (-signal.SIGABRT, r"exit code -6")):
        with monkeypatch.context() as patch:
            patch.setattr("sys.executable", str(write_file("python", f"#!/bin/sh\nkill -{-code} $$\n")))
            (source.parent / "python").chmod(0o755)
            with pytest.raises(gr.Error, match=f"a.csv .*{message}"):
                next(demo.score(PRETRAINED_FOLDER, source, "text", lambda *_, **__: None))
    _, preview = next(demo.score(PRETRAINED_FOLDER, source, "text", lambda *_, **__: None))
    assert preview[0][0] == "POSITIVE"


def test_a_compressed_upload_is_refused(client, write_file):
    with pytest.raises(AppError, match=r"a.csv.gz is not one of .csv, .tsv"):
        client.predict(handle_file(write_file("a.csv.gz", b"x")), "text", api_name="/score_upload")


@pytest.mark.parametrize(
    ("arguments", "api_name", "message"),
    [
        ([" "], "/classify", "Type a text first."),
        (["\n \n"], "/score_lines", "Paste some lines first."),
        ([None, "text"], "/score_upload", "Choose a file first."),
    ],
)
def test_empty_input_is_said_to_be_empty(client, arguments, api_name, message):
    with pytest.raises(AppError, match=message):
        client.predict(*arguments, api_name=api_name)


def test_a_short_request_does_not_wait_for_a_long_file(server, client, tmp_path):
    pd.DataFrame({"text": [f"number {i} " + "really " * 20 for i in range(40_000)]}).to_csv(tmp_path / "long.csv")
    other = Client(server, verbose=False)
    job = client.submit(handle_file(tmp_path / "long.csv"), "text", api_name="/score_upload")
    while not (progress := job.status().progress_data):
        time.sleep(0.05)
    assert progress[0].length == 40_000
    probabilities, _ = other.predict("so happy", api_name="/classify")
    scored, _ = other.predict("so happy\nso sad", api_name="/score_lines")
    progress = job.status().progress_data
    assert progress and progress[0].index < 40_000
    assert probabilities["label"] == "POSITIVE"
    assert len(pd.read_csv(scored)) == 2
    scored, _ = job.result()
    assert len(pd.read_csv(scored)) == 40_000


def test_the_limits_of_the_card_can_be_read(page):
    limits = page.get_by_text("It does not detect irony.")
    expect(limits).to_be_hidden()
    page.get_by_role("button", name="Limits and biases").click()
    expect(limits).to_be_visible()
    expect(page.get_by_text("one of 2 labels: NEGATIVE, POSITIVE.")).to_be_visible()
    expect(page.get_by_text("Up to 1,000 characters.")).to_be_visible()
    page.get_by_role("tab", name="File").click()
    expect(page.get_by_text("up to 20 MB. Up to 100,000 rows, each of up to 1,000 characters.")).to_be_visible()


@pytest.fixture
def open_demo(tmp_path, browser):
    """Serves the demo of a random model of a kind, and opens it; returns the page, a client and the classifier."""
    opened = []

    def open_kind(problem_type, names, thresholds=None, name="model", examples=()):
        model = save_model(tmp_path / "model", problem_type, names, TEXTS, thresholds)
        metadata_save(model / "README.md", {"widget": [{"text": example} for example in examples]})
        classifier = OnnxClassifier(model)
        demo = build_demo(model, name)
        _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False)
        page = browser.new_page()
        opened.extend((page, demo))
        page.goto(address)
        return page, Client(address, verbose=False), classifier

    yield open_kind
    for each in opened:
        each.close()


def show(page, text, button="Classify"):
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name=button).click()
    expect(page.locator(".words").first).to_be_visible()


def test_labels_that_pass_their_thresholds_are_marked(open_demo):
    page, client, classifier = open_demo(MULTI_LABEL, ["anger", "joy", "fear"], [0.6, 0.7, 0.6])
    found = {tuple(labels) for labels in classifier.predict(TEXTS)}
    assert () in found
    assert max(map(len, found)) > 1
    for text in TEXTS:
        answer, words = client.predict(text, api_name="/classify")
        (chosen,), (scores,) = classifier.predict([text]), classifier([text])
        assert re.search('"verdict">(.*?)<', answer)[1] == (", ".join(chosen) or "No label")
        assert re.findall("✓ (\\w+)<", answer) == sorted(
            chosen, key=lambda name: -scores[classifier.label_names.index(name)]
        )
        assert re.findall(r">([\d.]+) %", answer) == [f"{100 * score:.1f}" for score in sorted(scores, reverse=True)]
        assert f"the log odds of <strong>{classifier.label_names[scores.argmax()]}</strong>, " in words
    show(page, TEXTS[0])
    expect(page.locator(".scores tr")).to_have_count(3)
    scored, preview = client.predict("\n".join(TEXTS), api_name="/score_lines")
    assert pd.read_csv(scored, keep_default_na=False)["label"].tolist() == list(
        map("|".join, classifier.predict(TEXTS))
    )
    assert preview["headers"] == ["label", "score", "text"]


def test_names_are_text_not_html(open_demo):
    name, label = "<img src=x>model", "<img src=x onerror=console.error(1)>_b_"
    page, *_ = open_demo(MULTI_LABEL, [label, "b"], name=name, examples=[f"so {label}"])
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.get_by_text(f"any of 2 labels: {label}, b.")).to_be_visible()
    page.get_by_text(f"so {label}").click()
    expect(page.locator(".words").first).to_be_visible()
    assert page.locator("img[src=x]").count() == 0


def test_numbers_are_shown_with_their_targets(open_demo):
    page, client, classifier = open_demo(REGRESSION, ["valence", "arousal"])
    show(page, TEXTS[0], "Predict")
    explanation = explain(classifier, TEXTS[0])
    cells = [row.split("\t") for row in page.locator(".scores").inner_text().split("\n")]
    assert [name for name, _ in cells] == ["valence", "arousal"]
    np.testing.assert_allclose([float(number) for _, number in cells], explanation.probabilities, rtol=0.005)
    notes = [float(note) for note in page.locator(".words small").all_inner_texts()]
    effects = [effect for _, effect in explanation.parts if effect is not None]
    np.testing.assert_allclose(notes, effects, atol=0.05 * max(map(abs, effects)))
    expect(page.get_by_text("Teal words raise valence, orange ones lower it, compared with")).to_be_visible()
    assert "%" not in page.locator(".gradio-container").inner_text()
    scored, preview = client.predict("\n".join(TEXTS), api_name="/score_lines")
    table = pd.read_csv(scored)
    assert list(table) == ["text", "score_valence", "score_arousal"]
    np.testing.assert_allclose(table[["score_valence", "score_arousal"]], classifier(TEXTS), atol=1e-5)
    assert preview["headers"] == ["score_valence", "score_arousal", "text"]
    np.testing.assert_allclose([list(map(float, row[:2])) for row in preview["data"]], classifier(TEXTS), atol=1e-3)


def test_words_are_shown_with_their_tags(open_demo, tmp_path):
    page, client, classifier = open_demo(TOKENS, ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"])
    text = "  ".join(TEXTS)
    show(page, text)
    (tags,) = classifier.predict([text])
    assert set(tags) == set(classifier.label_names)
    tagged = [[word, tag] for word, tag in zip(text.split(), tags) if tag != "O"]
    words, legend = page.locator(".words").all()
    nodes = "spans => spans.map(span => [...span.childNodes].map(node => node.textContent))"
    assert words.locator(".tag").evaluate_all(nodes) == tagged
    assert words.text_content().split() == [word + tag.removeprefix("O") for word, tag in zip(text.split(), tags)]
    color = "spans => spans.map(span => span.style.getPropertyValue('--hue'))"
    colors = dict(zip((tag[2:] for _, tag in tagged), words.locator(".tag").evaluate_all(color)))
    shown = dict(zip(legend.locator(".tag").all_inner_texts(), legend.locator(".tag").evaluate_all(color)))
    assert shown == colors
    assert len(set(shown.values())) == 2
    assert client.predict("xqwzf fdsf", api_name="/classify").startswith('<p class="hint">The model knows none')

    rows = [{"tokens": text.split()} for text in TEXTS]
    pd.DataFrame(rows).to_json(tmp_path / "words.jsonl", orient="records", lines=True)
    scored, preview = client.predict(handle_file(tmp_path / "words.jsonl"), "tokens", api_name="/score_upload")
    expected = [" ".join(tags) for tags in classifier.predict(TEXTS)]
    assert pd.read_json(scored, lines=True)["label"].tolist() == expected
    assert [[row[0], row[2]] for row in preview["data"]] == [list(row) for row in zip(expected, TEXTS)]
    pd.DataFrame([{"tokens": ["a"] * 501}]).to_json(tmp_path / "long.jsonl", orient="records", lines=True)
    with pytest.raises(AppError, match=r"long.jsonl, line 1: the text has 1,001 characters"):
        client.predict(handle_file(tmp_path / "long.jsonl"), "tokens", api_name="/score_upload")


def test_without_a_model_it_shows_the_one_of_labels_by_people():
    assert build_parser().parse_args([]).model == str(DEFAULT_FOLDER)


def test_a_space_works_alone_and_leaves_no_file_behind(tmp_path):
    space = tmp_path / "space"
    run_python("scripts/demo.py", PRETRAINED_FOLDER, "--space", space)
    card = (space / "README.md").read_text()
    assert card.startswith("---\n")
    assert "sdk: gradio" in card
    assert "app_file: app.py" in card
    assert requirements(space) == {"numpy", "onnxruntime", "pyarrow", "safetensors", "tokenizers", "tqdm"}
    size = sum(path.stat().st_size for path in space.rglob("*"))
    assert size < 1.2 * sum(path.stat().st_size for path in PRETRAINED_FOLDER.rglob("*"))

    moved = space.rename(tmp_path / "elsewhere")
    missing = tmp_path / "missing"
    missing.mkdir()
    for name in ("hf_brnn", "torch", "transformers"):
        (missing / f"{name}.py").write_text("raise ImportError")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with serve(["app.py"], temporary, moved, PYTHONPATH=str(missing)) as address:
        client = Client(address, verbose=False, download_files=tmp_path / "downloads")
        scored, _ = client.predict("so happy\nso sad", api_name="/score_lines")
        assert pd.read_csv(scored)["label"].tolist() == ["POSITIVE", "NEGATIVE"]
        assert any(path.is_file() for path in temporary.rglob("*"))
    assert not any(path.is_file() for path in temporary.rglob("*"))


def test_the_space_of_a_folder_without_graphs_requires_torch(tmp_path):
    folder = shutil.copytree(PRETRAINED_FOLDER, tmp_path / "mine", ignore=shutil.ignore_patterns("onnx"))
    run_python("scripts/demo.py", folder, "--space", tmp_path / "space")
    assert {"torch", "transformers"} < requirements(tmp_path / "space")
    assert (tmp_path / "space" / "model" / "model.safetensors").is_file()


@pytest.mark.parametrize("name", ["hf_brnn", 'it"s', "2024: v1", "123"])
def test_a_space_takes_a_folder_of_any_name(tmp_path, name):
    folder = shutil.copytree(PRETRAINED_FOLDER, tmp_path / "models" / name)
    card = (folder / "README.md").read_text()
    (folder / "README.md").write_text(card.replace("license: apache-2.0\n", ""))
    space = tmp_path / "spaces" / "space"
    write_space(folder, space)
    assert f'"model", {name!r})' in compiled(space / "app.py")
    metadata = metadata_load(space / "README.md")
    assert metadata["title"] == name
    assert "license" not in metadata
    assert [path.name for path in space.parent.iterdir()] == ["space"]
    (folder / ".env").write_text("TOKEN=secret")
    with pytest.raises(FileExistsError, match=r"not part of a model directory: \.env"):
        write_space(folder, tmp_path / "spaces" / "other")


def compiled(path):
    code = path.read_text()
    compile(code, path, "exec")
    return code


def requirements(space):
    return {line.partition("==")[0] for line in (space / "requirements.txt").read_text().splitlines()}


def test_what_cannot_be_served_is_named(tmp_path):
    process = run_python("scripts/demo.py", tmp_path / "none", check=False)
    assert f"{tmp_path / 'none'} is not a model directory" in process.stderr
    process = run_python("scripts/demo.py", "--space", tmp_path, check=False)
    assert f"{tmp_path} exists already" in process.stderr
