# Everything starts here: `make run` shows the program, `make test` checks it.
SHELL := /bin/bash
VENV := .venv
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --no-compile -c constraints.txt
PYTHON ?= $(shell for p in python3.11 python3; do $$p -c '' 2>/dev/null && { echo $$p; break; }; done)

.DEFAULT_GOAL := help
.PHONY: help run pictures benchmark benchmark-quick test coverage mutants lint format clean system-packages

help:
	@echo "make run      install what is missing, then run the demo into out/demo"
	@echo "make test     every check: style, types, architecture, manifest, wheel, tests"
	@echo "make lint     style, types, architecture and manifest only"
	@echo "make coverage the tests again, and which lines none of them reaches"
	@echo "make mutants  break the program in every listed way and see tests fail (15 minutes)"
	@echo "make format   format the code and fix what can be fixed"
	@echo "make benchmark        measure every table of docs/benchmarks.md (half an hour)"
	@echo "make benchmark-quick  the same on small volumes (three minutes)"
	@echo "make pictures photograph the program for the pages (a few minutes)"
	@echo "make clean    remove what was built, the environment too"

run: $(VENV)/.installed
	$(VENV)/bin/attn-unet demo --out out/demo --overwrite

test: $(VENV)/.installed-dev
	tools/check.sh

coverage: $(VENV)/.installed-dev
	QT_API=pyqt5 xvfb-run -a $(VENV)/bin/python -m pytest --cov --cov-report=term

mutants: $(VENV)/.installed-dev
	QT_API=pyqt5 xvfb-run -a $(VENV)/bin/python tools/mutants.py

lint: $(VENV)/.installed-dev
	tools/check.sh lint

format: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

pictures: $(VENV)/.installed
	xvfb-run -a -s "-screen 0 1920x1200x24" $(VENV)/bin/python tools/make_pictures.py docs/images
	$(VENV)/bin/attn-unet figure napari_attn_unet/samples/hippocampus_mni152.nii.gz --gate 2 \
	    --out docs/images/film.gif --overwrite

benchmark: $(VENV)/.installed-benchmark
	$(VENV)/bin/python -m benchmarks --out docs/benchmarks.md

benchmark-quick: $(VENV)/.installed-benchmark
	$(VENV)/bin/python -m benchmarks --quick

clean:
	rm -rf $(VENV) build dist out .coverage .pytest_cache .mypy_cache .ruff_cache \
	    .import_linter_cache .hypothesis

system-packages:
	@PYTHON="$(PYTHON)" tools/system-packages.sh

$(VENV)/bin/python: | system-packages
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and no python3 was found."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1)."; \
	    echo "Name another with: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps make a second run take seconds. What is imported is compiled then, and that is little of
# all that is installed: compiling everything takes longer than installing it.
$(VENV)/.installed: pyproject.toml constraints.txt | system-packages $(VENV)/bin/python
	$(PIP) install --quiet "pip>=25.1"
	$(INSTALL) -e ".[pyqt5]"
	@touch $@

$(VENV)/.installed-benchmark: $(VENV)/.installed
	$(INSTALL) --group benchmark
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed pyproject.toml constraints.txt
	$(INSTALL) --group dev --group build
	@touch $@
