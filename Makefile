# A menu. Each target wraps a portable `python ...` call that docs/commands.md lists for Windows.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python

.DEFAULT_GOAL := help
.PHONY: help workshop handouts site docs test lab lab-fa lint check benchmark mirror bench models evaluate-models stop clean

help: ## list the targets
	@$(PYTHON) -c "import re; [print(f'  make {n:<16} {t}') for n, t in re.findall(r'^([a-z-]+):.*?## (.*)$$', open('Makefile', encoding='utf-8').read(), re.M)]"

workshop: $(VENV)/ready ## run the whole course headless and write the report
	@$(PY) -m helpers workshop

handouts: $(VENV)/ready ## write slides, pages to print and executed notebooks for an instructor
	@$(PY) docs/instructor/handouts.py

site: $(VENV)/ready ## make a site of notebooks, a report and documents, in results/site
	@$(PY) docs/make_site.py

docs: $(VENV)/ready ## make the pages again that are made: glossary, and commands with their options
	@$(PY) docs/refresh.py

test: $(VENV)/ready-dev ## run the tests
	@$(PY) -m pytest

lab: $(VENV)/ready ## open the notebooks in JupyterLab
	@$(PY) -m jupyter lab --config=jupyter/lab.json

lab-fa: $(VENV)/ready ## open the Persian notebooks in JupyterLab
	@$(PY) -m jupyter lab --config=jupyter/lab.json --LabApp.default_url=/lab/tree/notebooks/fa/00_check.ipynb

check: $(VENV)/ready ## look whether this machine is ready
	@$(PY) -m helpers check

benchmark: $(VENV)/ready ## measure the course's models and write a report
	@$(PY) -m helpers benchmark

mirror: $(VENV)/ready ## serve this machine's models to the room: make mirror HOST=0.0.0.0
	@$(PY) -m helpers mirror $(if $(HOST),--host $(HOST))

models: $(VENV)-models/ready ## make the built-in models again, from nothing (one to five hours)
	@$(subst $(VENV),$(VENV)-models,$(PY)) -m training

evaluate-models: $(VENV)/ready ## ask the course's models the test sets and refresh their tables (some minutes)
	@$(PY) -m training evaluate speed package

bench: $(VENV)/ready-dev ## measure the instrument itself, beside its peers, into docs/accuracy.md (about half an hour)
	-@$(MAKE) --no-print-directory $(VENV)-bench/ready || echo "the peers could not be installed: they are left out"
	@$(PY) bench/all.py

lint: $(VENV)/ready-dev ## check style, types for three systems, and the order of the folders
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy --platform linux
	@$(PY) -m mypy --platform win32
	@$(PY) -m mypy --platform darwin
	@$(PY) -c "from importlinter.cli import lint_imports_command as lint; lint()"

stop: $(VENV)/ready ## stop the runtime that the kit started
	@$(PY) -m helpers stop

clean: ## remove the virtual environment and all results
	@$(PYTHON) -c "import shutil; [shutil.rmtree(p, ignore_errors=True) for p in ('$(VENV)', '$(VENV)-models', '$(VENV)-bench', 'results')]"

$(VENV)/ready: requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(None if (3, 11) <= sys.version_info[:2] < (3, 15) else 'error: this kit needs Python 3.11 to 3.14 and found %d.%d; name another one with: make PYTHON=/path/to/python' % sys.version_info[:2])"
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements.txt -e .
	@$(PYTHON) -c "open('$@', 'w').close()"

$(VENV)/ready-dev: $(VENV)/ready requirements-dev.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-dev.txt
	@$(PYTHON) -c "open('$@', 'w').close()"

$(VENV)-models/ready: requirements.txt constraints.txt training/requirements.txt
	$(PYTHON) -m venv $(VENV)-models
	$(subst $(VENV),$(VENV)-models,$(PY)) -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements.txt -r training/requirements.txt -e .
	@$(PYTHON) -c "open('$@', 'w').close()"

$(VENV)-bench/ready: bench/requirements.txt
	$(PYTHON) -m venv $(VENV)-bench
	$(subst $(VENV),$(VENV)-bench,$(PY)) -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	@$(PYTHON) -c "open('$@', 'w').close()"
