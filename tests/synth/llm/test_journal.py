from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from corpora import make_recipe

from schemas.recipe import MiningSettings, ModelChoice
from synth.errors import StoreError
from synth.llm.archive import Archive, generation_hash
from synth.llm.journal import Journal, Said, _is_shared, journal_path, read_journal


def said(position: int, content: str = "{}") -> Said:
    return Said(position.to_bytes(16, "big"), position, "write", "m", content, "stop", 10, 5, 0.5)


def keep(path: Path, rows: list[Said]) -> None:
    journal = Journal(path)
    journal.commit(rows)
    journal.close()


def test_what_is_committed_is_there_for_another_reader(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.sqlite"
    assert read_journal(path, 0, 10) == []
    journal = Journal(path)
    journal.commit([said(n) for n in range(10)])
    assert read_journal(path, 2, 4) == [said(2), said(3)]
    journal.forget([said(2)])
    assert read_journal(path, 2, 4) == [said(3)]
    journal.close()


def test_a_journal_that_can_not_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=r"can't keep answers in .*SYNTH_JOURNAL"):
        Journal(tmp_path / "file" / "journal.sqlite")


def test_a_block_is_sealed_when_its_items_are_finished(tmp_path: Path) -> None:
    journal, forgotten = tmp_path / "j.sqlite", []
    archive = Archive(tmp_path / "a", journal, forgotten.extend)
    for position in range(1_000):
        archive.begin(position)
        archive.add(said(position))
    for position in reversed(range(1_000)):
        archive.finish(position)
    assert len(forgotten) == 0
    archive.begin(1_000)
    assert len(forgotten) == 1_000
    (segment,) = (tmp_path / "a" / f"{0:012d}").glob("*.parquet")
    assert pq.read_metadata(segment).num_rows == 1_000


def test_answers_are_found_again_sealed_or_not(tmp_path: Path) -> None:
    journal = tmp_path / "j.sqlite"
    archive = Archive(tmp_path / "a", journal, lambda rows: None)
    archive.begin(5)
    archive.add(said(5, "sealed"))
    archive.finish(5)
    archive.close()
    keep(journal, [said(6, "not sealed"), said(2_000)])
    again = Archive(tmp_path / "a", journal, lambda rows: None)
    assert again.find(5, said(5).key) == said(5, "sealed")
    assert again.find(6, said(6).key) == said(6, "not sealed")
    assert again.find(7, said(7).key) is None
    again.close()
    (tmp_path / "j.sqlite").unlink()
    assert Archive(tmp_path / "a", journal, lambda rows: None).find(6, said(6).key) == said(6, "not sealed")


@pytest.mark.parametrize(
    "changes",
    [{"seed": 8}, {"models": [ModelChoice(name="other")]}, {"prompts": {"p": "1"}}, {"corpus_sha256": "1"}],
)
def test_what_determines_requests_changes_the_generation(changes: dict[str, object]) -> None:
    assert generation_hash(make_recipe(**changes)) != generation_hash(make_recipe())


@pytest.mark.parametrize(
    "changes", [{"limit": 3}, {"gates": []}, {"mining": MiningSettings(negatives=9)}, {"teacher": "t"}]
)
def test_gates_mining_teacher_and_limit_do_not(changes: dict[str, object]) -> None:
    assert generation_hash(make_recipe(**changes)) == generation_hash(make_recipe())


def test_the_journal_lies_beside_the_archive_unless_that_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert journal_path(tmp_path) == tmp_path / "journal.sqlite"
    monkeypatch.setenv("SYNTH_JOURNAL", str(tmp_path / "fast"))
    assert journal_path(tmp_path).parent == tmp_path / "fast"
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda / ext4 rw 0 0\nhost:/x /mnt/team\\040share nfs4 rw 0 0\n")
    assert _is_shared(Path("/mnt/team share/store"), mounts)
    assert not _is_shared(Path("/mnt/team"), mounts)
    assert not _is_shared(Path("/x"), tmp_path / "none")
