"""A DaskCluster of one command on Kubernetes: the Dask operator starts it, and deletes it at the
end.

dask-kubernetes' own KubeCluster waits forever for a pod that cannot start, trusts a status
that may never come, and needs rights on pods and services. This module needs ``create``, ``get``
and ``delete`` on ``daskclusters`` and ``create`` on ``daskautoscalers``, nothing else.
"""

from __future__ import annotations

import copy
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import yaml

from icemap.errors import IcemapError, first_line
from icemap.json_records import Json

SETTING = "kubernetes.custom-cluster-spec"
VARIABLE = "DASK_KUBERNETES__CUSTOM_CLUSTER_SPEC"
API = "kubernetes.dask.org/v1"


@contextmanager
def dask_cluster(log: Callable[[str], None]) -> Iterator[tuple[str, Callable[[int], None]]]:
    """Create a DaskCluster from the manifest that Dask's setting names, in the namespace of this
    pod or kube context.

    Yields
    ------
    str
        Address of its scheduler, which need not be up yet.
    callable
        ``adapt(most)`` lets the operator scale it between one worker and so many, once the
        scheduler is up.
    """
    manifest = own_manifest(
        read_manifest(),
        secrets.token_hex(3),
        os.environ.get("ICEMAP_IMAGE") or os.environ.get("JUPYTER_IMAGE"),
    )
    name = manifest["metadata"]["name"]
    api = _api()
    namespace = manifest["metadata"].get("namespace") or api.namespace
    cluster = _resource("DaskCluster", manifest, namespace, api)

    def adapt(most: int) -> None:
        spec = {"cluster": name, "minimum": 1, "maximum": most}
        _create(
            _resource(
                "DaskAutoscaler",
                {
                    "apiVersion": API,
                    "kind": "DaskAutoscaler",
                    "metadata": {"name": name},
                    "spec": spec,
                },
                namespace,
                api,
            )
        )

    _create(cluster)
    log(
        f"Dask: made the DaskCluster {name}; kubectl --namespace {namespace} get pods -l"
        f" dask.org/cluster-name={name} shows it starting"
    )
    try:
        yield f"tcp://{name}-scheduler.{namespace}:8786", adapt
    finally:
        _delete(cluster, log)


def read_manifest() -> Json:
    """The DaskCluster of the file that the setting names, or the setting itself where a
    configuration file of Dask holds it.
    """
    import dask

    setting = dask.config.get(SETTING, None)
    if isinstance(setting, dict):
        return setting
    if not setting:
        raise IcemapError(
            f"'--cluster kubernetes' needs the manifest of a DaskCluster: set {VARIABLE} to its"
            " file, such as deploy/dask/cluster/cluster.yaml."
        )
    try:
        with open(setting, encoding="utf-8") as file:
            documents = list(yaml.safe_load_all(file))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise IcemapError(
            f"The manifest {setting}, which {VARIABLE} names, cannot be read:"
            f" {str(error).splitlines()[0]}."
        ) from error
    for document in documents:
        if isinstance(document, dict) and document.get("kind") == "DaskCluster":
            return document
    raise IcemapError(
        f"The manifest {setting}, which {VARIABLE} names, holds no object of kind DaskCluster."
    )


def own_manifest(manifest: Json, suffix: str, image: str | None) -> Json:
    """The manifest under a name of its own, with one worker to begin with and this command's image.

    Parameters
    ----------
    manifest : dict
        A DaskCluster.
    suffix : str
        Appended to its name.
    image : str, optional
        For the containers ``scheduler`` and ``worker``.
    """
    own = copy.deepcopy(manifest)
    try:
        name = own["metadata"]["name"] = f"{own['metadata']['name']}-{suffix}"
        own["spec"]["scheduler"]["service"]["selector"]["dask.org/cluster-name"] = name
        own["spec"]["worker"]["replicas"] = 1
        for part in ("scheduler", "worker"):
            container = next(
                c for c in own["spec"][part]["spec"]["containers"] if c["name"] == part
            )
            container["image"] = image or container["image"]
    except (KeyError, TypeError, StopIteration) as error:
        lacking = error or "a container named scheduler or worker"
        raise IcemapError(
            f"The DaskCluster that {VARIABLE} names lacks something ({lacking}): begin with"
            " deploy/dask/cluster/cluster.yaml."
        ) from error
    return own


def _api() -> Any:
    try:
        import kr8s
    except ModuleNotFoundError as error:
        raise IcemapError(
            "'--cluster kubernetes' needs the package kr8s: pip install 'icemap[cluster]'."
        ) from error
    try:
        # Named, because kr8s remembers what it found without a name for the life of the process.
        return kr8s.api(kubeconfig=os.environ.get("KUBECONFIG"))
    except ValueError as error:
        raise IcemapError(
            "'--cluster kubernetes' needs a pod with a service account, or a kube context"
            " (KUBECONFIG): neither is here."
        ) from error
    except Exception as error:
        raise _refused(error, "reach the cluster") from error


def _resource(kind: str, content: Json, namespace: str, api: Any) -> Any:
    from kr8s.objects import new_class

    return new_class(kind, API, asyncio=False)(content, namespace=namespace, api=api)


def _create(resource: Any) -> None:
    try:
        resource.create()
    except Exception as error:
        raise _refused(
            error,
            f"create the {resource.kind} {resource.name} in the namespace {resource.namespace}",
        ) from error


def _delete(cluster: Any, log: Callable[[str], None]) -> None:
    import kr8s

    try:
        cluster.delete()
    except kr8s.NotFoundError:
        pass  # The operator reaps an idle one.
    except Exception as error:
        # The work is done or has failed with its own sentence: neither is to be hidden by this.
        command = f"kubectl --namespace {cluster.namespace} delete daskcluster {cluster.name}"
        log(
            f"Dask: could not delete the DaskCluster {cluster.name} ({first_line(error)}):"
            f" {command}"
        )


def _refused(error: Exception, action: str) -> IcemapError:
    response = getattr(error, "response", None)
    if response is not None and response.status_code == 404:
        return IcemapError(
            f"Kubernetes cannot {action}: it does not know this kind, so the Dask operator is not"
            " installed (deploy/README.md says how)."
        )
    return IcemapError(f"Kubernetes cannot {action}: {first_line(error)}.")
