from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import build_corpus
from fake_embedder import Embedder, cosines
from fake_llm import FakeLlm, Status, fake_llm

from synth.errors import InputError, RunError
from synth.llm.link import Patience
from synth.progress import Silent
from synth.teachers import build_teacher
from synth.teachers.served import PROBES, Served
from synth.teachers.settings import TeacherSettings, reach_teacher

QUICK = Patience(request=1.0, gone=0.4, backoff=0.01)
TEXTS = [
    f"passage {n} about {topic} and its {part}"
    for n, topic in enumerate("bonds rates loans".split())
    for part in "price risk term".split()
]
QUERIES = ["what is the price of bonds", "loans and their risk", "term of rates"]
Serve = Callable[..., tuple[Embedder, Callable[..., Served]]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server with an embedder of these fields; returns it, and what opens a teacher on it."""
    with ExitStack() as stack:

        def start(**fields: Any) -> tuple[Embedder, Callable[..., Served]]:
            fake = stack.enter_context(fake_llm(embedder=Embedder(**fields)))

            def open_teacher(options: str = "", run: str = "run", patience: Patience = QUICK) -> Served:
                name, settings = reach_teacher(f"{fake.url}{options}")
                return Served(name, tmp_path / run, tmp_path / "store", settings, patience)

            assert fake.embedder is not None
            return fake.embedder, open_teacher

        yield start


def encode(teacher: Served, texts: list[str]) -> np.ndarray:
    return teacher.embed_queries(texts)


def test_scores_are_the_cosines_of_what_the_server_gives(tmp_path: Path, serve: Serve) -> None:
    embedder, open_teacher = serve()
    teacher = open_teacher()
    teacher.index(build_corpus(tmp_path / "corpus", TEXTS), Silent())
    hits = teacher.search(QUERIES, np.array([0, 7, 5]), 4)
    expected = cosines(embedder, QUERIES, TEXTS)
    assert np.take_along_axis(expected, hits.passages, axis=1) == pytest.approx(hits.scores, abs=1e-4)
    assert hits.positive_scores == pytest.approx(expected[[0, 1, 2], [0, 7, 5]], abs=1e-4)
    assert (np.diff(hits.scores) <= 0).all()


@pytest.mark.parametrize(
    "takes",
    [("base64", "truncate_prompt_tokens"), ("truncate_prompt_tokens",), ("base64",), ()],
    ids=lambda takes: "+".join(takes) or "nothing",
)
def test_a_server_that_takes_less_gives_the_same_vectors(serve: Serve, takes: tuple[str, ...]) -> None:
    embedder, open_teacher = serve(takes=takes)
    vectors = encode(open_teacher(), TEXTS)
    assert vectors == pytest.approx(
        np.stack([embedder.vector(text) / np.linalg.norm(embedder.vector(text)) for text in TEXTS]), abs=1e-6
    )
    last = embedder.bodies[-1]
    assert ("truncate_prompt_tokens" in last, last["encoding_format"]) == (
        "truncate_prompt_tokens" in takes,
        "base64" if "base64" in takes else "float",
    )


def test_vectors_are_put_in_order_by_their_index(serve: Serve) -> None:
    straight, backwards = (encode(serve(backwards=order)[1](run=str(order)), TEXTS) for order in (False, True))
    assert np.array_equal(straight, backwards)


def test_texts_go_out_in_batches_of_the_size_that_is_asked_for(serve: Serve) -> None:
    embedder, open_teacher = serve()
    encode(open_teacher(",batch=2"), TEXTS)
    assert [len(body["input"]) for body in embedder.bodies[1:]] == [2, 1, 2, 2, 2, 2, 1]
    assert {body["model"] for body in embedder.bodies} == {"fake"}


def test_prompts_stand_before_queries_and_passages(tmp_path: Path, serve: Serve) -> None:
    embedder, open_teacher = serve()
    teacher = open_teacher(r",query_prompt=Instruct: find, then rank\nQuery: ,document_prompt=passage: ")
    teacher.index(build_corpus(tmp_path / "corpus", TEXTS), Silent())
    teacher.embed_queries(["what"])
    assert embedder.texts[-1] == "Instruct: find, then rank\nQuery: what"
    assert sorted(embedder.texts[-1 - len(TEXTS) : -1]) == sorted(f"passage: {text}" for text in TEXTS)
    assert teacher.identity["query_prompt"] == "Instruct: find, then rank\nQuery: "


def test_another_query_prompt_embeds_no_passage_again(tmp_path: Path, serve: Serve) -> None:
    embedder, open_teacher = serve()
    corpus = build_corpus(tmp_path / "corpus", TEXTS)
    open_teacher().index(corpus, Silent())
    before = len(embedder.texts)
    other = open_teacher(",query_prompt=query: ", run="other")
    other.index(corpus, Silent())
    other.embed_queries(["what"])
    assert [text for text in embedder.texts[before:] if text not in PROBES] == [
        "Does this server embed?",
        "query: what",
    ]


def test_a_text_that_is_too_long_is_cut_where_the_server_cuts(serve: Serve) -> None:
    _, open_teacher = serve(longest=5)
    long = "one two three four five six seven"
    vectors = encode(open_teacher(), [long, "one two three four five"])
    assert np.array_equal(vectors[0], vectors[1])


def test_a_text_that_is_too_long_for_a_server_that_does_not_cut_is_said_in_its_words(serve: Serve) -> None:
    _, open_teacher = serve(longest=15, takes=())
    with pytest.raises(
        InputError, match=r"refuses /embeddings \(HTTP 400: maximum context length is 15, and a text has 20\)"
    ):
        encode(open_teacher(), ["word " * 20])


def test_max_tokens_reaches_the_server_and_is_part_of_who_the_teacher_is(serve: Serve) -> None:
    embedder, open_teacher = serve()
    teacher = open_teacher(",max_tokens=3")
    vectors = encode(teacher, ["one two three four", "one two three"])
    assert np.array_equal(vectors[0], vectors[1])
    assert embedder.bodies[-1]["truncate_prompt_tokens"] == 3
    assert teacher.identity["max_tokens"] == "3"


def test_fewer_dimensions_are_asked_for_and_checked(serve: Serve) -> None:
    _, open_teacher = serve()
    teacher = open_teacher(",dimensions=8")
    assert encode(teacher, TEXTS).shape == (len(TEXTS), 8)
    assert teacher.identity["dimensions"] == "8"
    _, of_another = serve(takes=("base64",))
    with pytest.raises(InputError, match="dimensions is not understood"):
        _ = of_another(",dimensions=8").identity
    unheard, of_third = serve()
    unheard.vector = lambda text, body=None: np.ones(32, dtype=np.float32)  # type: ignore[method-assign]
    with pytest.raises(InputError, match="was asked for vectors of 8 dimensions and gives 32"):
        _ = of_third(",dimensions=8").identity


@pytest.mark.parametrize("takes", [("base64",), ()], ids=["base64", "float"])
@pytest.mark.parametrize(
    ("value", "what"), [(0.0, "a vector of zeros"), (float("nan"), "no number"), (float("inf"), "no number")]
)
def test_a_vector_without_a_direction_is_an_error_that_names_the_text(
    serve: Serve, value: float, what: str, takes: tuple[str, ...]
) -> None:
    _, open_teacher = serve(bad={"poison": value}, takes=takes)
    with pytest.raises(InputError, match=f"{what}.* for text number 2 of 4, 'a poison text'"):
        encode(open_teacher(), ["one", "two", "a poison text", "three"])


FAULTS = [Status(429, headers="Retry-After: 0\r\n"), Status(503), Status(500), Status(502), "reset", "garbage", "hang"]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_passes_is_asked_again(serve: Serve, fault: Any) -> None:
    embedder, open_teacher = serve(faults=lambda text, asked: fault if asked == 0 and text in TEXTS else None)
    patience = Patience(request=0.2, gone=20, backoff=0.01)
    vectors = encode(open_teacher(",batch=3", patience=patience), TEXTS)
    assert vectors == pytest.approx(
        np.stack([embedder.vector(text) / np.linalg.norm(embedder.vector(text)) for text in TEXTS]), abs=1e-6
    )
    assert max(embedder.asked[text] for text in TEXTS) == 2


def test_a_reply_that_holds_no_vectors_is_asked_again_and_then_said(serve: Serve) -> None:
    embedder, open_teacher = serve()
    teacher = open_teacher()
    _ = teacher.identity
    embedder.answer = lambda route, body: {"data": [{"index": 1, "embedding": [1.0]}]}  # type: ignore[method-assign]
    with pytest.raises(
        RunError, match="does not answer /embeddings any more .the numbers of its vectors are not 0, 1, 2"
    ):
        encode(teacher, ["one"])


def test_too_few_vectors_are_an_error(serve: Serve) -> None:
    embedder, open_teacher = serve()
    teacher = open_teacher()
    _ = teacher.identity
    embedder.answer = lambda route, body: {"data": [{"index": 0, "embedding": [1.0] * 32}]}  # type: ignore[method-assign]
    with pytest.raises(RunError, match="gave 1 vectors for 2 texts"):
        encode(teacher, ["one", "two"])


@pytest.mark.parametrize("fault", [Status(500, "CUDA error"), "hang", "reset"], ids=str)
def test_a_server_that_is_gone_ends_the_run_with_what_to_do(serve: Serve, fault: Any) -> None:
    embedder, open_teacher = serve()
    teacher = open_teacher(patience=Patience(request=0.2, gone=0.3, backoff=0.01))
    encode(teacher, TEXTS[:3])
    embedder.faults = lambda text, asked: fault
    with pytest.raises(RunError, match=r"does not answer /embeddings any more .*: start it again, then `synth resume`"):
        encode(teacher, TEXTS)
    embedder.faults = lambda text, asked: None
    before = len(embedder.texts)
    assert encode(teacher, TEXTS).shape == (len(TEXTS), 32)
    assert embedder.texts[before:] == TEXTS[3:], "what was embedded before is kept"


def test_a_text_is_embedded_once_per_store_and_the_second_run_asks_two_small_things(
    tmp_path: Path, serve: Serve
) -> None:
    embedder, open_teacher = serve()
    corpus = build_corpus(tmp_path / "corpus", TEXTS)
    first = open_teacher(run="one")
    first.index(corpus, Silent())
    hits = first.search(QUERIES, np.arange(3), 5)
    before = len(embedder.bodies)
    again = open_teacher(run="two")
    again.index(corpus, Silent())
    other = again.search(QUERIES, np.arange(3), 5)
    assert [body["input"] for body in embedder.bodies[before:]] == [["Does this server embed?"], list(PROBES)]
    assert np.array_equal(hits.passages, other.passages) and np.array_equal(hits.scores, other.scores)


def test_a_resumed_run_that_has_all_its_vectors_asks_nothing(tmp_path: Path, serve: Serve) -> None:
    _, open_teacher = serve()
    corpus = build_corpus(tmp_path / "corpus", TEXTS)
    teacher = open_teacher()
    teacher.index(corpus, Silent())
    first = teacher.search(QUERIES, np.arange(3), 5)
    resumed = Served(
        str(teacher.asked), tmp_path / "run", tmp_path / "store", TeacherSettings(url="http://127.0.0.1:9/v1")
    )
    resumed.index(corpus, Silent())
    assert np.array_equal(resumed.search(QUERIES, np.arange(3), 5).scores, first.scores)
    assert resumed.identity == teacher.identity


def test_the_noise_of_half_precision_does_not_make_another_teacher(serve: Serve) -> None:
    embedder, open_teacher = serve(noise=2e-3)
    known = open_teacher(run="one").identity
    assert all(open_teacher(run=f"run{n}").identity == known for n in range(5))
    embedder.weights = "other"
    assert open_teacher(run="last").identity["weights"] != known["weights"]


def test_a_run_does_not_go_on_with_other_weights_under_the_same_name(tmp_path: Path, serve: Serve) -> None:
    embedder, open_teacher = serve()
    corpus = build_corpus(tmp_path / "corpus", TEXTS)
    open_teacher().index(corpus, Silent())
    embedder.weights = "other"
    resumed = open_teacher()
    resumed.index(corpus, Silent())
    with pytest.raises(InputError, match=r"'served:fake' is not the one that the run began with \(weights was"):
        resumed.embed_queries(["what"])


def test_half_precision_halves_what_is_stored_and_moves_scores_little(tmp_path: Path, serve: Serve) -> None:
    _, open_teacher = serve(dimension=64)
    corpus = build_corpus(tmp_path / "corpus", TEXTS)
    full, half = open_teacher(run="full"), open_teacher(",dtype=float16", run="half")
    full.index(corpus, Silent()), half.index(corpus, Silent())
    sizes = [(tmp_path / run / f"passages.{kind}").stat().st_size for run, kind in (("full", "f32"), ("half", "f16"))]
    assert sizes == [len(TEXTS) * 64 * 4, len(TEXTS) * 64 * 2]
    assert half.passage_vectors([1, 3]).dtype == np.float32
    one, other = (teacher.search(QUERIES, np.arange(3), len(TEXTS)) for teacher in (full, half))
    assert np.sort(one.scores) == pytest.approx(np.sort(other.scores), abs=5e-4)
    assert one.positive_scores == pytest.approx(other.positive_scores, abs=5e-4)


def test_a_name_of_a_recipe_without_its_server_says_what_to_add(tmp_path: Path) -> None:
    teacher = build_teacher("served:acme/embed,dimensions=256", tmp_path, tmp_path)
    with pytest.raises(InputError, match="needs its server: add --teacher http://HOST:8001/v1,model=acme/embed"):
        _ = teacher.identity


def test_the_key_is_sent_and_stands_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTH_LLM_API_KEY", "s3cret-key")
    with fake_llm(embedder=Embedder(), key="s3cret-key") as fake:
        name, settings = reach_teacher(fake.url)
        teacher = Served(name, tmp_path / "run", tmp_path / "store", settings, QUICK)
        teacher.index(build_corpus(tmp_path / "corpus", TEXTS), Silent())
        assert "s3cret" not in f"{name}{settings}{dict(teacher.identity)}"
        fake.key = "another"
        with pytest.raises(InputError) as refused:
            teacher.embed_queries(["what"])
        assert "HTTP 401: wrong key); put the right API key into SYNTH_LLM_API_KEY" in str(
            refused.value
        ) and "s3cret" not in str(refused.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]


def test_a_caller_with_an_event_loop_of_its_own_may_ask(serve: Serve) -> None:
    import asyncio

    _, open_teacher = serve()

    async def ask() -> np.ndarray:
        return encode(open_teacher(), TEXTS)

    assert asyncio.run(ask()).shape == (len(TEXTS), 32)


def test_the_fake_is_what_a_chat_model_is_not(serve: Serve) -> None:
    with fake_llm() as chat:
        assert isinstance(chat, FakeLlm)
        with pytest.raises(
            InputError, match=r"serves 'fake' and does not embed with it \(HTTP 404: not found\); a model that writes"
        ):
            reach_teacher(chat.url)
