"""kubectl and helm against the Kubernetes that the tests were given."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from tests.deploy.manifests import program

NAMESPACE = "icemap"
Document = dict[str, Any]


class Failed(Exception):
    """A command that must not fail did; the message is what it said."""


@dataclass(frozen=True)
class Kube:
    """One kube context."""

    context: str

    def run(
        self,
        *arguments: str,
        given: str | None = None,
        may_fail: bool = False,
        patience: float = 300,
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self._command(*arguments),
            input=given,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
        if done.returncode and not may_fail:
            raise Failed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
        return done

    def _command(self, *arguments: str) -> list[str]:
        return [program("kubectl"), "--context", self.context, *arguments]

    def apply(self, *documents: Document) -> None:
        self.run("apply", "-f", "-", given=yaml.safe_dump_all(documents))

    def get(self, kind: str, *selection: str, namespace: str = NAMESPACE) -> list[Document]:
        """Objects of a kind: all, of one name, or by ``-l label``."""
        done = self.run(
            "--namespace", namespace, "get", kind, *selection, "--ignore-not-found", "-o", "json"
        )
        found = json.loads(done.stdout or '{"items": []}')
        return found.get("items", [found])

    def dask_pods(self, component: str, *, of: str = "") -> list[Document]:
        """Pods of Dask that are not being deleted."""
        label = f"dask.org/component={component}" + (f",dask.org/cluster-name={of}" if of else "")
        return [
            pod
            for pod in self.get("pods", "-l", label)
            if "deletionTimestamp" not in pod["metadata"]
        ]

    def inside(
        self, pod: str, *command: str, may_fail: bool = False, patience: float = 1200
    ) -> subprocess.CompletedProcess[str]:
        """A command in a pod."""
        return self.run(
            "--namespace",
            NAMESPACE,
            "exec",
            pod,
            "--",
            *command,
            may_fail=may_fail,
            patience=patience,
        )

    def start_inside(self, pod: str, *command: str) -> subprocess.Popen[str]:
        command_line = self._command("--namespace", NAMESPACE, "exec", pod, "--", *command)
        return subprocess.Popen(
            command_line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def helm(self, *arguments: str) -> None:
        done = subprocess.run(
            [program("helm"), "--kube-context", self.context, *arguments],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if done.returncode:
            raise Failed(f"helm {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")


def wait_for(what: str, test: Callable[[], Any], patience: float = 600, every: float = 1) -> Any:
    """The first true answer of a test.

    Raises
    ------
    Failed
        After so many seconds.
    """
    end = time.monotonic() + patience
    while not (answer := test()):
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {patience:.0f} s")
        time.sleep(every)
    return answer


def ready(pod: Document) -> bool:
    return any(
        c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ())
    )


def given_context() -> str | None:
    """The tests create and delete a namespace: never in a cluster that was not named for it."""
    return os.environ.get("ICEMAP_K8S_CONTEXT")
