# One word a task. Everything a task needs is fetched by the task itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help venv demo test lint bench measure torture docs transcripts fuzz clean

help:            ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/'

venv: $(BIN)/connect  ## .venv with the command and everything the targets need

$(BIN)/connect: pyproject.toml setup.py $(shell find connect connectors -name '*_c.p*')
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(BIN)/connect

demo: venv       ## a legacy shop database becomes topics, SQL tables and a search index
	$(BIN)/connect demo $(ARGS)

test: venv       ## the tests, on real servers that it starts itself: two stacks, for two files of tests at a time
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not long" $(ARGS)

lint: venv       ## ruff, mypy strict, import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: venv      ## measure beside Debezium, and write docs/BENCH.md; QUICK=1: smaller inputs, into build/; ONLY=start,recover: some
	@$(BIN)/python -c 'import matplotlib, pymysqlreplication' 2>/dev/null \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python tests/bench

measure: venv    ## how long commands take on 300 tables, and what an install downloads: docs/MEASURES.md
	$(BIN)/python tests/bench/commands.py

docs: venv       ## the reference pages, from the models and the codes
	$(BIN)/python -m connect.config.reference > docs/reference/configuration.md
	$(BIN)/python -m connect.cli.error_codes > docs/reference/errors.md

transcripts: venv ## the three first hours, told on real servers and checked, into docs/first-hours (ARGS=operator: one)
	$(BIN)/python tests/first_hours $(ARGS)

SCALE ?= 10
SECONDS ?= 60
torture: venv    ## the long tests; then, for each source, writers and kill -9 for a minute, and every change is looked for (SEED= replays)
	$(BIN)/python -m pytest -m long
	for origin in postgres mysql mariadb; do \
	  $(BIN)/python -m connect.testing.torture --origin $$origin --scale $(SCALE) --seconds $(SECONDS) --seed "$(SEED)" $(ARGS) \
	    || exit 1; done

FRAMES ?= 1000000
fuzz: venv       ## a million damaged frames for each compiled codec, under AddressSanitizer (FRAMES=, SEED=)
	CFLAGS="-fsanitize=address -fno-omit-frame-pointer -O1 -g" $(BIN)/python -m pip install --quiet \
	  --disable-pip-version-check --no-deps --upgrade --target build/fuzz .
	PYTHONPATH=build/fuzz PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 \
	  LD_PRELOAD="$$($${CC:-cc} -print-file-name=libasan.so)" \
	  $(BIN)/python tests/fuzz/codecs.py --frames $(FRAMES) $(if $(SEED),--seed $(SEED))

clean:           ## remove what the targets made here
	rm -rf $(VENV) build dist *.egg-info
