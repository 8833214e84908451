import functools
import os
import re
import shutil
import subprocess
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from models import save_model
from playwright.sync_api import expect
from processes import REPOSITORY

from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.dataset import tokenize
from hf_brnn.data.known_words import known_word_shares
from hf_brnn.data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS
from hf_brnn.data.rows import load_rows
from hf_brnn.hub.layout import GRAPH, QUANTIZED_GRAPH
from hf_brnn.inference.classifier import TorchClassifier
from hf_brnn.inference.explain import explain
from hf_brnn.inference.onnx_classifier import OnnxClassifier
from hf_brnn.inference.score_files import score_file

pytestmark = pytest.mark.node

WEB = REPOSITORY / "web"
# Names of the labels, targets or tags of a model of each kind.
KINDS = {
    MULTI_LABEL: ["anger", "joy", "fear"],
    REGRESSION: ["valence", "arousal"],
    TOKENS: ["B-LOC", "B-PER", "I-LOC", "I-PER", "O"],
}
TIMEOUT_MS = 600_000  # guards against hanging
SAMPLE = load_rows(DataArguments()).texts[:500]
COLORS = "elements => elements.map(element => getComputedStyle(element).backgroundColor)"
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
def kinds(serve, tmp_path_factory):
    """The model directory of each kind, with the addresses of two pages: of its float32 graph, which lies in the place
    of the int8 one, and of its int8 graph."""
    root = tmp_path_factory.mktemp("kinds")
    folders = {
        kind: save_model(root / kind, kind, names, SAMPLE, [0.4, 0.7, 0.5] if kind == MULTI_LABEL else None)
        for kind, names in KINDS.items()
    }
    address, page = serve(folders[TOKENS])
    for kind, folder in folders.items():
        for graph in (GRAPH, QUANTIZED_GRAPH):
            target = page / kind / Path(graph).stem
            shutil.copytree(page, target, ignore=shutil.ignore_patterns(*KINDS, "model"))
            shutil.copytree(folder, target / "model")
            shutil.copy(folder / graph, target / "model" / QUANTIZED_GRAPH)
    return {
        kind: (folder, *(f"{address}{kind}/{Path(graph).stem}/" for graph in (GRAPH, QUANTIZED_GRAPH)))
        for kind, folder in folders.items()
    }


@pytest.fixture(scope="module")
def classifier(exported_folder):
    """The same int8 graph in Python, one text at a time: activations are quantized by the largest in a batch, so that a
    score depends on the texts beside it, by 0.01 and more."""
    return OnnxClassifier(exported_folder, batch_size=1, num_threads=1)


def choose_file(page, name, content):
    page.get_by_label("Or a csv file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})


def type_text(page, text):
    """Puts a text into the box; returns the label and the score that the page then shows, if it is a probability."""
    page.get_by_label("Text", exact=True).fill(text)
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    score = page.locator("#score").inner_text() or "0 %"
    return page.locator("#label").inner_text(), float(score.removesuffix(" %")) / 100 if "%" in score else None


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
@pytest.mark.parametrize("kind", [SINGLE_LABEL, *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS)])
def test_axe_finds_nothing_that_shuts_people_out(open_page, request, kind, color_scheme):
    address = request.getfixturevalue("built")[0] if kind == SINGLE_LABEL else request.getfixturevalue("kinds")[kind][1]
    page = open_page(address, color_scheme=color_scheme, viewport={"width": 375, "height": 800})
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
    folder = save_model(
        tmp_path / "places",
        SINGLE_LABEL,
        names,
        ["so happy", "so", "ΟΔΟΣ", "so ΟΔΟΣ"],
        [0.9, 0.01, 0.9],
        cell_type="gru",
    )
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


