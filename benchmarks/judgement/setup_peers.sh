#!/bin/sh
# Evidently and NannyML into build/peers (git-ignored; about 1.5 GB), for quick.py. Needs the network once.
set -eu
cd "$(dirname "$0")/../.."
"${PYTHON:-.venv/bin/python}" -m venv --clear build/peers
build/peers/bin/pip install --quiet --disable-pip-version-check -r benchmarks/judgement/requirements-peers.txt
echo "build/peers is ready"
