from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpora import build_corpus
from fake_embedder import Embedder
from fake_llm import Status, fake_llm

from synth.errors import InputError, RunError
from synth.llm.link import Patience
from synth.progress import Silent
from synth.teachers import Hits, ranked
from synth.teachers.rescore import Range, Rescored, build_rescorer, reach_rescorer, rescore, rescore_hits
from synth.teachers.served_pairs import ServedPairs

QUICK = Patience(request=1.0, gone=0.4, backoff=0.01)
PASSAGES = [f"passage {n} about {'bonds and loans' if n % 2 else 'rates'}" for n in range(8)]
QUERIES = ["what of bonds", "rates please", "loans"]


class Lengths:
    """Scores a pair by the lengths of its texts, and remembers what it was asked."""

    identity = {"model": "lengths"}
    range: Range = "logit"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.calls: list[int] = []

    def score(self, queries: Sequence[str], passages: Sequence[str]) -> np.ndarray:
        self.asked += zip(queries, passages, strict=True)
        self.calls.append(len(queries))
        return np.array([pair(q, p) for q, p in zip(queries, passages, strict=True)], dtype=np.float32)


def pair(query: str, passage: str) -> float:
    return len(query) - 0.25 * len(passage)


def texts(ordinals: Sequence[int]) -> list[str]:
    return ["x" * (ordinal + 1) for ordinal in ordinals]


def test_every_place_gets_the_score_of_its_pair_and_an_empty_one_none() -> None:
    ordinals = np.array([[3, 0, -1], [7, -1, -1], [2, 2, 5]])
    scores = rescore(Lengths(), QUERIES, texts, ordinals)
    assert scores.shape == ordinals.shape and scores.dtype == np.float32
    for row, column in np.ndindex(ordinals.shape):
        ordinal = int(ordinals[row, column])
        assert scores[row, column] == (0 if ordinal < 0 else pair(QUERIES[row], "x" * (ordinal + 1)))


def test_a_passage_that_stands_twice_in_a_row_is_asked_for_once() -> None:
    rescorer = Lengths()
    rescore(rescorer, QUERIES, texts, np.array([[4, 4, 4], [4, 1, 4], [-1, -1, -1]]))
    assert sorted(rescorer.asked) == sorted([(QUERIES[0], "xxxxx"), (QUERIES[1], "xx"), (QUERIES[1], "xxxxx")])


def test_the_size_of_a_batch_bounds_what_is_held_and_changes_nothing() -> None:
    ordinals = np.arange(12).reshape(3, 4) % 8
    whole, cut = Lengths(), Lengths()
    assert np.array_equal(rescore(whole, QUERIES, texts, ordinals), rescore(cut, QUERIES, texts, ordinals, batch=5))
    assert (whole.calls, cut.calls) == ([12], [5, 5, 2])


def test_nothing_to_score_is_no_error() -> None:
    rescorer = Lengths()
    assert rescore(rescorer, QUERIES, texts, np.full((3, 2), -1)).tolist() == [[0, 0]] * 3
    assert rescore(rescorer, [], texts, np.empty((0, 2), dtype=np.int64)).shape == (0, 2)
    assert rescorer.asked == []


def hits_of(passages: list[list[int]]) -> Hits:
    ordinals = np.array(passages)
    return Hits(
        ordinals,
        np.linspace(1, 0, ordinals.size).reshape(ordinals.shape).astype(np.float32),
        np.ones(len(passages), dtype=np.float32),
    )


def test_the_first_places_and_the_positive_are_scored_on_one_scale_and_the_rest_is_left_out() -> None:
    found = rescore_hits(
        Lengths(), QUERIES, texts, hits_of([[5, 1, 3, 0], [2, 6, -1, -1], [0, 4, 7, 2]]), np.array([1, 7, 2]), 3
    )
    assert found.passages.tolist() == [[1, 3, 5], [2, 6, -1], [0, 4, 7]]
    assert found.scores[1, 2] == 0
    assert (np.diff(found.scores[[0, 2]]) < 0).all()
    assert found.positive_scores.tolist() == [pair(q, "x" * (n + 1)) for q, n in zip(QUERIES, (1, 7, 2), strict=True)]
    assert found.positive_scores[0] == found.scores[0, 0], "the positive has one score, wherever it stands"


