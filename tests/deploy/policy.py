"""What manifests must keep to. Every check returns its findings, as sentences; none is good."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Document = dict[str, Any]

KEY_LIKE = re.compile(r"(ACCESS_?KEY|API_?KEY|SECRET|TOKEN|PASSW|CREDENTIAL(?!S_FILE$))")
KEY_VALUE = re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b|-----BEGIN|://[^/@\s]+:[^/@\s]+@")
PINNED = re.compile(
    r"^[^:\s]+(:[0-9]+/[^:\s]+)?:(?!latest$|stable$|main$)[A-Za-z0-9][\w.-]*$|@sha256:[0-9a-f]{64}$"
)


def check_containers(name: str, pod: Document) -> Iterator[str]:
    """Not root, nothing written to the image, no right that is not needed, bounded, a fixed image,
    nothing that opens a door in the environment.
    """
    spec = pod["spec"]
    outer = spec.get("securityContext") or {}
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(key):
            yield f"{name} has {key}"
    for volume in spec.get("volumes") or ():
        if "hostPath" in volume:
            yield f"{name} mounts the path {volume['hostPath']['path']} of its node"
    for container in [*(spec.get("initContainers") or ()), *spec["containers"]]:
        where, own = (
            f"{name}/{container['name']}",
            {**outer, **(container.get("securityContext") or {})},
        )
        if own.get("runAsNonRoot") is not True or own.get("runAsUser", 1) == 0:
            yield f"{where} may run as root"
        if own.get("privileged"):
            yield f"{where} is privileged"
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{where} may gain privileges"
        if own.get("readOnlyRootFilesystem") is not True:
            yield f"{where} may write to its image"
        if (own.get("capabilities") or {}).get("drop") != ["ALL"] or (
            own.get("capabilities") or {}
        ).get("add"):
            yield f"{where} keeps capabilities"
        if (own.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
            yield f"{where} has no seccomp profile"
        for kind in ("requests", "limits"):
            for resource in ("cpu", "memory"):
                if not ((container.get("resources") or {}).get(kind) or {}).get(resource):
                    yield f"{where} has no {resource} in its {kind}"
        if not PINNED.search(container["image"]):
            yield f"{where} takes the image {container['image']}, whose tag is not fixed"
        yield from (f"{where}: {finding}" for finding in check_environment(container))


def check_environment(container: Document) -> Iterator[str]:
    """No key in the environment, neither written there nor taken from a secret."""
    for source in container.get("envFrom") or ():
        if "secretRef" in source:
            yield "takes its environment from a secret"
    for variable in container.get("env") or ():
        if KEY_LIKE.search(variable["name"].upper()):
            yield f"the variable {variable['name']} looks like a key"
        if KEY_VALUE.search(str(variable.get("value", ""))):
            yield f"the value of {variable['name']} looks like a key"
        if "secretKeyRef" in (variable.get("valueFrom") or {}):
            yield f"the variable {variable['name']} comes from a secret"


def check_mounts(name: str, pod: Document) -> Iterator[str]:
    """What is mounted is there, and /tmp can be written under a read-only root."""
    volumes = {volume["name"] for volume in pod["spec"].get("volumes") or ()}
    for container in [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]:
        mounts = container.get("volumeMounts") or ()
        for mount in mounts:
            if mount["name"] not in volumes:
                yield (
                    f"{name}/{container['name']} mounts {mount['name']}, which is no volume of"
                    " its pod"
                )
        if "/tmp" not in [mount["mountPath"] for mount in mounts]:
            yield f"{name}/{container['name']} has no /tmp to write to"


def check_accounts(pods: Mapping[str, Document], documents: Iterable[Document]) -> Iterator[str]:
    """Every pod names an account that is there, and says whether it gets that account's token."""
    accounts = {
        document["metadata"]["name"]
        for document in documents
        if document["kind"] == "ServiceAccount"
    }
    for name, pod in pods.items():
        account = pod["spec"].get("serviceAccountName", "default")
        if account not in accounts:
            yield f"{name} runs as {account}, which is no account of deploy/base"
        token = pod["spec"].get("automountServiceAccountToken")
        if token is None:
            yield f"{name} does not say whether it gets its account's token"
        elif token and account != "icemap-user":
            yield f"{name} gets the token of {account}, which has no use for it"


def check_rights(documents: Iterable[Document]) -> Iterator[str]:
    """Roles of one namespace, without wildcards, secrets or ways into other pods; bound to accounts
    alone.
    """
    for document in documents:
        name = f"{document['kind']}/{document['metadata'].get('name')}"
        if document["kind"] in ("ClusterRole", "ClusterRoleBinding"):
            yield f"{name} holds in every namespace"
        for rule in document.get("rules") or ():
            for key in ("apiGroups", "resources", "verbs"):
                if "*" in rule.get(key, ()):
                    yield f"{name} has a wildcard in its {key}"
            if {
                "secrets",
                "pods/exec",
                "pods/attach",
                "serviceaccounts/token",
                "roles",
                "rolebindings",
            }.intersection(rule.get("resources", ())):
                yield f"{name} reaches {', '.join(rule['resources'])}"
            if {"escalate", "bind", "impersonate"}.intersection(rule.get("verbs", ())):
                yield f"{name} may {', '.join(rule['verbs'])}"
        for subject in document.get("subjects") or ():
            if subject["kind"] != "ServiceAccount":
                yield f"{name} binds the {subject['kind']} {subject['name']}"


