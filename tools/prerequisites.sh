#!/usr/bin/env bash
# Says in one sentence each what is missing on this machine, before anything is half done.
# usage: prerequisites.sh setup
set -euo pipefail

missing=()
need() { # need PROGRAM "what to install"
    command -v "$1" >/dev/null 2>&1 || missing+=("$1: $2")
}

case "${1:-}" in
setup)
    need python3 "install Python 3.11 or newer with venv (Debian: apt-get install python3 python3-venv)"
    need cargo "install the Rust toolchain, 1.85 or newer (https://rustup.rs)"
    need cc "install a C compiler (Debian: apt-get install build-essential)"
    if command -v python3 >/dev/null 2>&1; then
        python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
            missing+=("python3: $(python3 --version) is too old; 3.11 or newer is needed")
        python3 -c 'import venv, ensurepip' 2>/dev/null ||
            missing+=("python3 venv: Debian splits it off; apt-get install python3-venv")
    fi
    ;;
*)
    echo "usage: $0 setup" >&2
    exit 2
    ;;
esac

if ((${#missing[@]})); then
    echo "loghub cannot be built here yet. Missing:" >&2
    printf '  - %s\n' "${missing[@]}" >&2
    exit 1
fi
