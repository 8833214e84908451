.PHONY: setup train test lint browser compat docs web space

BIN := .venv/bin
FOLDER := hf_brnn/pretrained/brnn-sentiment140

setup: .venv/ready

.venv/ready: pyproject.toml constraints.txt
	python3 -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[train,onnx,demo,ray,test]"
	touch $@

train: setup
	$(BIN)/accelerate launch scripts/train.py
	$(BIN)/python scripts/predict.py --model runs/quickstart \
		"I do not recommend this product" "so happy with it, works great" "the train was late again, ugh"

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

web/node_modules/.package-lock.json: web/package-lock.json
	npm --prefix web ci

web: web/node_modules/.package-lock.json
	FOLDER=$(abspath $(FOLDER)) npm --prefix web run build

browser:
	command -v chromium || (apt-get update -qq && apt-get install -qq chromium)

test: lint web/node_modules/.package-lock.json browser
	$(BIN)/pytest

compat: setup
	$(BIN)/python scripts/compat.py

docs: setup
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[docs]"
	$(BIN)/mkdocs build

space: setup
	rm -rf build/space
	$(BIN)/python scripts/demo.py $(FOLDER) --space build/space
