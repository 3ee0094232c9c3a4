# make            prints this list
# make reproduce  sets everything up and regenerates every table and figure of params.yaml
# make test       sets everything up, checks the code and runs the tests
# make audit      hashes everything and says what is not as its receipt says
# make ui         opens MLflow's pages on what has run
# make docs       writes docs/reference/ again
# make gpu-check  checks this project on the machine's GPU, in at most eight minutes
# make fractions  trains TextBCS on 10, 25 and 50 % of the patients too: does vacuity fall with data?
# make setup      makes the environment .venv/, as all of these do where it is missing
# make check      checks the code: linter, formats, types, who imports whom
# make clean      deletes what the stages wrote; what people put into data/ stays
# make clean-raw  deletes the fetched DICOM files and the quarantine (Duke: 152 GB to fetch again)
# make lock       resolves requirements.lock again
#
# PIP_ARGS goes to pip when torch is installed. With CUDA nothing is needed; without, name an index
# of CPU wheels to save space: make setup PIP_ARGS="--index-url https://..."
PYTHON ?= python3
PIP_ARGS ?=
CORES ?= all
PORT ?= 5000
VENV := .venv
BIN := $(VENV)/bin
WANTED := $(shell cat requirements.lock pyproject.toml workflow/environment.py | cksum)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help reproduce test check audit ui docs gpu-check fractions setup environment lock clean clean-raw

help:
	@sed -n 's/^# make/make/p' Makefile

reproduce: setup
	$(BIN)/snakemake --cores $(CORES)

test: tests setup check
	$(BIN)/pytest -n 2 --dist loadfile

# A folder; where it is missing, this is said before the environment is made.
tests:
	@echo "error: no tests in this folder: they are in the repository, and textbcs init copies none" >&2; exit 2

audit: setup
	$(BIN)/textbcs audit verify

ui: setup
	$(BIN)/textbcs track ui --port $(PORT)

docs: setup
	$(BIN)/python docs/generate.py

# Without the glibc settings of workflow/stage the loop's share of page faults would be measured, too.
gpu-check: setup
	MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=67108864 \
	  CUBLAS_WORKSPACE_CONFIG=:4096:8 $(BIN)/python benchmarks/gpu_check.py

# Replaces params.yaml; `textbcs use phantom` goes back to the default, and trains nothing again.
fractions: setup
	$(BIN)/textbcs use fractions
	$(BIN)/snakemake --cores $(CORES)

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

# Whether the environment is made is decided by what it was made from, and not by the times of files. One that
# is a link belongs to another folder, and is used as it is.
setup:
	@if [ ! -L $(VENV) ] && [ "$$(cat $(VENV)/.ready 2> /dev/null)" != "$(WANTED)" ]; then \
	  $(MAKE) --no-print-directory environment; fi

# The lock pins everything but torch, whose own dependencies differ between its CPU and CUDA builds:
# torch is installed last, with the lock as constraint. Compiling once saves seconds at every start.
environment:
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13) and "Python 3.11 or 3.12 is needed; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --no-deps --no-compile -r requirements.lock
	$(PIP) install --no-compile --no-build-isolation --constraint requirements.lock $(PIP_ARGS) --editable .
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null 2>&1 || true
	$(BIN)/python workflow/environment.py
	@echo "$(WANTED)" > $(VENV)/.ready

# Resolve the lock again. Kept out of what is resolved: sentence-transformers, since only the encoder's
# files are read; torchvision, whose wheels do not import beside a CPU torch; pyarrow, which would change
# how pandas stores text, scikit-learn and skops, which MLflow's tracking and pages do not import.
lock:
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip --quiet install uv
	printf '%s; sys_platform == "never"\n' sentence-transformers torchvision \
	  pyarrow scikit-learn skops > $(VENV)-lock/override.txt
	{ echo "# Every package but torch, exactly; written by 'make lock' from pyproject.toml."; \
	  $(VENV)-lock/bin/uv pip compile pyproject.toml --extra dev --extra encoder --extra tracking \
	    --override $(VENV)-lock/override.txt --python-version 3.11 --no-annotate --no-header --quiet \
	  | grep -v -E '^(torch|triton|nvidia-|cuda-)'; } > requirements.lock.new
	mv requirements.lock.new requirements.lock
	rm -rf $(VENV)-lock

# Only what the stages wrote, as dvc.yaml lists it: what people put into data/ stays (data/archive/,
# data/own/, *.dvc), and so do the reports, DVC's cache and the environment.
clean: setup
	$(BIN)/textbcs clean

clean-raw: setup
	$(BIN)/textbcs clean --raw
