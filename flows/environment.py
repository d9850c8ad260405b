"""What Prefect and Ray should find in their environment. Prefect reads it once, when it is imported.

Importing anything of `flows` comes here first, so the modules of this package may import
Prefect in any order.
"""

from __future__ import annotations

import os

DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A temporary server takes 13 to 30 seconds on two idle cores; Prefect gives up after 20.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
}


def set_defaults() -> None:
    """No telemetry, and patience with a temporary server; what the user has set stays."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
