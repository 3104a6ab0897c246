#!/bin/sh
# Installs exactly what this directory names, every file checked by its hash, beside the Python that
# is named:  requirements/install.sh .venv/bin/python
set -eu
python=$1
here=$(dirname "$0")
uv=$(mktemp -d)
trap 'rm -rf "$uv"' EXIT

pip() {
  "$python" -m pip --quiet --disable-pip-version-check install "$@"
}

# PyTorch's builds for CPUs are on an index of its own, which uv knows, or where pip's settings say.
# Where neither can be reached, there is the build with CUDA.
cpu="--no-deps --require-hashes -r $here/torch.txt"
if ! pip $cpu 2> /dev/null; then
  pip --target "$uv" uv
  if ! PYTHONPATH=$uv "$python" -m uv pip install --quiet --python "$python" --torch-backend cpu $cpu; then
    echo "note: PyTorch's index of builds for CPUs cannot be reached: installing the one with CUDA, 5 GB" >&2
    pip "$(sed -n 's/^\(torch==[0-9.]*\).*/\1/p' "$here/torch.txt" | head -n 1)"
  fi
fi
pip --no-deps --require-hashes -r "$here/default.txt"
