#!/bin/sh
# Installs what this directory names, every file checked by its hash, beside the Python that is named:
#   requirements/install.sh .venv/bin/python
set -eu
python=$1
here=$(dirname "$0")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

pip() {
  "$python" -m pip --quiet --disable-pip-version-check install "$@"
}

# PyTorch's builds for CPUs are on an index of its own, which uv knows, or where pip's settings say.
# Where neither is to be had, there is the build with CUDA, whose many files are not pinned.
cpu() {
  "$@" --no-deps --require-hashes -r "$here/torch.txt" 2> "$scratch/said"
}
if ! cpu pip; then
  grep -q 'No matching distribution found' "$scratch/said" || { cat "$scratch/said" >&2; exit 1; }
  pip --no-deps --require-hashes --target "$scratch/uv" -r "$here/uv.txt"
  if ! PYTHONPATH=$scratch/uv cpu "$python" -m uv pip install --quiet --python "$python" --torch-backend cpu; then
    cat "$scratch/said" >&2
    if grep -qi 'hash mismatch' "$scratch/said"; then exit 1; fi
    echo "note: no build of PyTorch for CPUs can be had here: installing the one with CUDA, 5 GB, unpinned" >&2
    pip "$(sed -n 's/^\(torch==[0-9.]*\).*/\1/p' "$here/torch.txt" | head -n 1)"
  fi
fi
pip --no-deps --require-hashes -r "$here/default.txt"
