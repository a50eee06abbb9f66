"""The SDK and the requests that it has no method for go by one pipeline, whose policies are in the same order, whatever
order the SDK's release would give its own.

Up to azure-containerregistry 1.2.0 the client leaves the list of policies to azure-core, which puts those of
`per_retry_policies` behind the challenge; from 1.2.1 it makes the list itself, and azure-core puts them right behind
the retries. tests/interop/test_newest_sdk.py runs what reads the registry with the newest release.
"""

from azure.core.pipeline import Pipeline
from azure.core.pipeline._base import _SansIOHTTPPolicyRunner
from azure.core.pipeline.policies import ContentDecodePolicy, CustomHookPolicy, RedirectPolicy, RetryPolicy

from acrmirror.registry import Redirects, Session
from acrmirror.registry.policy import RegistryPolicy


def test_ours_is_next_to_the_network_and_nothing_else_logs_in() -> None:
    with Session("demo.azurecr.io", None, "https://containerregistry.azure.net", Redirects(())) as session:
        pipeline: Pipeline[object, object] = session.sdk._client._client._pipeline
        assert pipeline is session._pipeline
        policies = [it._policy if isinstance(it, _SansIOHTTPPolicyRunner) else it for it in pipeline._impl_policies]
    kinds = [type(it) for it in policies]
    order = [ContentDecodePolicy, RedirectPolicy, RetryPolicy, CustomHookPolicy, RegistryPolicy]
    assert kinds[1:] == order
    assert not [it.__name__ for it in kinds if "Challenge" in it.__name__ or "Logging" in it.__name__]
