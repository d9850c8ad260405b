from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synth.duck import bounded_session, parquet
from synth.errors import StoreError


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_what_does_not_fit_is_spilled_and_nothing_is_left(tmp_path: Path) -> None:
    with bounded_session("40MB") as session:
        session.execute("CREATE TABLE t AS SELECT hash(range) AS id, range AS n FROM range(3_000_000)")
        (joined,) = session.execute("SELECT count(*) FROM t a JOIN t b USING (id)").fetchall()
        assert joined == (3_000_000,)
        assert list(tmp_path.iterdir())
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_go_on_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"DuckDB can't go on: .*set TMPDIR") as caught, bounded_session() as session:
        session.execute("SELECT * FROM nosuch")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["it's.parquet", "a*b.parquet", "a[1].parquet", "a?.parquet"])
def test_names_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    pq.write_table(pa.table({"n": [1]}), tmp_path / name)
    pq.write_table(pa.table({"n": [1, 2]}), tmp_path / "a1.parquet")
    with bounded_session() as session:
        assert session.execute(f"SELECT count(*) FROM {parquet([tmp_path / name])}").fetchall() == [(1,)]
