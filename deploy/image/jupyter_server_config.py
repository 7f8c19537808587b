"""Lets the dashboards of Dask schedulers in this Kubernetes be seen through the user's server: proxy/NAME-scheduler.NAMESPACE:8787/status."""

import re

c.ServerProxy.host_allowlist = lambda handler, host: host in ("localhost", "127.0.0.1") or bool(re.fullmatch(r"[a-z0-9-]+-scheduler\.[a-z0-9-]+", host))  # noqa: F821
