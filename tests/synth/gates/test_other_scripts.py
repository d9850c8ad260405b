"""What the gates make of other scripts than Latin: real queries pass, the same faults are found as in English."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sentences import passage, sentences

from schemas.recipe import GateSettings
from schemas.record import Pair
from synth.gates import build_gate

MakePair = Callable[..., Pair]

NAMES = ("copy", "echo", "garbage", "generic", "leak", "length", "repetition", "schema", "truncated")
CHINESE = passage("zh")
PERSONA = "在镇上小学教了三十年书的退休老师，每个周末都带外孙去图书馆借绘本和故事书"


def reason(record: Pair, name: str) -> str:
    verdict = build_gate(GateSettings(name=name)).judge(record)
    return verdict.reason if not verdict.keep else ""


@pytest.mark.parametrize("language", ["zh", "ja", "th", "hi", "mr", "ru"])
def test_what_people_type_passes_every_gate(make_pair: MakePair, language: str) -> None:
    kinds = ("questions", "keywords", "fragments", "typed")
    made = [make_pair(query, passage(language), language=language) for query in sentences(language, *kinds)]
    dropped = [(record.query, name, why) for record in made for name in NAMES if (why := reason(record, name))]
    assert len(dropped) <= 0.03 * len(made), dropped


@pytest.mark.parametrize(
    ("name", "query", "why"),
    [
        ("length", "电池", "too_short"),
        ("length", "公积金" * 50, "too_long"),
        ("copy", "不过自习室一直开到晚上九点", "copied"),
        ("leak", "自习室几点关？街角的面包店换了电烤炉", "leak"),
        ("repetition", "公积金公积金公积金怎么取", "repetition"),
        ("repetition", "怎么取公积金怎么取公积金", "repetition"),
        ("echo", "适合每个周末都带外孙去图书馆借绘本和故事书的人", "echo"),
        ("truncated", "公积金怎么取（例如", "truncated"),
    ],
)
def test_a_fault_in_chinese_is_found(make_pair: MakePair, name: str, query: str, why: str) -> None:
    assert reason(make_pair(query, CHINESE, language="zh", persona=PERSONA), name) == why


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("copy", "自习室晚上开到几点"),
        ("leak", "图书馆哪天闭馆？急"),
        ("echo", "周末去图书馆借绘本要办卡吗"),
        ("length", "开放时间"),
        ("repetition", "看看试试说说想想"),
    ],
)
def test_what_only_looks_like_one_is_kept(make_pair: MakePair, name: str, query: str) -> None:
    assert not reason(make_pair(query, CHINESE, language="zh", persona=PERSONA), name)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("запчасти на «Ниву»", ""),
        ("Bedeutung von „Räum- und Streupflicht“", ""),
        ("was heißt »Schonfrist«", ""),
        ("Bedeutung von „Räumpflicht", "truncated"),
        ("《红楼梦》第一回", ""),
        ("《红楼梦第一回", "truncated"),
    ],
)
def test_quotation_marks_close_as_each_language_writes_them(make_pair: MakePair, query: str, why: str) -> None:
    assert reason(make_pair(query, language="de"), "truncated") == why
