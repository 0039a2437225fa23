"""What must not be in a manifest is in none of ours, and would be found in each."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.manifests import Manifest, findings, of_kind, pods, render

MANIFESTS = render()

Edit = Callable[[list[Manifest]], None]


def test_the_policy_finds_nothing() -> None:
    assert findings(MANIFESTS) == []


def in_pods(*path: str | int, to: Any) -> Edit:
    """Sets a value in the worker's pod; None removes it."""

    def edit(manifests: list[Manifest]) -> None:
        part: Any = pods(manifests)["worker"]["spec"]
        for key in path[:-1]:
            part = part[key]
        if to is None:
            del part[path[-1]]
        else:
            part[path[-1]] = to

    return edit


def without(kind: str) -> Edit:
    def edit(manifests: list[Manifest]) -> None:
        manifests[:] = [m for m in manifests if m["kind"] != kind]

    return edit


def policy(name: str, side: str, rules: list[Any]) -> Edit:
    def edit(manifests: list[Manifest]) -> None:
        for one in of_kind(manifests, "NetworkPolicy"):
            if one["metadata"]["name"] == name:
                one["spec"][side] = rules

    return edit


_FIRST = ("containers", 0)
_HARDENED = (*_FIRST, "securityContext")
_TCP = [{"protocol": "TCP", "port": 443}]
BROKEN: dict[str, Edit] = {
    "root allowed": in_pods("securityContext", "runAsNonRoot", to=None),
    "a user of the node": in_pods("securityContext", "runAsUser", to=1000),
    "no seccomp": in_pods("securityContext", "seccompProfile", to={"type": "Unconfined"}),
    "token mounted": in_pods("automountServiceAccountToken", to=None),
    "another account": in_pods("serviceAccountName", to="default"),
    "the node's network": in_pods("hostNetwork", to=True),
    "the node's processes": in_pods("hostPID", to=True),
    "the node's files": in_pods("volumes", 1, to={"name": "audit", "hostPath": {"path": "/"}}),
    "another kind of volume": in_pods("volumes", 1, to={"name": "audit", "nfs": {}}),
    "a volume without a limit": in_pods("volumes", 1, to={"name": "audit", "emptyDir": {}}),
    "a port of the node": in_pods(*_FIRST, "ports", 0, "hostPort", to=80),
    "privileged": in_pods(*_HARDENED, "privileged", to=True),
    "rights to be gained": in_pods(*_HARDENED, "allowPrivilegeEscalation", to=None),
    "a writable image": in_pods(*_HARDENED, "readOnlyRootFilesystem", to=None),
    "capabilities kept": in_pods(*_HARDENED, "capabilities", to=None),
    "a capability added": in_pods(
        *_HARDENED, "capabilities", to={"drop": ["ALL"], "add": ["SYS_ADMIN"]}
    ),
    "root in the container": in_pods(*_HARDENED, "runAsUser", to=0),
    "an image by tag": in_pods(*_FIRST, "image", to="casekeeper:latest"),
    "an old image": in_pods(*_FIRST, "imagePullPolicy", to="IfNotPresent"),
    "no limits": in_pods(*_FIRST, "resources", "limits", to=None),
    "no requests": in_pods(*_FIRST, "resources", "requests", to=None),
    "a secret in clear": in_pods(*_FIRST, "env", to=[{"name": "REDIS_URL", "value": "redis://"}]),
    "an open network": without("NetworkPolicy"),
    "no budget of disruptions": without("PodDisruptionBudget"),
    "a secret in the repository": lambda m: m.append({"kind": "Secret", "metadata": {}}),
    "a role": lambda m: m.append({"kind": "RoleBinding", "metadata": {}}),
    "any port": policy("to-redis", "egress", [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]),
    "anyone": policy("to-redis", "egress", [{"ports": _TCP}]),
    "the metadata service": policy(
        "to-redis", "egress", [{"ports": _TCP, "to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]
    ),
    "every namespace": policy(
        "from-monitoring", "ingress", [{"ports": _TCP, "from": [{"namespaceSelector": {}}]}]
    ),
}


@pytest.mark.parametrize("edit", BROKEN.values(), ids=BROKEN.keys())
def test_the_policy_finds_what_is_broken(edit: Edit) -> None:
    manifests = copy.deepcopy(MANIFESTS)
    edit(manifests)

    assert findings(manifests)
