from __future__ import annotations

import gzip
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.document import Document, RejectedSource
from synth.documents import read_documents
from synth.errors import DocumentError

FRAGMENTS = st.sampled_from(
    [
        b'{"text": "a"}',
        b"text,id",
        b'"',
        b"\n",
        b"\r\n",
        b",",
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"---\n",
        b"# a\n",
        b"title: [",
        b"PAR1",
        b"\x1f\x8b\x08\x00",
        b"\xe9",
        b"\xd8\x00",
        b"[",
        b"{",
        b": ",
        b"&a",
        b"*a",
        b"!!",
    ]
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from([".txt", ".md", ".jsonl", ".jsonl.gz", ".csv", ".parquet"]),
    content=st.one_of(st.binary(max_size=300), st.lists(FRAGMENTS, max_size=30).map(b"".join)),
    is_packed=st.booleans(),
)
@example(suffix=".csv", content=b'text\n\0"\n\0"\n', is_packed=False)
@example(suffix=".csv", content=b'"\n\0\n', is_packed=False)
def test_any_bytes_give_documents_or_rejections_and_no_error_but_our_own(
    tmp_path: Path, suffix: str, content: bytes, is_packed: bool
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(gzip.compress(content) if is_packed and suffix == ".jsonl.gz" else content)
    with suppress(DocumentError):
        items = list(read_documents([path]))
        assert items
        assert all(isinstance(item, Document | RejectedSource) for item in items)
