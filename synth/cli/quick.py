"""What makes commands start sooner."""

from __future__ import annotations

import sys


class _NoPandas:
    """A finder of modules that says there is no pandas."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is left out", name=name)


def leave_pandas_out() -> None:
    """Keep pyarrow from importing pandas, a third of a second, to see whether the first array it makes is a pandas one.

    It asks once. For commands alone: in this process pyarrow takes no pandas objects any
    more; `to_pandas()` still works.
    """
    import pyarrow as pa

    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _NoPandas)
        try:
            pa.array([])
        finally:
            sys.meta_path.remove(_NoPandas)
