"""What registries hold besides images: charts, signatures, SBOMs, attestations, and artifacts of older forms."""

import base64
import io
import json
import random
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from acrmirror.oci import EMPTY_JSON, OCI_ARTIFACT, OCI_EMPTY, OCI_MANIFEST, ORAS_ARTIFACT, Descriptor
from acrmirror.reference import Digest
from testkit.images.build import CREATED, OCI_CONFIG, Seed
from testkit.images.layers import gzip_stored
from testkit.images.values import Draft, Image, entries, entry

HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
NOTATION = "application/vnd.cncf.notary.signature"
SPDX = "application/spdx+json"
IN_TOTO = "application/vnd.in-toto+json"
COSIGN_PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"


def empty_descriptor(draft: Draft) -> Descriptor:
    """image-spec "guidance for an empty descriptor", with its content embedded as well as stored."""
    return draft.blob(EMPTY_JSON, OCI_EMPTY, data=EMPTY_JSON)


def add_artifact(
    draft: Draft,
    seed: Seed,
    artifact_type: str,
    content: bytes,
    *,
    subject: Descriptor | None = None,
    content_type: str | None = None,
    tag: str | None = None,
) -> Descriptor:
    """Adds an artifact as image-spec 1.1 packs it: `artifactType`, the empty config, one layer."""
    body: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": entry(empty_descriptor(draft)),
        "layers": [entry(draft.blob(content, content_type or artifact_type))],
        "annotations": {"org.opencontainers.image.created": CREATED, "seed": str(seed)},
    }
    if subject is not None:
        body["subject"] = _plain(subject)
    return replace(draft.manifest(body, tag), artifact_type=artifact_type)


def artifact(seed: Seed, artifact_type: str, content: bytes, **more: Any) -> Image:
    """One artifact by itself; `more` as `add_artifact` takes it."""
    draft = Draft()
    return draft.image(add_artifact(draft, seed, artifact_type, content, **more))


def signature(seed: Seed, subject: Descriptor) -> Image:
    """A signature that refers to its subject, in the form of notation."""
    return artifact(seed, NOTATION, _signature(seed), subject=subject, content_type="application/jose+json")


def sbom(seed: Seed, subject: Descriptor) -> Image:
    """An SPDX document that refers to its subject."""
    document = {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": str(subject.digest), "seed": str(seed)}
    return artifact(seed, SPDX, json.dumps(document).encode(), subject=subject)


def attestation(seed: Seed, subject: Descriptor) -> Image:
    """An in-toto statement that refers to its subject."""
    statement = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1"}
    return artifact(seed, IN_TOTO, json.dumps({**statement, "seed": str(seed)}).encode(), subject=subject)


def cosign(seed: Seed, subject: Descriptor, kind: str = "sig") -> Image:
    """What cosign keeps under a tag of its own, `sha256-<hex>.sig`, `.att` or `.sbom`, with no `subject`."""
    media_type = {"sig": COSIGN_PAYLOAD, "att": DSSE, "sbom": "text/spdx+json"}[kind]
    payload = {
        "critical": {
            "identity": {"docker-reference": ""},
            "image": {"docker-manifest-digest": str(subject.digest)},
            "type": "cosign container image signature",
        },
        "optional": {"seed": str(seed)},
    }
    draft = Draft()
    layer = draft.blob(
        json.dumps(payload).encode(),
        media_type,
        annotations={"dev.cosignproject.cosign/signature": base64.b64encode(_signature(seed)).decode()},
    )
    config = {"architecture": "", "os": "", "config": {}, "rootfs": {"type": "layers", "diff_ids": [str(layer.digest)]}}
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": entry(draft.blob(json.dumps(config).encode(), OCI_CONFIG)),
        "layers": [entry(layer)],
    }
    return draft.image(draft.manifest(body, f"{subject.digest.algorithm}-{subject.digest.encoded}.{kind}"))


def helm_chart(seed: Seed, version: str = "0.1.0") -> Image:
    """A chart as `helm push` stores it, under its version."""
    name = "chart"
    files = {
        f"{name}/Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\ndescription: seed {seed}\n".encode(),
        f"{name}/values.yaml": b"replicas: 1\n",
        f"{name}/templates/service.yaml": b"apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\n",
    }
    draft = Draft()
    config = {"apiVersion": "v2", "name": name, "version": version, "description": f"seed {seed}"}
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": entry(draft.blob(json.dumps(config).encode(), HELM_CONFIG)),
        "layers": [entry(draft.blob(gzip_stored(_tar(files)), HELM_CHART))],
        "annotations": {"org.opencontainers.image.title": name, "org.opencontainers.image.version": version},
    }
    return draft.image(draft.manifest(body, version))


def artifact_manifest(
    seed: Seed, *, oras: bool = False, subject: Descriptor | None = None, tag: str | None = "latest"
) -> Image:
    """The OCI artifact manifest of image-spec's 1.1 release candidates, or the ORAS one before it.

    Neither has a schemaVersion, a config or layers; a stock registry takes neither.
    """
    draft = Draft()
    body: dict[str, Any] = {
        "mediaType": ORAS_ARTIFACT if oras else OCI_ARTIFACT,
        "artifactType": "application/vnd.example.scan.v1",
        "blobs": entries([draft.blob(f"result {seed}/{n}\n".encode(), "text/plain") for n in range(2)]),
        "annotations": {"seed": str(seed)},
    }
    if subject is not None:
        body["subject"] = _plain(subject)
    return draft.image(draft.manifest(body, tag))


def unknown_subject(seed: Seed) -> Descriptor:
    """A descriptor of a manifest that nobody has: referrers may come before their subject, or without it."""
    return Descriptor(OCI_MANIFEST, Digest.of(f"absent {seed}".encode()), 1234)


def _plain(descriptor: Descriptor) -> dict[str, Any]:
    return entry(Descriptor(descriptor.media_type, descriptor.digest, descriptor.size))


def _signature(seed: Seed) -> bytes:
    return random.Random(f"signature {seed}").randbytes(96)


def _tar(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(data))
    return archive.getvalue()
