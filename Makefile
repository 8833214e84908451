.PHONY: setup train test test-core test-slow lint browser graph web space docs

BIN := .venv/bin
MODEL := hf_brnn/pretrained/brnn-tweet-sentiment
PACKAGES := web/node_modules/.package-lock.json
# Node.js comes with the test tools.
export PATH := $(abspath $(BIN)):$(PATH)

setup: .venv/test

.venv/train: EXTRAS :=
.venv/test: EXTRAS := [demo,ray,serve,test]
.venv/docs: EXTRAS := [docs]
.venv/train .venv/test .venv/docs: pyproject.toml constraints.txt
	test -x $(BIN)/pip || python3 -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".$(EXTRAS)"
	touch $@

train: .venv/train
	$(BIN)/hf-brnn train --output_dir runs/sample
	$(BIN)/hf-brnn predict runs/sample "I do not recommend this product" "so happy with it, works great"

test: lint browser $(PACKAGES)
	$(BIN)/pytest

test-core: lint
	$(BIN)/pytest -m "not slow and not browser and not node and not ray"

test-slow: .venv/test browser $(PACKAGES)
	$(BIN)/pytest -m slow

lint: .venv/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

browser: .venv/test
	$(BIN)/python tests/helpers/chromium.py

$(PACKAGES): web/package-lock.json | .venv/test
	npm --prefix web ci

graph: .venv/test
	test -f "$(MODEL)/onnx/model_quantized.onnx" || $(BIN)/hf-brnn export "$(MODEL)"

web: $(PACKAGES) graph
	FOLDER="$$(cd "$(MODEL)" && pwd)" npm --prefix web run build

space: graph
	rm -rf build/space
	$(BIN)/hf-brnn demo "$(MODEL)" --space build/space

docs: .venv/docs
	$(BIN)/mkdocs build
