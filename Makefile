# Every target sets up what it needs; a second run starts at once. `make help` lists them.

PYTHON_IN_VENV := .venv/bin/python

# An apt-installed ROS 2 in the environment would be found before the wheels in .venv, and the two do not mix.
ifdef AMENT_PREFIX_PATH
unexport AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH ROS_DISTRO RMW_IMPLEMENTATION
endif
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

export PYTHON TORCH

.DEFAULT_GOAL := help
.PHONY: help demo test lint format setup lock clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  ARGS="..." goes to the script behind demo, test and lock; PYTHON= and TORCH= are explained in scripts/setup.sh'

demo: setup ## set up, then watch the simulated robot improve (about 20 minutes on 2 cores)
	$(PYTHON_IN_VENV) scripts/demo.py $(ARGS)

test: lint ## set up, then check style and types and run all tests
	$(PYTHON_IN_VENV) scripts/run_tests.py $(ARGS)

lint: setup ## ruff and mypy
	$(PYTHON_IN_VENV) -m ruff check
	$(PYTHON_IN_VENV) -m ruff format --check
	$(PYTHON_IN_VENV) -m mypy

format: setup ## rewrite the code as ruff wants it
	$(PYTHON_IN_VENV) -m ruff check --fix
	$(PYTHON_IN_VENV) -m ruff format

setup: ## make or update .venv
	@scripts/setup.sh

lock: setup ## resolve constraints.txt again
	$(PYTHON_IN_VENV) scripts/lock.py $(ARGS)

clean: ## remove caches and build outputs
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist *.egg-info
	rm -rf ros2_ws/build ros2_ws/install ros2_ws/log ros2_ws/src/*/build ros2_ws/src/*/*.egg-info
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean ## remove .venv as well
	rm -rf .venv .venv.lock .venv-franka-sim .venv-format-readers .venv-format-readers.lock
