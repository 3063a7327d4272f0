"""`make manifests`: the chart as plain YAML for `kubectl apply`, one file per shape, without Helm.

Nothing is drawn at random: Secrets are brought along (shapes/gitops.yaml), and the head of each
file says how to make them. The definitions are a file of their own, since they come first.
"""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "loghub"
NAMESPACE = "loghub-system"

HEAD = f"""\
# loghub, shape `{{shape}}`, made by `make manifests`. Definitions, Secrets, then this:
#
#   kubectl apply --server-side -f crds.yaml
#   kubectl create namespace {NAMESPACE}
{{secrets}}#   kubectl apply --server-side -f {{shape}}.yaml
"""
SECRETS = f"""\
#   kubectl -n {NAMESPACE} create secret generic loghub-root \\
#     --from-literal=accessKeyId=root --from-literal=accessKeySecret="$(openssl rand -hex 20)"
#   kubectl -n {NAMESPACE} create secret generic loghub-ingest-key \\
#     --from-literal=secrets.key="$(openssl rand -base64 32)"
"""


def shapes() -> list[str]:
    """Names of the shapes; `gitops` is in each of them already."""
    found = sorted(path.stem for path in (CHART / "shapes").glob("*.yaml"))
    return [shape for shape in found if shape != "gitops"]


def render(helm: str, shape: str) -> str:
    """The manifests of a shape, every object with its namespace."""
    command = [helm, "template", "loghub", str(CHART), f"--namespace={NAMESPACE}"]
    command += [f"--values={CHART}/shapes/{shape}.yaml", f"--values={CHART}/shapes/gitops.yaml"]
    command += ["--skip-tests", "--no-hooks"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    body = _placed(done.stdout)
    return HEAD.format(shape=shape, secrets=SECRETS if "StatefulSet" in body else "") + body


CLUSTER_WIDE = frozenset(("ClusterRole", "ClusterRoleBinding", "CollectionAgent"))


def _placed(text: str) -> str:
    """Give each object that lives in a namespace the release's, which Helm leaves to its client."""
    documents = []
    for document in text.split("\n---\n"):
        kind = next((line for line in document.splitlines() if line.startswith("kind: ")), "")
        if kind and kind.removeprefix("kind: ") not in CLUSTER_WIDE:
            document = document.replace(  # noqa: PLW2901 - the document with its namespace
                "\nmetadata:\n", f"\nmetadata:\n  namespace: {NAMESPACE}\n", 1
            )
        documents.append(document)
    return "\n---\n".join(documents)


def main() -> int:
    """Write build/manifests, or the folder that is named."""
    target = pathlib.Path(sys.argv[1]) if sys.argv[1:] else ROOT / "build" / "manifests"
    target.mkdir(parents=True, exist_ok=True)
    found = subprocess.run(
        [sys.executable, "-m", "harness", "tool", "helm"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    definitions = sorted((ROOT / "crds").glob("*.yaml"))
    text = "---\n".join(path.read_text(encoding="utf-8") for path in definitions)
    (target / "crds.yaml").write_text(text, encoding="utf-8")
    for shape in shapes():
        path = target / f"{shape}.yaml"
        path.write_text(render(found.stdout.strip(), shape), encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
