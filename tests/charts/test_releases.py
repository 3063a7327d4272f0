"""A release over its life, by the real helm on a real API server: what is made once stays."""

import base64
import json
import pathlib
import uuid
from collections.abc import Callable

import pytest
import yaml

pytestmark = pytest.mark.apiserver

ROOT = pathlib.Path(__file__).parents[2]
CHART = ROOT / "charts" / "loghub"

KEY = "loghub-ingest-key"
CLAIM = "data-loghub-ingest-0"


class Release:
    """The chart in a namespace of its own; only one can be in a cluster at once."""

    def __init__(self, helm: Callable[..., str], kubectl: Callable[..., str]) -> None:
        self._helm, self._kubectl = helm, kubectl
        self.namespace = f"release-{uuid.uuid4().hex[:8]}"
        kubectl("create", "namespace", self.namespace)

    def install(self, *settings: str) -> str:
        options = [f"--set={each}" for each in settings]
        where = ("--namespace", self.namespace, "--skip-crds")
        return self._helm("upgrade", "--install", "loghub", str(CHART), *where, *options)

    def uninstall(self) -> None:
        self._helm("uninstall", "loghub", "--namespace", self.namespace, "--ignore-not-found")

    def kubectl(self, *arguments: str) -> str:
        return self._kubectl("--namespace", self.namespace, *arguments)

    def secret(self, name: str) -> dict[str, str]:
        found = self.kubectl("get", "secret", name, "--ignore-not-found", "-o", "json")
        return dict(json.loads(found)["data"]) if found else {}

    def arguments(self) -> list[str]:
        found = json.loads(self.kubectl("get", "statefulset", "loghub-ingest", "-o", "json"))
        return list(found["spec"]["template"]["spec"]["containers"][0]["args"])

    def claim(self) -> None:
        """The claim that the StatefulSet's controller makes; none runs here."""
        document = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": CLAIM},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
        path = ROOT / "build" / f"{self.namespace}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(document))
        self.kubectl("apply", f"--filename={path}")
        path.unlink()


@pytest.fixture
def release(helm, kubectl, definitions):
    made = Release(helm, kubectl)
    yield made
    made.uninstall()


def test_keys_are_made_once_and_survive_upgrades(release):
    release.install()
    root, key = release.secret("loghub-root"), release.secret(KEY)
    assert len(base64.b64decode(base64.b64decode(key["secrets.key"]))) == 32
    release.claim()
    release.install("ingest.logLevel=debug")
    assert (release.secret("loghub-root"), release.secret(KEY)) == (root, key)
    assert "--key-file=/etc/loghub/sealing/secrets.key" in release.arguments()


def test_the_sealing_key_outlives_an_uninstall_as_the_claim_does(release):
    release.install()
    key = release.secret(KEY)
    release.claim()
    release.uninstall()
    assert release.secret(KEY) == key
    assert release.secret("loghub-root") == {}
    release.install()
    assert release.secret(KEY) == key
    assert "--key-file=/etc/loghub/sealing/secrets.key" in release.arguments()


def test_a_release_that_had_its_key_on_the_volume_goes_on_with_it(release):
    release.claim()
    release.install()
    assert release.secret(KEY) == {}
    assert not [each for each in release.arguments() if each.startswith("--key-file")]
    # Asked for, a Secret is taken all the same.
    release.install("ingest.sealing.where=Secret")
    assert release.secret(KEY)


def test_brought_secrets_are_used_and_none_is_made(release):
    release.install("rootCredentials.existingSecret=mine", "ingest.sealing.existingSecret=sealed")
    assert release.secret("loghub-root") == {}
    assert release.secret(KEY) == {}
    found = json.loads(release.kubectl("get", "statefulset", "loghub-ingest", "-o", "json"))
    volumes = found["spec"]["template"]["spec"]["volumes"]
    assert {"secretName": "sealed", "defaultMode": 0o400} in [v.get("secret") for v in volumes]


def test_the_notes_say_the_next_command(release):
    notes = release.install()
    assert f"helm test loghub --namespace {release.namespace}" in notes
    assert "get secret loghub-ingest-key" in notes
    without = release.install("ingest.enabled=false", "defaultProject.enabled=false")
    assert "helm test" not in without
    assert "kubectl explain logconfig.spec" in without
