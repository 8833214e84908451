import functools
import os
import re
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
import torch
from playwright.sync_api import expect
from processes import REPOSITORY

from hf_brnn import BrnnConfig, BrnnForSequenceClassification
from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.dataset import tokenize
from hf_brnn.data.known_words import known_word_shares
from hf_brnn.data.rows import load_rows
from hf_brnn.hub.layout import GRAPH, QUANTIZED_GRAPH
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.inference.explain import explain
from hf_brnn.inference.onnx_classifier import OnnxClassifier
from hf_brnn.model.tokenization_brnn import save_tokenizer, train_tokenizer
from hf_brnn.onnx.export import write_graph
from hf_brnn.onnx.quantize import quantize_graph

pytestmark = pytest.mark.node

WEB = REPOSITORY / "web"
TIMEOUT_MS = 600_000  # guards against hanging
SAMPLE = load_rows(DataArguments()).texts[:500]
STRANGE = {
    "empty": "",
    "emoji": "😀❤️👍🏽 finally home 👨‍👩‍👧",
    "long": "what a happy day " * 2500,
    "right-to-left": "أنا سعيد جدا اليوم، שלום וברכה",
    "without words": "\u200b \n ",
    "Greek capitals": "ΟΔΥΣΣΕΑΣ ΚΑΙ Σ",
    "special tokens": "[UNK] [PAD] so happy &lt;3 soooo GOOD!!!!! http://a.b @me",
}


def build(folder, target):
    """Builds the page for a model directory; returns the finished process."""
    assert shutil.which("npm"), "The page's tests need Node.js: run make test, or make test-core for the others."
    assert (WEB / "node_modules").is_dir(), "The page's packages are missing: run npm --prefix web ci"
    return subprocess.run(
        ["npm", "--prefix", WEB, "run", "build", "--", "--outDir", target],
        env=os.environ | {"FOLDER": str(folder)},
        capture_output=True,
        text=True,
    )


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def serve(tmp_path_factory):
    """Builds the page for a model directory and serves it; returns its address and where it lies."""
    servers = []

    def build_and_serve(folder):
        target = tmp_path_factory.mktemp("web")
        process = build(folder, target)
        assert process.returncode == 0, process.stderr
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=target))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/", target

    yield build_and_serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def built(serve, exported_folder):
    return serve(exported_folder)


@pytest.fixture
def open_page(browser):
    """Opens the page and waits for its first answer. Whatever a test does there, the console stays empty and every
    request goes to the page's own server."""
    expect.set_options(timeout=TIMEOUT_MS)
    complaints, requests, contexts = [], [], []

    def open_at(address, **options):
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        context.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        expect(page.locator("#answer")).to_be_visible()
        page.requests = requests
        return page

    yield open_at
    origins = {context.pages[0].evaluate("location.origin") for context in contexts}
    elsewhere = [url for url in requests if not url.startswith((*origins, "data:", "blob:"))]
    for context in contexts:
        context.close()
    assert complaints == []
    assert elsewhere == []


@pytest.fixture
def page(open_page, built):
    return open_page(built[0])


@pytest.fixture(scope="module")
def classifier(exported_folder):
    """The same int8 graph in Python, one text at a time: activations are quantized by the largest in a batch, so that a
    score depends on the texts beside it, by 0.01 and more."""
    return OnnxClassifier(exported_folder, batch_size=1, num_threads=1)