def test_ties_are_broken_by_ordinal() -> None:
    found = rescore_hits(
        Lengths(), QUERIES[:1], lambda ordinals: ["same"] * len(ordinals), hits_of([[5, 1, 3]]), np.array([3]), 3
    )
    assert found.passages.tolist() == [[1, 3, 5]]


# A server that scores pairs ------------------------------------------------------------------------

Serve = Callable[..., tuple[Embedder, Callable[..., ServedPairs]]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server of pairs with these fields; returns it, and what opens a rescorer on it."""
    with ExitStack() as stack:

        def start(**fields: Any) -> tuple[Embedder, Callable[..., ServedPairs]]:
            fake = stack.enter_context(fake_llm(embedder=Embedder(**{"pairs": "logit"} | fields)))
            assert fake.embedder is not None

            def open_rescorer(options: str = "") -> ServedPairs:
                name, settings = reach_rescorer(f"{fake.url}{options}")
                return ServedPairs(name, tmp_path / "store", settings, QUICK)

            return fake.embedder, open_rescorer

        yield start


def expected(embedder: Embedder, activated: bool) -> list[float]:
    return [embedder._pair(query, passage, activated) for query in QUERIES for passage in PASSAGES]


def every_pair() -> tuple[list[str], list[str]]:
    return [query for query in QUERIES for _ in PASSAGES], PASSAGES * len(QUERIES)


@pytest.mark.parametrize(
    ("fields", "range_", "activated"),
    [
        ({}, "logit", False),
        ({"takes": ("truncate_prompt_tokens",)}, "unit", True),
        ({"takes": ("use_activation",)}, "logit", False),
        ({"pairs": "cosine"}, "cosine", True),
        ({"names": ("queries", "documents")}, "logit", False),
    ],
    ids=["logits", "no logits", "no truncation", "an embedder", "other names"],
)
def test_a_server_is_taken_as_it_is_and_says_its_range(
    serve: Serve, fields: dict[str, Any], range_: str, activated: bool
) -> None:
    embedder, open_rescorer = serve(**fields)
    rescorer = open_rescorer()
    assert rescorer.score(*every_pair()) == pytest.approx(expected(embedder, activated), abs=1e-4)
    assert rescorer.range == rescorer.identity["range"] == range_


def test_a_pair_is_scored_once_per_store(serve: Serve) -> None:
    embedder, open_rescorer = serve()
    first = open_rescorer().score(*every_pair())
    before = len(embedder.scored)
    again = open_rescorer()
    assert np.array_equal(again.score(*every_pair()), first)
    again.score(["new", QUERIES[0]], [PASSAGES[0]] * 2)
    probes = len(embedder.scored) - before - 1
    assert embedder.scored[-1] == ("new", PASSAGES[0])
    assert probes == 2 * 9


def test_a_pair_the_other_way_round_is_another_pair(serve: Serve) -> None:
    embedder, open_rescorer = serve()
    open_rescorer().score(["a b", "a", "b c"], ["c", "b c", "a"])
    assert {("a b", "c"), ("a", "b c"), ("b c", "a")} <= set(embedder.scored)


def test_pairs_go_out_in_batches_and_faults_pass(serve: Serve) -> None:
    embedder, open_rescorer = serve(faults=lambda text, asked: Status(503) if text in QUERIES and asked == 0 else None)
    assert open_rescorer(",batch=5").score(*every_pair()) == pytest.approx(expected(embedder, False), abs=1e-4)
    assert {len(body["text_1"]) for body in embedder.bodies} == {4, 5}


def test_other_weights_do_not_take_the_scores_of_the_first(serve: Serve) -> None:
    embedder, open_rescorer = serve()
    first = open_rescorer().score(*every_pair())
    embedder.weights = "other"
    assert not np.array_equal(open_rescorer().score(*every_pair()), first)


def test_a_server_without_scores_is_one_sentence(serve: Serve) -> None:
    _, open_rescorer = serve(pairs="")
    with pytest.raises(
        InputError,
        match=r"refuses /score \(HTTP 404: not found\); it can't rescore: name the server of a model that scores pairs",
    ):
        open_rescorer().score(["a"], ["b"])


def test_a_server_that_is_gone_names_its_own_flag(serve: Serve) -> None:
    embedder, open_rescorer = serve()
    rescorer = open_rescorer()
    _ = rescorer.identity
    embedder.faults = lambda text, asked: "reset"
    with pytest.raises(RunError, match=r"does not answer /score any more .*with --rescore URL where"):
        rescorer.score(["a"], ["b"])


def test_a_score_that_is_no_number_names_its_pair(serve: Serve) -> None:
    _, open_rescorer = serve(bad={"poison": float("nan")})
    with pytest.raises(InputError, match="gives no score .* for pair number 1 of 2, 'b' with 'poison'"):
        open_rescorer().score(["a", "b"], ["c", "poison"])


@pytest.mark.parametrize(
    ("flag", "said"),
    [
        ("acme,query_prompt=x", "--rescore acme: the option 'query_prompt' is not understood"),
        ("http://127.0.0.1:9", "does not answer"),
        ("served:acme", "write --rescore http://HOST:8001/v1,model=acme"),
    ],
)
def test_a_wrong_flag_is_one_sentence(flag: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        reach_rescorer(flag)


class Listed:
    """A teacher that lists all passages of a small corpus in their order."""

    identity = {"model": "listed"}

    def index(self, corpus: object, reporter: object) -> None:
        pass

    def search(self, queries: Sequence[str], positives: np.ndarray, depth: int) -> Hits:
        order = np.broadcast_to(np.arange(depth), (len(queries), depth)).astype(np.int64)
        return Hits(order, (-order / 10).astype(np.float32), np.ones(positives.shape, dtype=np.float32))


def test_a_rescored_teacher_lists_as_many_as_are_rescored_on_the_servers_scale(serve: Serve, tmp_path: Path) -> None:
    embedder, open_rescorer = serve()
    corpus = build_corpus(tmp_path / "corpus", PASSAGES)
    teacher = Rescored(Listed(), open_rescorer(), 4)
    teacher.index(corpus, Silent())
    hits = teacher.search(QUERIES, np.array([1, 7, 2]), 6)
    assert hits.passages.shape == (3, 6) and (hits.passages[:, 4:] == -1).all() and (hits.scores[:, 4:] == 0).all()
    logits = np.array(expected(embedder, activated=False)).reshape(3, len(PASSAGES))
    for row in range(3):
        order = hits.passages[row, :4].tolist()
        assert sorted(order) == [0, 1, 2, 3]
        assert hits.scores[row, :4] == pytest.approx(logits[row, order], abs=1e-4)
        assert (np.diff(hits.scores[row, :4]) <= 0).all()
    assert hits.positive_scores == pytest.approx(logits[range(3), [1, 7, 2]], abs=1e-4)
    assert ranked(teacher, 100) == 4 and ranked(teacher, 3) == 3
    assert teacher.identity["model"] == "fake over listed"
    assert (teacher.identity["range"], teacher.identity["rescored"]) == ("logit", "4")


def test_a_run_does_not_go_on_with_a_rescorer_of_other_weights(serve: Serve, tmp_path: Path) -> None:
    embedder, open_rescorer = serve()
    corpus = build_corpus(tmp_path / "corpus", PASSAGES)

    def search() -> Hits:
        teacher = Rescored(Listed(), open_rescorer(), 4, tmp_path / "run" / "rescorer.json")
        teacher.index(corpus, Silent())
        return teacher.search(QUERIES, np.array([1, 7, 2]), 6)

    first = search()
    assert np.array_equal(search().scores, first.scores)
    embedder.weights = "other"
    with pytest.raises(
        InputError,
        match=r"the rescorer 'fake' is not the one that the run began with \(weights was .* start another run",
    ):
        search()
    embedder.weights = ""
    assert np.array_equal(search().scores, first.scores)


# A cross-encoder with random weights --------------------------------------------------------------


@pytest.fixture(scope="module")
def cross_encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `one` and `three`, by the number of labels; words of the tests as vocabulary."""
    pytest.importorskip("sentence_transformers")
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("cross")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *sorted({word for text in [*PASSAGES, *QUERIES] for word in text.split()}),
    ]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    for name, labels in (("one", 1), ("three", 3)):
        torch.manual_seed(0)
        size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
        config = BertConfig(
            vocab_size=len(words), max_position_embeddings=64, num_labels=labels, initializer_range=1.0, **size
        )
        BertForSequenceClassification(config).eval().save_pretrained(folder / name)
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **special).save_pretrained(
            folder / name
        )
    return folder