def check_selectors(documents: Iterable[Document], pods: Mapping[str, Document]) -> Iterator[str]:
    """Every selector of pods finds one."""
    labels = [pod["metadata"].get("labels") or {} for pod in pods.values()]
    for document in documents:
        name = f"{document['kind']}/{document['metadata']['name']}"
        for selector in _pod_selectors(document):
            if not any(selector.items() <= each.items() for each in labels):
                yield f"{name} selects {selector}, which no pod has"


def _pod_selectors(document: Document) -> Iterator[Document]:
    spec = document.get("spec") or {}
    if document["kind"] == "Service":
        yield spec["selector"]
    elif document["kind"] in ("Deployment", "PodDisruptionBudget"):
        yield spec["selector"]["matchLabels"]
    elif document["kind"] == "NetworkPolicy":
        yield spec["podSelector"].get("matchLabels") or {}
        for rule in [*(spec.get("ingress") or ()), *(spec.get("egress") or ())]:
            for peer in [*(rule.get("from") or ()), *(rule.get("to") or ())]:
                # Pods of another namespace are not ours to know.
                if "podSelector" in peer and "namespaceSelector" not in peer:
                    yield peer["podSelector"].get("matchLabels") or {}


def check_network(documents: Iterable[Document]) -> Iterator[str]:
    """Nothing is allowed but what is listed: every pod is under a policy that forbids, no rule is
    open, no way leads to the metadata of the machine.
    """
    policies = [document for document in documents if document["kind"] == "NetworkPolicy"]
    deny = [
        p
        for p in policies
        if p["spec"]["podSelector"] == {}
        and not p["spec"].get("ingress")
        and not p["spec"].get("egress")
    ]
    if not any(set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"} for policy in deny):
        yield "no policy forbids what the others do not allow"
    for policy in policies:
        name = policy["metadata"]["name"]
        for rule in policy["spec"].get("ingress") or ():
            if not rule.get("from"):
                yield f"{name} lets everyone in"
        for rule in [*(policy["spec"].get("ingress") or ()), *(policy["spec"].get("egress") or ())]:
            if not rule.get("ports"):
                yield f"{name} opens every port"
            for peer in [*(rule.get("from") or ()), *(rule.get("to") or ())]:
                block = peer.get("ipBlock") or {}
                if block.get("cidr") == "0.0.0.0/0" and "169.254.0.0/16" not in block.get(
                    "except", ()
                ):
                    yield f"{name} leads to the metadata of the machine"


def check_namespace(documents: Iterable[Document]) -> Iterator[str]:
    """The namespace refuses pods that are not restricted, and is bounded."""
    documents = list(documents)
    for document in documents:
        if (
            document["kind"] == "Namespace"
            and document["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce")
            != "restricted"
        ):
            yield f"the namespace {document['metadata']['name']} takes pods that are not restricted"
    if not any(
        document["kind"] == "ResourceQuota" and "requests.cpu" in document["spec"]["hard"]
        for document in documents
    ):
        yield "nothing bounds what the namespace may take"


def check_dask(name: str, spec: Document) -> Iterator[str]:
    """A DaskCluster that comes up, retires its workers and goes when it is forgotten."""
    if not spec.get("idleTimeout"):
        yield f"{name} stays when it is forgotten"
    roles = {
        "scheduler": spec["scheduler"]["spec"]["containers"],
        "worker": spec["worker"]["spec"]["containers"],
    }
    for role, containers in roles.items():
        if [container["name"] for container in containers] != [role]:
            yield f"{name}: the container of the {role} has another name"
        if containers[0].get("args", [])[:2] != ["dask", role] or "command" in containers[0]:
            yield f"{name}: the {role} does not start by 'dask {role}'"
    environment = {
        variable["name"]: variable.get("value", "")
        for variable in roles["scheduler"][0].get("env") or ()
    }
    if "'distributed.http.scheduler.api'" not in environment.get(
        "DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES", ""
    ):
        yield f"{name}: the scheduler cannot be asked to retire a worker"
    if "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL" not in environment:
        yield f"{name}: lost workers stall the run for Dask's five minutes"
    worker = roles["worker"][0]
    if "preStop" not in (worker.get("lifecycle") or {}):
        yield f"{name}: workers end without handing over their results"
    if "--memory-limit" not in worker["args"]:
        yield f"{name}: workers do not know their memory"
    if (
        worker["args"][worker["args"].index("--nthreads") + 1] != "1"
        if "--nthreads" in worker["args"]
        else True
    ):
        yield f"{name}: workers have more than one thread"
