"""The contender that needs no engine: the SDK's own loop, `download_blob` into `upload_blob`, blob by blob.

`python -m bench.sdk --registry HOST --repository R --tag T --blob URL --container C --ca FILE [--piece BYTES]`

As it comes, the registry's client hands a blob over in pieces of 4 KiB, which `upload_blob` adds one by one to what it
will send, copying all of it each time. `--piece` sets larger ones, which spares that.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from azure.containerregistry import ContainerRegistryClient
from azure.storage.blob import BlobServiceClient

from bench.child import measure
from bench.credential import AnyToken


def prepare(arguments: argparse.Namespace) -> Callable[[], None]:
    ca = str(arguments.ca)
    options = {"connection_data_block_size": arguments.piece} if arguments.piece else {}
    registry = ContainerRegistryClient(f"https://{arguments.registry}", AnyToken(), connection_verify=ca, **options)
    mirror = BlobServiceClient(arguments.blob, AnyToken(), connection_verify=ca)
    container = mirror.get_container_client(arguments.container)

    def copy() -> None:
        manifest = dict(registry.get_manifest(arguments.repository, arguments.tag).manifest or {})
        for descriptor in (manifest["config"], *manifest["layers"]):
            with registry.download_blob(arguments.repository, descriptor["digest"]) as stream:
                blob = container.get_blob_client(descriptor["digest"].replace(":", "/"))
                blob.upload_blob(stream, length=descriptor["size"], overwrite=True)

    return copy


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.sdk", description=__doc__)
    for name in ("registry", "repository", "tag", "blob", "container"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ca", type=Path, required=True)
    parser.add_argument("--piece", type=int, help="bytes of a piece that the registry's client hands over")
    arguments = parser.parse_args()
    measure(lambda: prepare(arguments))


if __name__ == "__main__":
    main()
