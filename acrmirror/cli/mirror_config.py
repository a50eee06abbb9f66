"""How container tools are pointed at the mirror: the configuration of each, as text."""

import base64
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

SECRET, DAEMON = "acrmirror-hosts", "acrmirror-hosts"
_WRITER_IMAGE = "mcr.microsoft.com/azurelinux/busybox:1.36"
"""Pulled from Microsoft's own registry, since the one that is mirrored may be gone."""


class Tool(StrEnum):
    CONTAINERD = "containerd"
    DOCKER = "docker"
    PODMAN = "podman"
    AKS = "aks"


@dataclass(frozen=True, slots=True)
class Way:
    """From where to where: `registry` is the host in the names of images, `mirror` the URL of the function app. With
    `username` and `password`, a pull credential; without, the mirror serves anybody, or the tool has it already."""

    registry: str
    mirror: str
    username: str | None = None
    password: str | None = None

    @property
    def host(self) -> str:
        """Of the mirror, with its port if it has one."""
        return urlsplit(self.mirror).netloc

    @property
    def basic(self) -> str | None:
        """The value of an `Authorization` header (RFC 7617)."""
        if self.username is None or self.password is None:
            return None
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def configuration(tool: Tool, way: Way) -> str:
    """The text of the tool's configuration, with comments that say where it goes."""
    return {
        Tool.CONTAINERD: containerd,
        Tool.DOCKER: docker,
        Tool.PODMAN: podman,
        Tool.AKS: aks,
    }[tool](way)


def containerd(way: Way) -> str:
    """`hosts.toml` (containerd, docs/hosts.md): the mirror is asked first, then the registry."""
    return f"""# /etc/containerd/certs.d/{way.registry}/hosts.toml
# containerd reads it at each pull; its own configuration has config_path = "/etc/containerd/certs.d".
{_hosts_toml(way)}"""


def _hosts_toml(way: Way) -> str:
    lines = [
        f'server = "https://{way.registry}"',
        "",
        f'[host."{_origin(way.mirror)}"]',
        'capabilities = ["pull", "resolve"]',
    ]
    if way.basic is not None:
        lines += ["", f'[host."{_origin(way.mirror)}".header]', f'authorization = "{way.basic}"']
    return "\n".join(lines) + "\n"


def podman(way: Way) -> str:
    """A drop-in of containers-registries.conf(5), which podman, CRI-O, buildah and skopeo read. Credentials are not in
    it: these tools keep them by host."""
    return f"""# /etc/containers/registries.conf.d/acrmirror.conf, for podman, CRI-O, buildah and skopeo.
# Once: podman login {way.host}
[[registry]]
prefix = "{way.registry}"
location = "{way.registry}"

[[registry.mirror]]
location = "{way.host}"
"""


def docker(way: Way) -> str:
    """Commands: docker's own mirrors are for Docker Hub alone."""
    return f"""# Docker can mirror Docker Hub only: pull from the mirror by its own host, then name the image as before.
docker login {way.host}
docker pull {way.host}/REPOSITORY:TAG
docker tag {way.host}/REPOSITORY:TAG {way.registry}/REPOSITORY:TAG
"""


def aks(way: Way) -> str:
    """A secret with `hosts.toml`, and a DaemonSet that writes it to each node, new ones too."""
    body = "".join(f"    {line}\n" if line else "\n" for line in _hosts_toml(way).splitlines())
    folder = f"/etc/containerd/certs.d/{way.registry}"
    return f"""# kubectl apply -f -
# Undo: delete the DaemonSet, then the folder {folder} on each node.
apiVersion: v1
kind: Secret
metadata:
  name: {SECRET}
  namespace: kube-system
stringData:
  hosts.toml: |
{body}---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {DAEMON}
  namespace: kube-system
spec:
  selector:
    matchLabels: {{app: {DAEMON}}}
  template:
    metadata:
      labels: {{app: {DAEMON}}}
    spec:
      tolerations: [{{operator: Exists}}]
      automountServiceAccountToken: false
      containers:
        - name: write
          image: {_WRITER_IMAGE}
          command: [sh, -c, "while true; do cp /given/hosts.toml /node/hosts.toml; sleep 60; done"]
          volumeMounts:
            - {{name: given, mountPath: /given, readOnly: true}}
            - {{name: node, mountPath: /node}}
      volumes:
        - name: given
          secret: {{secretName: {SECRET}}}
        - name: node
          hostPath: {{path: "{folder}", type: DirectoryOrCreate}}
"""


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
