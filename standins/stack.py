"""Starts what an app needs in Azure on this machine, wires it, and stops it all.

Registry, identity endpoint, storage and Functions host are processes of their own; the app runs in the host's workers
with the settings that a deployment would give it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from standins import guard
from standins.control import FunctionsControl, PolicyControl, RegistryControl
from standins.foundation import Account, Foundation, IdentityEndpoint
from standins.options import Options
from standins.policy import Policy
from standins.policy.registries import registry_grant
from standins.process import Service, ServiceFailed, stop_all
from standins.profile import Profile, Services

RESOURCE_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.ContainerRegistry/registries/local"
)
USERNAME = "local"
# Of an outer stack, or of a real deployment, they must not reach this one's app; nor must the app's own.
_FOREIGN = (
    "IDENTITY_", "AZURE_", "AzureWebJobs", "AzureFunctionsJobHost__", "MSI_",
    "APPLICATIONINSIGHTS_", "OTEL_",
)  # fmt: skip


class Stack:
    """`with Stack(profile, workers=2) as stack:`; raises `ServiceFailed` with the end of a log if a part does not.

    Keywords are those of `Options`. `folder` gets the logs, and is a temporary one unless given. On a `foundation`
    that runs already the stack takes a storage account of its own; else it starts one.
    """

    def __init__(
        self, profile: Profile, *, folder: Path | None = None, foundation: Foundation | None = None, **options: Any
    ) -> None:
        self.profile = profile
        self.options = Options(**options)
        self.folder: Path
        self.account: Account
        self.registry: RegistryControl
        self.target: RegistryControl
        self.functions: FunctionsControl
        self.policy: PolicyControl
        self._foundation: Foundation
        self._given_folder = folder
        self._given_foundation = foundation
        self._token = secrets.token_urlsafe(18)
        self._ends = ExitStack()
        self._services: dict[str, Service] = {}

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            self.folder = self._make_folder(ends)
            self._start(ends)
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    # Where things are

    @property
    def identity(self) -> IdentityEndpoint:
        return self.account.identity

    @property
    def ca(self) -> Path:
        return self.account.ca

    @property
    def blob_endpoint(self) -> str:
        return self.account.blob_endpoint

    @property
    def queue_endpoint(self) -> str:
        return self.account.queue_endpoint

    @property
    def table_endpoint(self) -> str:
        return self.account.table_endpoint

    @property
    def identity_endpoint(self) -> str:
        return self.identity.endpoint

    @property
    def identity_header(self) -> str:
        return self.identity.header

    @property
    def client_id(self) -> str:
        return self.identity.client_id

    @property
    def logs(self) -> dict[str, Path]:
        """The log file of each part that is a process of this stack's own."""
        return {name: service.log for name, service in self._services.items()}

    def returncodes(self) -> dict[str, int | None]:
        """Of the same processes; None for one that runs."""
        return {name: service.returncode() for name, service in self._services.items()}

    def pids(self) -> dict[str, int]:
        """The process id of each of them."""
        return {name: service.pid for name, service in self._services.items()}

    def check(self) -> None:
        """Raises `ServiceFailed` if a part of it has ended by itself."""
        for service in self._services.values():
            service.check()
        for service in self._foundation.services:
            service.check()

    def app_environment(self) -> dict[str, str]:
        """The app's settings, and what App Service gives beside them; also for code that runs in this process."""
        return {
            **self.identity.environment(),
            **self.profile.settings(self._places()),
            **self.options.settings,
        }

    def ready(self) -> dict[str, str]:
        """What an outside client needs, as one JSON object."""
        return {
            "registry": self.registry.host,
            "username": self.registry.username,
            "password": self.registry.password,
            **self._target_ready(),
            "functions": self.functions.url,
            "functions_key": self.functions.function_key,
            "blob": self.blob_endpoint,
            "queue": self.queue_endpoint,
            "table": self.table_endpoint,
            **self.profile.described(self.app_environment()),
            "ca": str(self.ca),
            "identity_endpoint": self.identity_endpoint,
            "identity_header": self.identity_header,
            "client_id": self.client_id,
        }

    def _target_ready(self) -> dict[str, str]:
        if not self.options.target:
            return {}
        target = self.target
        return {"target": target.host, "target_username": target.username, "target_password": target.password}

    def set_policy(self, policy: Policy) -> None:
        """What the app may do from now on, in a stack that was started with a policy. Tokens and keys that it has by
        then stay good, as in Azure."""
        self.policy.set(policy)
        self.registry.set_grants({self.client_id: registry_grant(policy)})

    def stop_registry(self) -> None:
        """As on the day the registry is gone."""
        self._services.pop("registry").stop()

    # Starting and stopping

    def _make_folder(self, ends: ExitStack) -> Path:
        if self._given_folder is not None:
            self._given_folder.mkdir(parents=True, exist_ok=True)
            return self._given_folder
        folder = Path(tempfile.mkdtemp(prefix="stack-"))
        ends.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _start(self, ends: ExitStack) -> None:
        """What does not need one another starts at once; the host comes last, since its app needs all the rest."""
        foundation = self._given_foundation
        if foundation is None:
            foundation = Foundation(self.folder)
            ends.callback(foundation.stop)
        ends.callback(self._stop_services)
        self._foundation = foundation
        ports = ["--port", str(self.options.registry_port), "--data-port", str(self.options.data_port)]
        registry = self._start_registry(foundation, "registry", ports)
        target = self._start_registry(foundation, "target", []) if self.options.target else None
        if self._given_foundation is None:
            foundation.ready()
        self.account = foundation.account()
        self.registry = registry.control(str(self._services["registry"].ready()["registry"]))
        if target is not None:
            self.target = target.control(str(self._services["target"].ready()["registry"]))
        if self.options.policy is not None:
            self.policy = self._start_policy(foundation)
            self.set_policy(self.options.policy)
        if self.options.functions:
            host = self._start_functions()
            self._deploy()
            answer = host.ready()
            if "failed" in answer:
                raise ServiceFailed(f"The app could not be imported.\n{answer['failed']}")
            self.functions = FunctionsControl(
                url=answer["functions"],
                key=answer["key"],
                system_key=answer["system_key"],
                function_key=answer["function_key"],
                token=self._token,
            )
            if self.profile.event_function is not None:
                endpoint = self.functions.event_endpoint(self.profile.event_function)
                self.registry.subscribe(endpoint, self.options.event_schema)
        else:
            self._deploy()

    def _deploy(self) -> None:
        self.account.deploy(self.profile.resources(self.app_environment()))

    def _start_registry(self, foundation: Foundation, name: str, ports: list[str]) -> _RegistrySecrets:
        secret = _RegistrySecrets(foundation.certificates.ca)
        arguments = ["--cert", str(foundation.certificates.server), "--identity-key", str(foundation.key), *ports]
        arguments += ["--username", USERNAME, "--resource-id", RESOURCE_ID, "--root", str(self.folder)]
        if self.options.anonymous and name == "registry":
            arguments.append("--anonymous")
        environment = {
            **os.environ,
            "STANDINS_REGISTRY_PASSWORD": secret.password,
            guard.VARIABLE: secret.token,
        }
        self._services[name] = Service.module("standins.registry", arguments, self.folder / f"{name}.log", environment)
        return secret

    def _start_policy(self, foundation: Foundation) -> PolicyControl:
        account = self.account
        arguments = ["--ca", str(account.ca), "--cert", str(foundation.certificates.server)]
        arguments += ["--blob", account.blob_endpoint, "--queue", account.queue_endpoint]
        arguments += ["--table", account.table_endpoint]
        environment = {**os.environ, guard.VARIABLE: self._token}
        layer = Service.module("standins.policy", arguments, self.folder / "policy.log", environment)
        self._services["policy"] = layer
        ready = layer.ready()
        return PolicyControl(ready["blob"], ready["queue"], ready["table"], ready["control"], self._token)

    def _places(self) -> Services:
        """As the app sees them: with a policy, storage is behind the layer that checks roles."""
        storage = self.account if self.options.policy is None else self.policy
        return Services(
            registry=self.registry.host,
            registry_resource_id=RESOURCE_ID,
            registry_anonymous=self.options.anonymous,
            blob=storage.blob_endpoint,
            queue=storage.queue_endpoint,
            table=storage.table_endpoint,
            ca=self.account.ca,
            client_id=self.client_id,
            target=self.target.host if self.options.target else None,
        )

    def _start_functions(self) -> Service:
        options = self.options
        foreign = (*_FOREIGN, *self.profile.own_settings)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        environment |= self.app_environment() | {guard.VARIABLE: self._token}
        arguments = ["--app", str(options.app or self.profile.app), "--port", str(options.functions_port)]
        arguments += ["--ca", str(self.ca)]
        if options.func:
            module = "standins.coretools"
            places = self._places()
            arguments += ["--blob", places.blob, "--queue", places.queue, "--table", places.table]
        else:
            module = "standins.functions"
            # A stack that ends is done with: nobody waits for what it was running.
            arguments += ["--workers", str(options.workers), "--lease", str(options.lease), "--grace", "0"]
        host = Service.module(module, arguments, self.folder / "functions.log", environment)
        self._services["functions"] = host
        return host

    def _stop_services(self) -> None:
        """The host first, while what its app is talking to still answers."""
        host = self._services.get("functions")
        if host is not None:
            host.stop()
        stop_all(list(self._services.values()))


@dataclass(frozen=True, slots=True)
class _RegistrySecrets:
    ca: Path
    password: str = field(default_factory=lambda: secrets.token_urlsafe(18))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(18))

    def control(self, host: str) -> RegistryControl:
        return RegistryControl(host, USERNAME, self.password, self.ca, self.token)
