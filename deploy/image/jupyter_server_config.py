"""Lets the dashboards of this namespace's Dask schedulers be seen through the user's server:
proxy/NAME-scheduler.NAMESPACE:8787/status.
"""

import re
from pathlib import Path

# Of the pod that this server runs in; a server outside of Kubernetes sees no schedulers there.
FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
NAMESPACE = FILE.read_text().strip() if FILE.is_file() else "icemap"
# The name of a service. A name with another dot in it may be anybody's, on the internet as well.
SCHEDULER = re.compile(r"[a-z]([a-z0-9-]{0,51}[a-z0-9])?-scheduler\." + re.escape(NAMESPACE))


def is_shown(handler, host):
    return host in ("localhost", "127.0.0.1") or SCHEDULER.fullmatch(host) is not None


c.ServerProxy.host_allowlist = is_shown  # noqa: F821
