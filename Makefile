# The verbs of development; run inside an active virtual environment.
.PHONY: install test test-quick test-oldest lint types docs site tables pictures board format clean torture fuzz slurm

install:  ## everything, editable
	pip install -e . -e ".[test]" $(addprefix -e ,$(wildcard plugins/*))

test:  ## the whole test run
	pytest

test-quick:  ## what is not marked slow: between two edits
	pytest -m "not slow"

test-oldest:  ## the whole test run with the lowest versions that every pyproject.toml allows, in an environment of its own
	rm -rf build/oldest
	python3.11 -m venv build/oldest
	build/oldest/bin/pip install --quiet uv
	build/oldest/bin/uv pip install --quiet --python build/oldest/bin/python --resolution lowest-direct \
		-e . -e ".[test]" $(addprefix -e ./,$(wildcard plugins/*))
	. build/oldest/bin/activate && pytest

lint:  ## style and common errors
	ruff check .
	ruff format --check .

types:  ## static types, the plugins one by one
	mypy brainbench
	for plugin in plugins/*/src/*; do mypy $$plugin || exit 1; done

docs: site  ## what is written agrees with what is there: README, pages, decisions, committed boards
	pytest tests/docs
	brainbench leaderboard leaderboards/records --verify

site:  ## the documentation, in build/site
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

tables:  ## the tables of fields in docs/hooks.md and docs/results.md, from the code
	python docs/field_tables.py

pictures:  ## the pictures of README and docs, by the commands that the pages show, and their tables
	python docs/make_pictures.py
	python docs/readme_table.py
	python docs/minis_tables.py

board:  ## rebuild the committed boards from their records
	brainbench leaderboard leaderboards/records --leaderboards leaderboards

format:
	ruff check --fix .
	ruff format .

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache

fuzz:  ## the properties of tests/fuzz with other inputs each time, for MINUTES (10) or until one fails
	end=$$(( $$(date +%s) + 60 * $(or $(MINUTES),10) )); while [ $$(date +%s) -lt $$end ]; do \
		pytest -n 0 -q -p no:cacheprovider tests/fuzz --hypothesis-profile=fuzz --hypothesis-seed=$$(date +%N) || exit 1; done

slurm:  ## a SLURM cluster of this one machine, as root with slurm-wlm and munge installed: about six minutes
	python benchmarks/one_node_slurm.py

torture:  ## runs killed at random moments, and workers of runs, leave what an undisturbed run leaves: about an hour
	python benchmarks/torture.py
	python benchmarks/torture_workers.py
