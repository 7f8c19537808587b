"""The science of adding up: totals of regions, zones and masks, with their uncertainty.

The package can be called: ``icemap.totals(map, region)`` is `icemap.totals.public.totals`.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *args: Any, **keys: Any) -> Any:
        """Totals of a map per region, see `icemap.totals.public.totals`."""
        return importlib.import_module("icemap.totals.public").totals(*args, **keys)


sys.modules[__name__].__class__ = _CallablePackage
