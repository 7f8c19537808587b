"""Ask osv.dev for known holes in the versions of requirements.lock; a part of 'make check'.

Where osv.dev does not answer (a machine that reaches only a package mirror, or nothing), this says
that nothing was audited and does not fail.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements.lock"
OSV = "https://api.osv.dev/v1/query"
# Its hole is old and known: a service that does not name it does not work, whatever else it says.
CANARY = "jinja2==3.1.2\n"


def ask(requirements: Path, url: str) -> list[dict[str, Any]] | None:
    """What the service says of each pinned version; None if it does not answer."""
    command = [
        str(Path(sys.executable).with_name("pip-audit")),
        "--requirement",
        str(requirements),
        "--disable-pip",
        "--no-deps",
    ]
    command += [
        "--vulnerability-service",
        "osv",
        "--osv-url",
        url,
        "--format",
        "json",
        "--progress-spinner",
        "off",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return list(json.loads(done.stdout)["dependencies"])
    except json.JSONDecodeError:
        return None


def audit(lock: Path, url: str) -> tuple[int, str]:
    """Exit code and what to say."""
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "canary.txt"
        canary.write_text(CANARY)
        answer = ask(canary, url)
    found = ask(lock, url) if answer and answer[0].get("vulns") else None
    if found is None:
        return 0, f"Dependencies were NOT audited: {url} does not answer from this machine."
    holes = [
        f"{one['name']} {one['version']}: {hole['id']}, "
        f"{'fixed in ' + ', '.join(hole['fix_versions']) if hole['fix_versions'] else 'not fixed yet'}"  # noqa: E501
        for one in found
        for hole in one.get("vulns", [])
    ]
    skipped = [
        f"{one['name']} was not audited: {one['skip_reason']}"
        for one in found
        if "skip_reason" in one
    ]
    asked = (
        f"{len(found) - len(skipped)} pinned versions audited by {url}: {len(holes)} known holes."
    )
    return int(bool(holes or skipped)), "\n".join([*holes, *skipped, asked])


if __name__ == "__main__":
    code, said = audit(LOCK, OSV)
    print(said)
    sys.exit(code)
