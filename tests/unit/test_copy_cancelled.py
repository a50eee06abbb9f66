"""Cancelling a copy."""

import pytest

from acrmirror.copying import Context
from acrmirror.errors import (
    Cancelled,
)
from tests.in_memory import AT, BLOCK, Mirror, Registry
from tests.unit.copied import REPOSITORY, copy


@pytest.mark.parametrize("when", ["manifests", "blobs", "links", "tag", "referrers"])
def test_cancelling_ends_a_run_in_each_of_its_phases(registry: Registry, mirror: Mirror, when: str) -> None:
    image = registry.image("one", *[registry.blob_of(bytes([n]) * (2 * BLOCK)) for n in range(9)], tag="v1")
    registry.signature(image, "one")
    registry.signature(image, "two")
    root = registry.index(image, tag="v1")
    registry.signature(root)
    context = Context("job", AT, threads=1)

    def stop(*_: object) -> None:
        context.cancel.set("a person cancelled it")

    if when == "manifests":
        registry.before_manifest = stop
    elif when == "blobs":
        ingest = mirror.target.blobs.ingest
        mirror.target.blobs.ingest = lambda *a, **b: (stop(), ingest(*a, **b))[1]  # type: ignore[method-assign,func-returns-value]
    elif when == "links":
        link = mirror.target.blobs.link
        mirror.target.blobs.link = lambda *a, **b: (link(*a, **b), stop())[0]  # type: ignore[method-assign,func-returns-value]
    elif when == "tag":
        registry.before_resolve = stop
        mirror.before_tag = lambda: mirror.tags.update({(REPOSITORY, "v1"): object()})  # type: ignore[dict-item]
    else:
        mirror.before_tag = stop
    with pytest.raises(Cancelled, match="a person"):
        copy(registry, mirror, root.digest, "v1", context=context)
    assert mirror.lacks(REPOSITORY) == []
    if when == "links":
        assert sum(kind == "link" for kind, _ in mirror.writes) == 1
