import functools
import gzip
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
from huggingface_hub import metadata_load
from models import save_model
from playwright.sync_api import expect
from processes import REPOSITORY

from hf_brnn.data.arguments import DataArguments
from hf_brnn.data.dataset import tokenize
from hf_brnn.data.problem_type import MULTI_LABEL, REGRESSION, SINGLE_LABEL, TOKENS
from hf_brnn.data.rows import load_rows
from hf_brnn.hub.card import rebuild_card
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
    """Opens the page and waits for its model. Whatever a test does there, the console stays empty and every
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
        expect(page.locator("#model-status")).to_be_hidden()
        expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
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
    page.get_by_label("Or drop a csv file").set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})


def score(page):
    page.get_by_role("button", name="Score").click()
    expect(page.locator("#done")).to_be_visible()


def shown_rows(page):
    return [row.locator("td").all_inner_texts() for row in page.locator("tbody tr").all()]


def type_text(page, text):
    """Puts a text into the box; returns the label and the score that the page then shows, if it is a probability."""
    page.get_by_label("Text", exact=True).fill(text)
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    if not text.strip():
        return "", None
    score = page.locator("#score").inner_text() or "0 %"
    return page.locator("#label").inner_text(), float(score.removesuffix(" %")) / 100 if "%" in score else None


def test_a_csv_comes_back_with_the_labels_and_scores_of_python(page, classifier, exported_folder):
    table = pd.DataFrame({"id": range(len(SAMPLE) + len(STRANGE)), "text": [*SAMPLE, *STRANGE.values()]})
    choose_file(page, "tweets.csv", table.to_csv(index=False).encode())
    expect(page.get_by_label("Column of the texts").locator(":checked")).to_have_text("text")
    page.get_by_role("button", name="Score").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "tweets-scored.csv"
    scored = pd.read_csv(download.value.path(), keep_default_na=False)

    assert list(scored.columns) == ["id", "text", "label", "score"]
    # A spreadsheet would run a text that begins with an @.
    escaped = table["text"].where(~table["text"].str.startswith("@"), "'" + table["text"])
    pd.testing.assert_frame_equal(scored[["id", "text"]], table.assign(text=escaped))
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
        if not text.strip():
            continue
        probabilities = classifier([text])[0]
        label, score = type_text(page, text)
        tokenized = tokenize([text], classifier.encode, classifier.pad_token_id)
        if not classifier.known_words.shares(tokenized)[0]:
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
    numbers = [float(word.locator("small").inner_text().replace("−", "-") or 0) for word in shown.all()]
    np.testing.assert_allclose(numbers, [effect for _, effect in effects], atol=0.1)
    assert min(numbers) < 0 < max(numbers)
    colors = [word.locator("span").get_attribute("class") for word in shown.all()]
    assert colors == ["raises" if number > 0 else "lowers" if number < 0 else "" for number in numbers]


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


def test_the_scoring_of_a_file_can_be_cancelled(page):
    choose_file(page, "tweets.csv", pd.DataFrame({"text": SAMPLE * 40}).to_csv(index=False).encode())
    page.get_by_role("button", name="Score").click()
    expect(page.get_by_text(re.compile(r"^[1-9][\d,]* of 20,000 texts, \d+ (s|min) left$"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("progressbar", name="Texts scored")).to_be_hidden()
    page.get_by_role("button", name="Remove the file").click()
    page.get_by_label("One text a line").fill("so happy")
    score(page)
    assert [text for text, *_ in shown_rows(page)] == ["so happy"]


def test_a_file_that_cannot_be_used_is_refused_and_leaves_no_results(page):
    for name, content, problem in (
        ("tweets.csv", b"id,text\n", "tweets.csv: there are no rows to score"),
        (
            "tweets.csv",
            b"id,text\n1\n",
            "tweets.csv: there are no rows to score. Line 2: 1 fields instead of 2 (id, text).",
        ),
        (
            "tweets.parquet",
            b"PAR1",
            "tweets.parquet: this page reads .csv and .tsv files, also compressed as .gz. Save",
        ),
    ):
        choose_file(page, "earlier.csv", b"text\nso happy\n")
        score(page)
        page.get_by_role("button", name="Remove the file").click()
        choose_file(page, name, content)
        expect(page.get_by_role("alert").filter(has_text=problem)).to_be_visible()
        expect(page.get_by_label("One text a line")).to_be_visible()
        expect(page.locator("#done")).to_be_hidden()


def test_the_column_with_the_longest_texts_is_chosen_and_previewed(page):
    choose_file(page, "reviews.csv", b"id,review,stars\n100001,so happy,5\n100002,never again and again,1\n")
    column = page.get_by_label("Column of the texts")
    expect(column.locator(":checked")).to_have_text("review")
    assert page.locator("#preview li").all_inner_texts() == ["so happy", "never again and again"]
    column.select_option("id")
    assert page.locator("#preview li").all_inner_texts() == ["100001", "100002"]


def test_what_is_unusual_about_a_file_is_said(page):
    choose_file(page, "tweets.csv", "text;text;b\nfine;2;3\ncafé;1\nso;happy;1\n".encode("cp1252"))
    expect(page.locator("#file-name")).to_have_text("tweets.csv, 2 texts")
    expect(page.locator("#file-notes")).to_have_text("Read as windows-1252. Semicolons separate its columns.")
    expect(
        page.get_by_role("alert").filter(has_text="1 line can't be read and will be left out. Line 3: 2 fields")
    ).to_be_visible()
    page.get_by_role("button", name="Score").click()
    expect(page.get_by_role("alert").filter(has_text="tweets.csv: several columns have the name text")).to_be_visible()
    page.get_by_label("Column of the texts").select_option("b")
    score(page)
    expect(page.locator("#problem")).to_be_empty()


def test_columns_of_the_same_names_are_kept(page):
    choose_file(page, "tweets.csv.gz", gzip.compress(b"text,label\nso happy,1\n"))
    expect(page.locator("#file-notes")).to_have_text("New columns: predicted_label, score.")
    score(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "tweets-scored.csv"
    assert list(pd.read_csv(download.value.path())) == ["text", "label", "predicted_label", "score"]


def test_a_file_may_be_dropped_anywhere(page):
    drop = """
    type => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(["text\\nso happy\\n"], "dropped.csv"));
      const event = new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true });
      document.querySelector("h1").dispatchEvent(event);
      return document.body.classList.contains("dropping");
    }"""
    assert page.evaluate(drop, "dragover")
    assert not page.evaluate(drop, "drop")
    expect(page.locator("#file-name")).to_have_text("dropped.csv, 1 text")


def test_results_are_sorted_and_filtered(page, classifier):
    texts = ["so happy", "never again", "xqwzf", "so happy with it, works great"]
    scores = dict(zip(texts, classifier(texts).max(axis=1)))
    page.get_by_label("One text a line").fill("\n".join(texts))
    score(page)
    assert [text for text, *_ in shown_rows(page)] == texts
    assert shown_rows(page)[2] == ["xqwzf", "No known word"]
    expect(page.locator("#summary")).to_contain_text("No known word: 1 (25.0 %)")
    known = sorted({*texts} - {"xqwzf"}, key=scores.get)
    for direction, expected in (("ascending", known), ("descending", known[::-1])):
        page.get_by_role("button", name="Probability").click()
        expect(page.get_by_role("columnheader", name="Probability")).to_have_attribute("aria-sort", direction)
        assert [text for text, *_ in shown_rows(page)] == [*expected, "xqwzf"]
    page.get_by_label("Filter by text or label").fill("HAPPY")
    assert {text for text, *_ in shown_rows(page)} == {texts[0], texts[3]}
    expect(page.get_by_text("2 of 4 texts have it.")).to_be_visible()


def test_the_box_grows_with_its_text(open_page, built):
    page = open_page(built[0], viewport={"width": 375, "height": 800})
    box = page.get_by_label("Text", exact=True)
    box.fill("so happy with it " * 20)
    assert box.evaluate("box => box.scrollHeight - box.clientHeight") == 0
    box.fill("so happy")
    assert box.evaluate("box => box.clientHeight") < 100


def test_an_empty_box_gets_no_answer(page):
    expect(page.locator("#answer")).to_be_visible()
    page.get_by_label("Text", exact=True).fill(" \n")
    expect(page.locator("#answer")).to_be_hidden()
    expect(page.get_by_text("The answer appears here while you type.")).to_be_visible()


def test_the_page_says_what_the_model_is(page, exported_folder):
    examples = [example["text"] for example in metadata_load(exported_folder / "README.md")["widget"]]
    expect(page.get_by_role("heading", name="Is a text NEGATIVE or POSITIVE?")).to_be_visible()
    expect(page.get_by_text("model is a small recurrent network. Its accuracy on")).to_be_visible()
    assert page.get_by_label("Text", exact=True).input_value() == examples[0]
    page.get_by_role("button", name=examples[1]).click()
    assert page.get_by_label("Text", exact=True).input_value() == examples[1]
    page.get_by_role("link", name="Model card").click()
    expect(page.get_by_role("heading", name="Limits and biases")).to_be_visible()


def test_names_are_never_html(serve, open_page, tmp_path):
    name = "<img src=x onerror=alert(1)> $& %QUESTION%"
    label = "<img src=x onerror=console.error(1)>|_b_"
    folder = save_model(tmp_path / name, SINGLE_LABEL, [label, "b"], ["so happy", "never"])
    rebuild_card(folder)
    text = (folder / "README.md").read_text(encoding="utf-8")
    (folder / "README.md").write_text(
        text.replace("---\n", f"---\nwidget:\n- text: 'so {label}'\n", 1), encoding="utf-8"
    )
    page = open_page(serve(folder)[0])
    expect(page.get_by_role("heading", name=f"Is a text {label} or b?")).to_be_visible()
    expect(page.locator("header strong")).to_have_text(name)
    expect(page.get_by_role("button", name=f"so {label}")).to_be_visible()
    choose_file(page, f"{label.replace('/', '')}.csv", f"{label},id\nso happy {label},1\n".encode())
    expect(page.get_by_label("Column of the texts").locator(":checked")).to_have_text(label)
    score(page)
    assert page.locator("img").count() == 0
    page.get_by_role("link", name="Model card").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.get_by_text(f"Labels: {label}, b.")).to_be_visible()
    assert page.locator("img").count() == 0


def test_the_page_works_by_keyboard_alone(page):
    def reach(name):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        expect(focused).to_have_accessible_name(re.compile(name))
        assert focused.evaluate("element => getComputedStyle(element).outlineStyle") != "none", name

    reach("Model card")
    reach("Source code")
    reach("^Text$")
    page.keyboard.type(" again and again")
    expect(page.get_by_role("status").filter(has_text=re.compile("NEGATIVE|POSITIVE"))).to_have_count(1)
    for _ in range(page.locator(".chip").count()):
        reach(".")
    reach("One text a line")
    page.keyboard.type("so happy\n\nnever again\n")
    reach("Or drop a csv file")
    reach("Score")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="Scored 2 texts.")).to_have_count(1)
    expect(page.get_by_role("button", name="Score")).to_be_focused()
    reach("Download the scored csv")
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    assert list(pd.read_csv(download.value.path())["text"]) == ["so happy", "never again"]
    reach("Filter by text or label")
    reach("Scored texts")
    for name in ("Text", "Label", "Probability"):
        reach(name)


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
    expect(page.get_by_role("heading", name="Is a text café, bar or club?")).to_be_visible()
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
    paths = (tmp_path / "tweets.csv", tmp_path / "expected.csv")
    score_file(classifier, *paths, "text", pytest.fail, int, escape_formulas=True)

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
        expect(page.locator("#legend")).to_contain_text(f"raise the log odds of {label}, orange ones lower them")
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
    expect(page.locator("#legend")).to_contain_text("Teal words raise valence, orange ones lower it, compared")
    assert "%" not in page.locator("#answer").inner_text()

    page.get_by_label("One text a line").fill("so happy\nnever again\n")
    page.get_by_role("button", name="Score").click()
    expect(page.locator("#summary")).to_contain_text(re.compile(r"valence: mean \S+, from \S+ to \S+; arousal: mean"))
    assert page.locator("th button").all_inner_texts() == ["Text", "valence", "arousal"]
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
    assert "    at " not in process.stderr


def test_make_writes_the_graph_that_is_missing(exported_folder, tmp_path):
    folder = shutil.copytree(exported_folder, tmp_path / "my model", ignore=shutil.ignore_patterns("onnx"))
    command = ["make", "--old-file", ".venv/test", "graph", f"MODEL={folder}"]
    subprocess.run(command, cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, check=True)
    assert (folder / QUANTIZED_GRAPH).is_file()
