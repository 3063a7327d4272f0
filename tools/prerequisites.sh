#!/usr/bin/env bash
# Says in one sentence each what is missing on this machine, before anything is half done.
# usage: prerequisites.sh setup     what every build needs
#        prerequisites.sh cluster   what bringing up a cluster needs, by CLUSTER=auto|kind|local|existing
set -euo pipefail

missing=()
have() { command -v "$1" >/dev/null 2>&1; }
need() { # need PROGRAM "what to install"
    have "$1" || missing+=("$1: $2")
}

# at_least WANTED FOUND: whether version FOUND (1.26.8) is no older than WANTED (1.21)
at_least() { [[ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" == "$1" ]]; }

check_setup() {
    need python3 "install Python 3.11 or newer with venv (Debian: apt-get install python3 python3-venv)"
    need cargo "install the Rust toolchain, 1.85 or newer (https://rustup.rs)"
    need cc "install a C compiler (Debian: apt-get install build-essential)"
    if have python3; then
        python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
            missing+=("python3: $(python3 --version) is too old; 3.11 or newer is needed")
        python3 -c 'import venv, ensurepip' 2>/dev/null ||
            missing+=("python3 venv: Debian splits it off; apt-get install python3-venv")
    fi
    if have cargo; then
        at_least 1.85 "$(cargo --version | cut -d ' ' -f 2)" ||
            missing+=("cargo: $(cargo --version) is too old; 1.85 or newer is needed (rustup update)")
    fi
}

check_go() {
    need go "install Go 1.21 or newer (https://go.dev/dl): kubectl, Helm and a local cluster are built from source"
    if have go; then
        # From 1.21 on, Go fetches the very toolchain that a go.mod names.
        at_least 1.21 "$(go env GOVERSION | sed 's/^go//')" ||
            missing+=("go: $(go env GOVERSION) is too old; 1.21 or newer is needed")
    fi
}

container_engine() { docker info >/dev/null 2>&1 || podman info >/dev/null 2>&1; }

check_kind() {
    need kind "install kind (https://kind.sigs.k8s.io), or use CLUSTER=local"
    container_engine || missing+=("docker or podman: neither answers; kind needs one of them")
}

check_local() {
    [[ "$(uname -s)" == Linux ]] ||
        missing+=("Linux: the local cluster is made of namespaces; elsewhere install kind and Docker")
    [[ "$(id -u)" == 0 ]] ||
        missing+=("root: run this as root, or install kind and Docker or Podman")
    have apt-get || { have containerd && have buildah && have debootstrap; } ||
        missing+=("containerd, runc, CNI plug-ins, buildah, debootstrap: there is no apt-get to install them with")
}

case "${1:-}" in
setup)
    what="loghub cannot be built here yet"
    check_setup
    ;;
cluster)
    what="no cluster can be brought up here yet (CLUSTER=${CLUSTER:-auto})"
    check_go
    case "${CLUSTER:-auto}" in
    kind) check_kind ;;
    local) check_local ;;
    existing) ;;
    auto) if ! { have kind && container_engine; }; then check_local; fi ;;
    *)
        echo "CLUSTER=$CLUSTER: choose auto, kind, local or existing" >&2
        exit 2
        ;;
    esac
    ;;
*)
    echo "usage: $0 setup|cluster" >&2
    exit 2
    ;;
esac

if ((${#missing[@]})); then
    echo "$what. Missing:" >&2
    printf '  - %s\n' "${missing[@]}" >&2
    exit 1
fi