@pytest.mark.parametrize("quantized", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_csv_of_each_kind_comes_back_as_predict_writes_it(kinds, open_page, tmp_path, kind, quantized):
    folder, *addresses = kinds[kind]
    classifier = OnnxClassifier(folder, batch_size=1) if quantized else TorchClassifier(folder)
    texts = [*SAMPLE[:50], *(text for name, text in STRANGE.items() if name != "long"), "two\x1cwords \u200b so"]
    pd.DataFrame({"id": range(len(texts)), "text": texts}).to_csv(tmp_path / "tweets.csv", index=False)
    score_file(classifier, tmp_path / "tweets.csv", tmp_path / "expected.csv", "text", pytest.fail, int)

    page = open_page(addresses[quantized])
    choose_file(page, "tweets.csv", (tmp_path / "tweets.csv").read_bytes())
    page.get_by_role("button", name="Score").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    scored, expected = (
        pd.read_csv(path, keep_default_na=False) for path in (download.value.path(), tmp_path / "expected.csv")
    )
    pd.testing.assert_frame_equal(scored, expected, check_dtype=False, rtol=0, atol=0.01 if quantized else 1e-4)
    if kind != REGRESSION:
        assert scored["label"].nunique() > 2


def test_several_labels_are_marked_where_they_pass_their_thresholds(kinds, open_page):
    folder, address, _ = kinds[MULTI_LABEL]
    classifier = TorchClassifier(folder)
    page = open_page(address)
    verdicts = set()
    for text in SAMPLE[:3]:
        type_text(page, text)
        chosen = classifier.predict([text])[0]
        assert page.locator("#label").inner_text() == (", ".join(chosen) or "No label")
        assert page.locator("#score").inner_text() == ""
        scores = dict(zip(classifier.label_names, classifier([text])[0]))
        items = page.locator("#bars > li").all()
        assert [item.inner_text().split("\n") for item in items] == [
            [f"✓ {name}" if name in chosen else name, f"{100 * scores[name]:.1f} %"]
            for name in sorted(scores, key=scores.get, reverse=True)
        ]
        assert [item.get_attribute("class") == "chosen" for item in items] == [
            "✓" in item.inner_text() for item in items
        ]
        label = classifier.label_names[explain(classifier, text).label]
        expect(page.locator("#legend")).to_contain_text(f"raise the probability of {label}, orange ones lower it")
        verdicts.add(len(chosen))
    assert verdicts == {0, 2}
    expect(page.get_by_text("The mark on each line is the threshold of the label.")).to_be_visible()


def test_numbers_are_shown_with_their_targets(kinds, open_page):
    folder, address, _ = kinds[REGRESSION]
    classifier = TorchClassifier(folder)
    page = open_page(address)
    text = SAMPLE[0]
    type_text(page, text)
    explanation = explain(classifier, text)
    shown = dict(item.inner_text().split("\n") for item in page.locator("#bars > li").all())
    assert list(shown) == ["valence", "arousal"]
    numbers = [float(number.replace("−", "-")) for number in shown.values()]
    np.testing.assert_allclose(numbers, explanation.probabilities, rtol=0.005)
    assert page.locator("#label").inner_text() == shown["valence"]
    assert page.locator("#score").inner_text() == "valence"
    effects = {part: effect for part, effect in explanation.parts if effect is not None}
    notes = [word.inner_text().replace("−", "-") or 0 for word in page.locator("#words > .word > small").all()]
    step = 0.1 * max(map(abs, effects.values()))
    np.testing.assert_allclose(list(map(float, notes)), list(effects.values()), atol=step / 2)
    expect(page.locator("#legend")).to_contain_text("Blue words raise valence, orange ones lower it, by so much:")
    assert "%" not in page.locator("#answer").inner_text()

    page.get_by_label("One text a line").fill("so happy\nnever again\n")
    page.get_by_role("button", name="Score").click()
    expect(page.locator("#summary")).to_contain_text(re.compile(r"valence: mean \S+, from \S+ to \S+; arousal: mean"))
    assert page.locator("thead").inner_text().split() == ["Text", "valence", "arousal"]
    assert "%" not in page.locator("#done").inner_text()


def test_words_are_shown_with_their_tags(kinds, open_page):
    folder, address, _ = kinds[TOKENS]
    classifier = TorchClassifier(folder)
    page = open_page(address)
    text = " ".join(SAMPLE[:6])
    type_text(page, text)
    (tags,) = classifier.predict([text])
    assert set(tags) == set(KINDS[TOKENS])
    tagged = [(word, tag) for word, tag in zip(text.split(), tags) if tag != "O"]
    assert page.locator("#label").inner_text() == f"{len(tagged)} of {len(tags)} words tagged"
    assert page.locator("#words").inner_text().replace("\n", " ").split() == [
        each for word, tag in zip(text.split(), tags) for each in (word, tag) if each != "O"
    ]
    marked = page.locator("#words > .word")
    assert [tuple(word.inner_text().split("\n")) for word in marked.all()] == tagged
    colors = dict(zip((tag for _, tag in tagged), marked.locator(".tagged").evaluate_all(COLORS)))
    assert colors["B-PER"] == colors["I-PER"] != colors["B-LOC"] == colors["I-LOC"]
    legend = page.locator("#legend .tagged")
    assert dict(zip(legend.all_inner_texts(), legend.evaluate_all(COLORS))) == {
        "LOC": colors["B-LOC"],
        "PER": colors["B-PER"],
    }

    type_text(page, "so " * 1001)
    expect(page.locator("#label")).to_contain_text("of 1001 words tagged")
    expect(page.get_by_text("Shown for texts of up to 1,000 words.")).to_be_visible()
    assert marked.count() == 0


def test_a_folder_without_graphs_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    process = build(tmp_path, tmp_path / "dist")
    assert process.returncode
    assert f"{tmp_path / 'tokenizer.json'}: no such file" in process.stderr
