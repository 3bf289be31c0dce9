#!/bin/sh
# Prepare .venv. Usage: tools/environment.sh LOCK...
#
# The script chooses an interpreter, creates .venv (an existing one is reused), and installs the locks and the project
# with plain pip. A missing or unsuitable interpreter is refused in one line, before anything is installed.
#   PYTHON=...  the interpreter for a new .venv; default: the newest supported one that is found
#   VENV=...    the path of the environment; default: .venv
set -eu

venv=${VENV:-.venv}
supported='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
version='import sys; print("%d.%d.%d" % sys.version_info[:3])'

refuse() {
  echo "error: $1" >&2
  exit 1
}

# A name on PATH may be a shim that fails when it is called, so each candidate is run.
runs() { "$1" -c '' >/dev/null 2>&1; }
is_supported() { "$1" -c "$supported" >/dev/null 2>&1; }
has_venv() { "$1" -c 'import venv, ensurepip' >/dev/null 2>&1; }

require() { # check an interpreter that the user named or that an existing environment has; $2 says how to fix it
  runs "$1" || refuse "$1 does not run, but Python 3.11, 3.12 or 3.13 is needed; $2"
  is_supported "$1" || refuse "$1 is Python $("$1" -c "$version"), but 3.11, 3.12 or 3.13 is needed; $2"
}

choose() {
  bare='' other=''
  for name in python3.13 python3.12 python3.11 python3 python; do
    runs "$name" || continue
    if ! is_supported "$name"; then other=$name
    elif has_venv "$name"; then echo "$name" && return
    else bare=${bare:-$name}
    fi
  done
  [ -z "$bare" ] || refuse "$bare has no venv and ensurepip modules; install them (Debian: apt install python3-venv) or set PYTHON=<another python>"
  [ -z "$other" ] || refuse "only Python $("$other" -c "$version") was found ($other), but 3.11, 3.12 or 3.13 is needed; install one or set PYTHON=<path to it>"
  refuse "no Python was found, but 3.11, 3.12 or 3.13 is needed; install one or set PYTHON=<path to it>"
}

if [ -n "${PYTHON:-}" ]; then
  require "$PYTHON" "set PYTHON to one of these"
  has_venv "$PYTHON" || refuse "$PYTHON has no venv and ensurepip modules; install them (Debian: apt install python3-venv)"
fi
if [ -e "$venv" ]; then
  require "$venv/bin/python" "remove $venv and run make again"
else
  PYTHON=${PYTHON:-$(choose)}
  echo "creating $venv with Python $("$PYTHON" -c "$version")"
  "$PYTHON" -m venv "$venv" || { rm -rf "$venv"; refuse "$PYTHON could not create $venv; set PYTHON=<another python>"; }
fi

# An environment that was made by hand may lack pip (uv leaves it out).
runs_pip() { "$venv/bin/python" -m pip --version >/dev/null 2>&1; }
runs_pip || "$venv/bin/python" -m ensurepip >/dev/null 2>&1 || refuse "$venv has no pip; remove $venv and run make again"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@" </dev/null; }

for lock in "$@"; do
  echo "installing the packages pinned in $lock (a minute or two the first time; later calls need no network)"
  # Older versions of pip warn about the only source package (antlr4, which hydra pins) without --use-pep517.
  pip install --quiet --use-pep517 -r "$lock" || refuse "$lock was not installed; see pip's message above, then run make again"
done
# The build backend is pinned in the locks, so this step needs no network.
pip install --quiet --no-deps --no-build-isolation --editable . || refuse "the project was not installed; see pip's message above, then run make again"
