# `make help` lists what there is to do.
PY ?= python3
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
HTML := _build/html
export OMP_NUM_THREADS ?= 1

# everything a built page is made from; folders too, so that a deleted file counts as a change
SOURCES := _config.yml _toc.yml \
  $(shell find book results l2l_core -mindepth 1 -not -path '*/__pycache__*' -not -path '*/.ipynb_checkpoints*' 2>/dev/null | grep -v '^l2l_core/results')

ifdef L2L_DATA
export L2L_DATA := $(abspath $(L2L_DATA))
endif
# MNIST, where l2l_core.data looks for it
REAL_DATA := $(L2L_DATA)$(wildcard $(HOME)/.cache/l2l/MNIST/raw/train-images-idx3-ubyte.gz)

# what l2l_core.printing finds too
BROWSER := $(or $(CHROMIUM),$(shell command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable))

.DEFAULT_GOAL := help
.PHONY: help book pdf test test-browser test-colab test-gpu bench reproduce promote pages student address clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-30s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  The first use of any of them sets up $(VENV) with $(PY) (3.11, 3.12 or 3.13; choose with PY=...)."

book: $(HTML)/.ready  ## build the book from the stored outputs
	@echo "Open $(abspath $(HTML))/index.html"

$(HTML)/.ready: $(SOURCES) | $(READY)
	$(VENV)/bin/jupyter-book build . --all -W -n --keep-going -q
	@test -f $(HTML)/book/index.html
	@touch $@

pdf: $(READY)  ## print the book through Chromium into _build/book.pdf
	$(VENV)/bin/jupyter-book build . --builder singlehtml --all -W -n --keep-going -q
	@cp _build/singlehtml/book/index.html _build/singlehtml/book.html  # it names its figures from there
	$(PYTHON) -m l2l_core.printing _build/singlehtml/book.html _build/book.pdf

test: $(HTML)/.ready  ## everything CI runs: lint, package, pages, built book, browser
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m pytest -n 2 --dist worksteal tests
ifneq ($(wildcard book/*/*.ipynb),)
ifneq ($(REAL_DATA),)
	L2L_STATIC=1 $(PYTHON) -m pytest -p tests.pages.nbval_text --nbval --nbval-current-env -n 2 --dist loadfile book
else
	@echo "No real data here (L2L_DATA is not set): pages are run, their outputs are not compared with the stored ones."
	L2L_STATIC=1 $(PYTHON) -m pytest -p tests.pages.nbval_text --nbval-lax --nbval-current-env -n 2 --dist loadfile book
endif
endif

ifeq ($(BROWSER),)
	@echo "No Chromium here: the built pages were not looked at in a browser."
endif

test-browser: $(HTML)/.ready  ## look at every built page in Chromium: access, contrast, widths, requests
	$(PYTHON) -m pytest -rs tests/browser

test-colab: $(READY)  ## run each chapter alone with only the package, as on Colab
	$(PYTHON) -m pytest -n 2 --dist worksteal tests/pages/test_papermill.py

test-gpu: $(READY)  ## what needs CUDA: every recipe at smoke scale, CPU/CUDA agreement, resume
	$(PYTHON) -m pytest -m gpu tests

bench: $(READY)  ## speed and memory beside other ways of doing the same; half an hour on a quiet machine
	$(PYTHON) -m benchmarks

# glibc hands large tensors back to the system and gets them again page by page; keeping them, in huge pages, makes
# meta-training on MNIST a third faster
KEEP_MEMORY := GLIBC_TUNABLES=glibc.malloc.hugetlb=1 MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000

# idle OpenMP workers that spin hold the core that the kernel's own threads want
SLEEP := OMP_WAIT_POLICY=passive

reproduce: $(READY)  ## retrain into runs/: RECIPE=quadratic SCALE=smoke SEEDS=5
	$(KEEP_MEMORY) $(SLEEP) $(PYTHON) -m l2l_core train $(RECIPE) --scale $(or $(SCALE),smoke) $(if $(SEEDS),--seeds $(SEEDS))

promote: $(READY)  ## move a finished paper-scale run into results/ and zoo/: RECIPE=...
	$(PYTHON) -m l2l_core promote $(RECIPE)

pages: $(READY)  ## execute chapters at book scale, outputs in place: all, or PAGE=book/...
	$(PYTHON) -m l2l_core.pages $(PAGE)

student: $(READY)  ## the chapters without solutions, for classes: build/student and build/student.zip
	$(PYTHON) -m l2l_core.student

address: $(READY)  ## move the book to another repository: URL=https://... BRANCH=main
	$(PYTHON) -m l2l_core.pages --address $(URL) $(or $(BRANCH),main)

clean:  ## remove what was built; keeps .venv and runs/
	rm -rf _build build dist *.egg-info .pytest_cache .ruff_cache

# uv only installs, faster than pip; it is no requirement, so that a machine it has no wheel for does without
$(READY): requirements.txt constraints.txt pyproject.toml
	$(PY) -m venv $(VENV)
	@$(PYTHON) -m pip install -q --disable-pip-version-check "uv>=0.9" || echo "No uv: pip alone will do, more slowly."
	@if [ -x $(VENV)/bin/uv ]; then $(VENV)/bin/uv pip install -q -p $(PYTHON) -r requirements.txt -c constraints.txt; \
	else $(PYTHON) -m pip install -q --disable-pip-version-check -r requirements.txt -c constraints.txt; fi
	@touch $@
