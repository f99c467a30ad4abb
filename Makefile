# make demo    the whole path on a drive: bag, node, depth, clouds, ground truth, metrics, picture and video
# make test    linters, type checks and tests
# Both make a virtual environment in .venv and install what they need; the second time they are quick.

PYTHON ?= python3
VENV ?= .venv
DRIVE ?=
OUT ?= demo_out
TORCH ?= 2.13.0

# A sourced ROS brings its own Python modules and libraries, which do not mix with those of PyPI.
unexport PYTHONPATH LD_LIBRARY_PATH AMENT_PREFIX_PATH

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check
APT := $(if $(filter 0,$(shell id -u)),,sudo )apt-get

.PHONY: demo test lint env clean help

demo: $(VENV)/run.stamp
	$(BIN)/depth_demo $(if $(DRIVE),--drive '$(DRIVE)') --out '$(OUT)'

# ROS apart: loaders of training are forks, and a fork of a process with DDS's threads has crashed when it tidied up.
test: lint
	$(BIN)/python -m pytest -m 'not ros'
	$(BIN)/python -m pytest -m ros

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/codespell
	$(BIN)/mypy

env: $(VENV)/run.stamp

# An NVIDIA GPU gets PyPI's build of torch; everything else the CPU build, from wherever pip is set up to find one,
# or from where uv knows that PyTorch keeps them. (PyPI's own Linux build brings gigabytes of CUDA libraries.)
$(VENV)/torch.stamp:
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { $(APT) update && $(APT) install -y python3-venv; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	@if nvidia-smi >/dev/null 2>&1 || [ "$$(uname -s)" != Linux ]; then \
	  echo 'installing torch'; $(PIP) torch; \
	else \
	  echo 'no NVIDIA GPU found: installing the CPU build of torch'; \
	  $(PIP) 'torch==$(TORCH)+cpu' 2>/dev/null \
	    || { $(PIP) uv && $(BIN)/uv pip install --quiet --python $(BIN)/python --torch-backend cpu torch; }; \
	fi
	@touch $@

$(VENV)/run.stamp: $(VENV)/torch.stamp setup.py
	$(PIP) -e '.[ros,openvino]'
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { $(APT) update && $(APT) install -y libgl1 libglib2.0-0; }
	@touch $@

$(VENV)/test.stamp: $(VENV)/run.stamp setup.py
	$(PIP) -e '.[ros,openvino,onnx,int8,train,truth,cluster,dev]'
	@touch $@

clean:
	rm -rf $(VENV) '$(OUT)' build install log *.egg-info

help:
	@sed -n 's/^# //p' Makefile | head -3