def choose_file(page, name, content):
    page.get_by_label("Or a csv file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})


def type_text(page, text):
    """Puts a text into the box; returns the label and the score that the page then shows."""
    page.get_by_label("Text", exact=True).fill(text)
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    score = page.locator("#score").inner_text() or "0 %"
    return page.locator("#label").inner_text(), float(score.removesuffix(" %")) / 100


def test_a_csv_comes_back_with_the_labels_and_scores_of_python(page, classifier, exported_folder):
    table = pd.DataFrame({"id": range(len(SAMPLE) + len(STRANGE)), "text": [*SAMPLE, *STRANGE.values()]})
    choose_file(page, "tweets.csv", table.to_csv(index=False).encode())
    expect(page.get_by_label("Column of the texts")).to_have_value("text")
    page.get_by_role("button", name="Score").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "tweets-scored.csv"
    scored = pd.read_csv(download.value.path(), keep_default_na=False)

    assert list(scored.columns) == ["id", "text", "label", "score"]
    pd.testing.assert_frame_equal(scored[["id", "text"]], table)
    expected = classifier(table["text"].tolist())
    np.testing.assert_allclose(scored["score"], expected.max(axis=1), atol=0.01)
    assert scored["label"].tolist() == [classifier.label_names[best] for best in expected.argmax(axis=1)]

    # int8 moves a probability by some hundredths: torch's label is the same wherever it is clear.
    torch_scores = TorchClassifier(exported_folder, batch_size=16)(table["text"].tolist())
    is_clear = torch_scores.max(axis=1) > 0.6
    assert is_clear.mean() > 0.8
    labels = np.array(classifier.label_names)[torch_scores.argmax(axis=1)]
    assert (scored["label"] == labels)[is_clear].all()


def test_a_typed_text_gets_the_answer_of_python(page, classifier):
    for kind, text in STRANGE.items():
        probabilities = classifier([text])[0]
        label, score = type_text(page, text)
        tokenized = tokenize([text], classifier.encode, classifier.pad_token_id)
        if not known_word_shares(tokenized, classifier.tokenizer)[0]:
            assert label == "No known word", kind
            assert page.locator("#bars > li").count() == 0
            continue
        assert label == classifier.label_names[probabilities.argmax()], kind
        assert score == pytest.approx(probabilities.max(), abs=0.01), kind


def test_the_effects_of_words_are_those_of_python(page, classifier):
    text = "  so happy with it, but the battery is terrible, @Bob :("
    type_text(page, text)
    effects = [(part, effect) for part, effect in explain(classifier, text).parts if effect is not None]
    shown = page.locator("#words > .word")
    assert [word.locator("span").inner_text() for word in shown.all()] == [part for part, _ in effects]
    points = [int(word.locator("small").inner_text().replace("−", "-") or 0) for word in shown.all()]
    np.testing.assert_allclose(points, [100 * effect for _, effect in effects], atol=1)
    assert min(points) < 0 < max(points)
    colours = [word.locator("span").get_attribute("class") for word in shown.all()]
    assert colours == ["raises" if effect > 0 else "lowers" if effect < 0 else "" for effect in points]


def test_a_long_text_is_scored_without_its_words(page):
    type_text(page, "good " * 100)
    assert page.locator("#words > .word").count() == 100
    type_text(page, "good " * 101)
    assert page.locator("#words > .word").count() == 0
    expect(page.get_by_text("Shown for texts of up to 100 words.")).to_be_visible()


def test_a_file_is_scored_with_progress_while_texts_are_typed(page):
    choose_file(page, "tweets.csv", pd.DataFrame({"text": SAMPLE * 6}).to_csv(index=False).encode())
    page.get_by_role("button", name="Score").click()
    progress = page.get_by_role("progressbar", name="Texts scored")
    expect(progress).to_be_visible()
    expect(page.get_by_text(re.compile(r"^[1-9][\d,]* of 3,000 texts"))).to_be_visible()
    type_text(page, "so happy")
    assert 0 < progress.evaluate("bar => bar.value") < progress.evaluate("bar => bar.max") == 3000
    expect(page.locator("#done")).to_be_visible()
    expect(progress).to_be_hidden()
    expect(page.get_by_role("row")).to_have_count(101)
    expect(page.get_by_text("The first 100 rows; the file has all 3,000.")).to_be_visible()


def test_a_csv_that_cannot_be_used_is_refused(page):
    for content, problem in (
        (b"id,text\n1,fine\n2,good,bad\n", "tweets.csv, row 2 below the header: Too many fields"),
        (b"id,text\n1,caf\xe9\n", "tweets.csv: not UTF-8"),
        (b"text,text\n1,fine\n", "tweets.csv: the header names text more than once"),
        (b"text,label\nfine,1\n", "tweets.csv: already has a column label"),
        (b"id,text\n", "tweets.csv: no row to score"),
    ):
        choose_file(page, "tweets.csv", content)
        expect(page.get_by_role("alert").filter(has_text=problem)).to_be_visible()
        expect(page.get_by_label("One text a line")).to_be_visible()


def test_the_page_works_by_keyboard_alone(page):
    def reach(name):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        expect(focused).to_have_accessible_name(re.compile(name))
        assert focused.evaluate("element => getComputedStyle(element).outlineStyle") != "none", name

    reach("^Text$")
    page.keyboard.type(" again and again")
    expect(page.get_by_role("status").filter(has_text=re.compile("NEGATIVE|POSITIVE"))).to_have_count(1)
    reach("One text a line")
    page.keyboard.type("so happy\n\nnever again\n")
    reach("Or a csv file")
    reach("Score")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Scored 2 texts.")).to_have_count(1)
    expect(page.get_by_role("button", name="Score")).to_be_focused()
    reach("Download the scored csv")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert list(pd.read_csv(download.value.path())["text"]) == ["so happy", "never again"]
    reach("Scored texts")


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_axe_finds_nothing_that_shuts_people_out(open_page, built, color_scheme):
    page = open_page(built[0], color_scheme=color_scheme, viewport={"width": 375, "height": 800})
    type_text(page, "I love it, but the battery is terrible and the support never answers :(")
    page.get_by_label("One text a line").fill("so happy\nnever again\n")
    page.get_by_role("button", name="Score").click()
    expect(page.locator("#done")).to_be_visible()
    page.add_script_tag(path=WEB / "node_modules" / "axe-core" / "axe.min.js")
    result = page.evaluate("axe.run()")
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in result["violations"]] == []
    assert "color-contrast" in {rule["id"] for rule in result["passes"]}
    assert page.evaluate("document.documentElement.scrollWidth") == 375