def logits(folder: Path, queries: Sequence[str], passages: Sequence[str]) -> list[float]:
    """What transformers itself says of each pair, one at a time."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    model.eval()
    with torch.no_grad():
        return [
            float(model(**tokenizer(q, p, return_tensors="pt")).logits) for q, p in zip(queries, passages, strict=True)
        ]


def test_scores_of_a_cross_encoder_are_its_logits(tmp_path: Path, cross_encoders: Path) -> None:
    name, settings = reach_rescorer(f"{cross_encoders / 'one'},batch=3")
    rescorer = build_rescorer(name, tmp_path, settings)
    scores = rescorer.score(*every_pair())
    assert scores == pytest.approx(logits(cross_encoders / "one", *every_pair()), abs=2e-4)
    assert len(set(scores.tolist())) > 12 and (scores.min() < 0 or scores.max() > 1)
    assert (rescorer.range, rescorer.identity["activation"]) == ("logit", "none")
    again = build_rescorer(name, tmp_path, settings)
    again.ask = None  # type: ignore[assignment]
    assert np.array_equal(again.score(*every_pair()), scores)


def test_a_positive_is_scored_as_its_rivals_are_by_a_real_model(tmp_path: Path, cross_encoders: Path) -> None:
    rescorer = build_rescorer(str(cross_encoders / "one"), tmp_path)
    hits = hits_of([[5, 1, 3, 0], [2, 6, 4, -1], [0, 4, 7, 2]])
    found = rescore_hits(
        rescorer, QUERIES, lambda ordinals: [PASSAGES[n] for n in ordinals], hits, np.array([1, 7, 2]), 3
    )
    expected = logits(cross_encoders / "one", QUERIES, [PASSAGES[n] for n in (1, 7, 2)])
    assert found.positive_scores == pytest.approx(expected, abs=2e-4)
    assert found.scores[0, found.passages[0].tolist().index(1)] == found.positive_scores[0]


def test_a_model_of_several_labels_is_refused(tmp_path: Path, cross_encoders: Path) -> None:
    with pytest.raises(InputError, match="gives 3 numbers for a pair and a rescorer gives one"):
        build_rescorer(str(cross_encoders / "three"), tmp_path).score(["a"], ["b"])


def test_a_cross_encoder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers")
    with pytest.raises(InputError, match="can't load the rescorer '/no/such/model'"):
        build_rescorer("/no/such/model", tmp_path).score(["a"], ["b"])


def test_precision_and_length_are_part_of_who_the_rescorer_is(tmp_path: Path, cross_encoders: Path) -> None:
    plain, other = (
        build_rescorer(f"{cross_encoders / 'one'}{options}", tmp_path)
        for options in ("", ",dtype=bfloat16,max_tokens=8")
    )
    assert (plain.identity["dtype"], other.identity["dtype"]) == ("float32", "bfloat16")
    assert (plain.identity["max_seq_length"], other.identity["max_seq_length"]) == ("64", "8")
    assert other.score(QUERIES[:1], PASSAGES[:1]).dtype == np.float32
