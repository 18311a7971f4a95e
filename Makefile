# Everything a newcomer needs: `make run` and `make test`. Each installs what it uses into .venv first:
# of locks (requirements/), by hash, and no more than it needs.
PYTHON ?= python3
PORT ?= 8400
STAGE ?= dev
BIN := .venv/bin
INSTALLED := .venv/installed
# The locks name everything, so pip has nothing to work out.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps

.PHONY: run preview test coverage check format bench docs deploy lock release clean

run: .venv/run
	@exec $(BIN)/python -m ops run --port $(PORT)

preview: .venv/deploy
	@$(BIN)/python -m ops preview --stage $(STAGE)

# tests/conftest.py puts the longest files first.
test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

# It doubles the time of the tests in process, so no other target does it.
coverage: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --cov --cov-report term-missing:skip-covered tests/unit tests/service tests/ops

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/cfn-lint ops/resources/stack/resources.json

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# AGAINST=<commit> measures that one as well.
bench: .venv/benchmarks
	@$(BIN)/python -m benchmarks $(if $(AGAINST),--against $(AGAINST))

docs: .venv/website
	@$(BIN)/python -m sphinx -q -W --keep-going -b html -c website . build/docs
	@cp build/docs/README.html build/docs/index.html
	@mkdir -p build/docs/docs && cp -r docs/pictures build/docs/docs/
	@echo "Open build/docs/index.html"

deploy: .venv/deploy
	@$(BIN)/python -m ops deploy --stage $(STAGE) $(if $(MAIL_FROM),--mail-from "$(MAIL_FROM)") $(if $(BASE_URL),--base-url "$(BASE_URL)") $(if $(ALARMS_TO),--alarms-to "$(ALARMS_TO)")

clean:
	rm -rf .venv .local build .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage

# Checks all, tags the version of pyproject.toml, and puts its files into build/release. Pushes nothing.
release: check test
	@$(BIN)/python -m ops.release

# After a change of requirements/*.in. UPGRADE=1 also takes newer versions of what these ask for.
lock: .venv/lock
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python requirements/lock.py $(if $(UPGRADE),--upgrade)

# The largest lock changes with each other one, and then everything is installed anew.
.venv/made: requirements-dev.txt ops/chalice
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Bienvenue needs Python 3.10 or later; this is " + sys.version)'
	@test ! -L .venv || rm .venv  # else what it leads to would be emptied
	@$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/deploy .venv/run $(INSTALLED): .venv/%: .venv/made
	@echo "Installing into .venv (once; up to a minute)"
	@$(INSTALL) -r requirements-$(if $(filter installed,$*),dev,$*).txt
	@cp ops/chalice $(BIN)/chalice  # Chalice, with the settings in stages/
	@touch $@

.venv/lock: .venv/made requirements-lock.txt
	@$(INSTALL) -r requirements-lock.txt
	@touch $@

.venv/website: $(INSTALLED) website/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r website/requirements.txt
	@touch $@

.venv/benchmarks: $(INSTALLED) benchmarks/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@