def test_it_loads_little_and_then_nothing(page, built):
    model_files = [path for path in (built[1] / "model").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in model_files) < 3_000_000
    addresses = {built[0] + str(path.relative_to(built[1])) for path in model_files}
    assert addresses < set(page.requests)
    page.requests.clear()
    type_text(page, "so happy")
    page.get_by_label("One text a line").fill("never again")
    page.get_by_role("button", name="Score").click()
    expect(page.locator("#done")).to_be_visible()
    assert page.requests == []


def test_labels_and_words_come_from_the_folder(serve, open_page, tmp_path):
    names = ["café", "bar", "club"]
    tokenizer = train_tokenizer(["so happy", "ΟΔΟΣ"], vocab_size=10)
    config = BrnnConfig(
        vocab_size=len(tokenizer), embedding_size=8, hidden_size=8, cell_type="gru", initializer_range=1.0,
        id2label=dict(enumerate(names)), label2id={name: index for index, name in enumerate(names)},
    )  # fmt: skip
    torch.manual_seed(0)
    model = BrnnForSequenceClassification(config).eval()
    folder = tmp_path / "places"
    model.config.thresholds = [0.9, 0.01, 0.9]
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    write_graph(model, folder / GRAPH)
    quantize_graph(folder / GRAPH, folder / QUANTIZED_GRAPH)
    classifier = OnnxClassifier(folder, num_threads=1)

    page = open_page(serve(folder)[0])
    expect(page.get_by_role("heading", name="places")).to_be_visible()
    assert type_text(page, "sad !?") == ("No known word", 0)
    for text in ("so happy", "so ΟΔΟΣ", "so sad"):
        assert type_text(page, text)[0] == "bar" == classifier.predict([text])[0]
        shown = dict(item.inner_text().split("\n") for item in page.locator("#bars > li").all())
        percents = [float(shown[name].removesuffix(" %")) for name in names]
        np.testing.assert_allclose(percents, 100 * classifier([text])[0], atol=1)
        assert list(shown.values()) == sorted(shown.values(), key=lambda share: -float(share.removesuffix(" %")))


def test_a_folder_without_graphs_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    process = build(tmp_path, tmp_path / "dist")
    assert process.returncode
    assert f"{tmp_path / 'tokenizer.json'}: no such file" in process.stderr
