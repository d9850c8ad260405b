from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from schemas.record import Attribute, Pair, Verdict
from synth.gates.garbage import Garbage

MakePair = Callable[..., Pair]


def judge(record: Pair, **settings: Any) -> Verdict:
    return Garbage(Garbage.Settings(**settings)).judge(record)


LEGITIMATE = [
    ("en", "Why did net sales increase in 2022?"),
    ("en", "two lines:\nwhat changed\tand why"),
    ("en", "how do I write for (i = 0; i < n; i++) { a[i] |= b[i] << 2; } in C"),
    ("en", "vector<int> a < b || c > d, x |> f, y <| g"),
    ("en", "what does [[ -f file ]] test, and $@ or ## in ${name##*/}"),
    ("en", "regex ^[\\w.+-]+@[\\w-]+\\.[\\w.]+$ for an address"),
    ("en", "git checkout feature/ABC-123_long-branch-name and /usr/local/lib/python3.11/site-packages/numpy/core"),
    ("en", "https://example.org/wiki/Some_Long_Page_Name?x=1&page=2#section-3"),
    ("en", "getElementsByTagNameNS, UTF8StringEncodingError and snake_case_identifier_of_length"),
    ("en", "is DE89 3704 0044 0532 0130 00 or GB29NWBK60161331926819 an IBAN"),
    ("en", "order 550e8400-e29b-41d4-a716-446655440000 of 2024-01-15T10:30:00Z"),
    ("en", "sum of ½ + ¼, x² ≤ √2·π ± 3 µm, ∂f/∂x → ∞, ∑∫ and 5 °C at 10 ‰ for £5, €3 or 20 ¢"),
    ("en", "§ 5 ¶ 3, footnotes * ** † †† ‡, © 2020 ACME® ™"),
    ("en", "the capital of France is ________"),
    ("en", "rhythms, strengths, twelfths, Knightsbridge, Schwarzenegger and Rechtsschutzversicherung"),
    ("en", "workflow, cookbook, withdrew, pdftotext and kubectl get pods in Zaporizhzhia or Kyrgyzstan"),
    ("en", "qwerty keyboards or azerty ones"),
    ("en", "family emoji 👨‍👩‍👧 ❤️ 👍🏽 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🇩🇪 and 😂😂😂😂😂😂😂😂😂"),
    ("en", "¯\\_(ツ)_/¯ or ಠ_ಠ"),
    ("en", "sparklines ▁▂▃▅▇ in a terminal, ╔══╗ and │ a │"),
    ("en", "L’Oréal’s “café” — naïve, à la carte… who was Ġorġ Preca?"),
    ("en", "what does <b>bold</b> do that <strong> does not"),
    ("en", "usage: cp [options] [mask] [null] source target"),
    (
        "de",
        "Was heißt „Donaudampfschifffahrtsgesellschaftskapitän“ – und wozu Rechtsschutzversicherungsgesellschaften?",
    ),
    ("fi", "Mitä tarkoittaa lentokonesuihkuturbiinimoottoriapumekaanikkoaliupseerioppilas, hääyöaie ja jäääär?"),
    ("et", "Kus on kuuuurija töööö ja jäääär?"),
    ("pl", "Czy bezwzględny szczęśliwy źdźbło, Łódź i żółć to chrząszcz?"),
    ("cs", "Strč prst skrz krk, čtvrthrst a léčba v Plzni"),
    ("cy", "Ble mae Llanfairpwllgwyngyll a'r anghysbell?"),
    ("hu", "Megszentségteleníthetetlenségeskedéseitekért, Csehország"),
    ("is", "Hvað kostar þýðæ, Ð, Þ og áður?"),
    ("pt", "NÃO há MAÇÃ em SÃO PAULO? 3ª edição, nº 5, MANHÃ!"),
    ("ro", "Unde este lucrarea și paharul ÎN ȘCOALĂ?"),
    ("fr", "Quel est le prix : 5 € ? « oui » – ÎLE-DE-FRANCE, œuvre, cœur, Ça coûte 10 °C ?"),
    ("es", "¿Dónde está? ¡Ábrelo! ¡Él y tú! ¡A comer! 3.º"),
    ("vi", "Thẻ của tôi không hoạt động, tôi phải làm gì? ÂM NHẠC VIỆT NAM"),
    ("vi", unicodedata.normalize("NFD", "Thẻ của tôi không hoạt động, được phép?")),
    ("tr", "İstanbul'da ığdır kaç lira?"),
    ("lv", "Ģimene, ķēniņš, ļoti, āēīū"),
    ("mt", "Fejn hi l-Ġimgħa u Ċetta, Ġorġ u Ġanni?"),
    ("az", "Azərbaycan Ədliyyə"),
    ("el", "Τι κάνει το Β; Η Ελλάδα «Γ» £5 ½"),
    ("ru", "Чему равен § 5 № 3 «класс В» – нет… В «Газпроме» Ёж?"),
    ("sr", "Где је Војна јединица ВЈ?"),
    ("ar", "ما سبب انخفاض المبيعات؟ \u200fABC\u200f"),
    ("he", "שָׁלוֹם בְּרֵאשִׁ֖ית"),
    ("fa", "می‌خواهم کتاب‌هایم را ببینم"),
    ("hi", "इसकी गणना कैसे की जाती है? क्‍षेत्र"),
    ("th", "ราคาเท่าไร น้ำ ที่นี่"),
    ("km", "តម្លៃ\u200bប៉ុន្មាន\u200bនៅទីនេះ"),
    ("zh", "与去年相比，净销售额增长的原因是什么？拉拢、芦笋、庐山"),
    ("ja", "これはテストです。（例）株式会社ー〜 ﾃｽﾄ"),
    ("ko", "작년과 비교하여 이유는 무엇입니까? ㅋㅋ"),
    ("ta", "இது எப்படி கணக்கிடப்படுகிறது?"),
    ("am", "ዋጋው ስንት ነው?"),
    ("bo", "བཀྲ་ཤིས་བདེ་ལེགས།"),
    ("en", "an isolated \u2068שלום\u2069 in a sentence"),
]


@pytest.mark.parametrize(("language", "query"), LEGITIMATE)
def test_what_people_write_is_kept(make_pair: MakePair, language: str, query: str) -> None:
    verdict = judge(make_pair(query, language=language))
    assert (verdict.keep, verdict.reason, verdict.detail) == (True, "", "")


@pytest.mark.parametrize(
    ("query", "reason", "detail"),
    [
        ("what are net sales?<|im_end|>", "special_token", "<|im_end|>"),
        ("[MASK] are net sales?", "special_token", "[MASK]"),
        ("what are SolidGoldMagikarp net sales?", "glitch_token", "solidgoldmagikarp"),
        ("what are lucrarea net sales?", "glitch_token", "lucrarea"),
        ("what donâ€™t net sales hold?", "mojibake", "â€"),
        ("net s\ufffdles in 2022", "mojibake", "U+FFFD"),
        ("net sales asdfghjkl", "junk", "asdfghjkl"),
        ("net sales dGhlIHF1aWNrIGJyb3duIGZveA0K", "junk", "dGhlIHF1aWNrIGJyb3duIGZveA0K"),
    ],
)
def test_what_nobody_writes_is_dropped_with_what_was_found(
    make_pair: MakePair, query: str, reason: str, detail: str
) -> None:
    verdict = judge(make_pair(query))
    assert (verdict.keep, verdict.reason, verdict.detail) == (False, reason, detail)


PASSAGES = "The tag <s> strikes text out, [MASK] hides a word, petertodd wrote commit d41d8cd98f00b204e9800998ecf8427e."


@pytest.mark.parametrize("word", ["<s>", "[MASK]", "petertodd", "d41d8cd98f00b204e9800998ecf8427e"])
def test_what_the_passage_says_may_be_asked_about_unless_told_otherwise(make_pair: MakePair, word: str) -> None:
    query = f"what does the text say about {word} here"
    assert judge(make_pair(query, PASSAGES)).keep
    assert not judge(make_pair(query, PASSAGES), quote=False).keep
    assert not judge(make_pair(query)).keep


def test_a_query_that_was_cut_out_of_a_document_may_hold_what_its_passage_does_not(make_pair: MakePair) -> None:
    title = "How [MASK] came to be"
    assert judge(make_pair(title, method="extractive:title")).keep
    assert not judge(make_pair(title)).keep


@pytest.mark.parametrize("query", ["what is <|im_end|> for", "what isnâ€™t struck out"])
def test_a_fault_of_the_passage_is_no_excuse_for_chat_marks_and_mojibake(make_pair: MakePair, query: str) -> None:
    assert not judge(make_pair(query, "A dirty page: <|im_end|> isnâ€™t")).keep


def test_a_domain_may_allow_what_is_ordinary_there(make_pair: MakePair) -> None:
    record = make_pair("what is <S> or </s> in HTML")
    assert judge(record, allow=["<s>"]).detail == "</s>"
    assert judge(record, allow=["<s>", "</s>"]).keep


def test_a_word_of_the_records_own_language_is_no_sticky_token(make_pair: MakePair) -> None:
    assert judge(make_pair("unde este lucrarea", language="ro-RO")).keep


def test_a_positive_is_looked_at_only_where_an_llm_wrote_it(make_pair: MakePair) -> None:
    dirty = "Net sales rose.</s>"
    assert judge(make_pair("why did net sales rise", dirty)).keep
    written = judge(make_pair("why did net sales rise", dirty, method="llm:text"))
    assert (written.reason, written.detail) == ("special_token", "</s> in the positive")


def test_a_passage_of_a_document_that_an_llm_invented_is_looked_at(make_pair: MakePair) -> None:
    record = make_pair("why did net sales rise", "Net sales rose.<|eot_id|>")
    provenance = record.provenance.model_copy(update={"passage_written_by": "acme/writer"})
    assert judge(record).keep
    assert judge(record.model_copy(update={"provenance": provenance})).detail == "<|eot_id|> in the positive"


def test_a_written_positive_excuses_nothing(make_pair: MakePair) -> None:
    record = make_pair("what is [PAD] for", "It fills up: [PAD].", method="llm:text")
    assert not judge(record).keep


def test_odd_names_and_rules_of_tables_in_a_written_positive_are_no_junk(make_pair: MakePair) -> None:
    text = "| tool | does |\n|--------------|------------|\n| ppmtopjxl | pictures |\n==============\nKhlobystov uses ppmtopjxl."
    assert judge(make_pair("what does it do", text, method="llm:text")).keep


def test_the_negatives_of_a_text_pair_are_looked_at(make_pair: MakePair) -> None:
    record = make_pair("net sales rose", "Sales were up.", method="llm:text", written=["Sales fell.", "Sales <pad>"])
    assert judge(record).detail == "<pad> in a negative"


def test_a_text_pair_may_hold_a_text_in_another_language(make_pair: MakePair) -> None:
    assert judge(
        make_pair("this work is good", "Lucrarea aceasta este foarte bună și scrisă cu grijă.", method="llm:text")
    ).keep


def test_instructions_and_attributes_are_looked_at_too(make_pair: MakePair) -> None:
    told = judge(make_pair("why did net sales rise", instruction="Find <|im_start|>"))
    assert told.detail == "<|im_start|> in the instruction"
    noted = judge(make_pair("why did sales rise", attributes=[Attribute(name="answer", value="moreâ€¦ of it")]))
    assert (noted.reason, noted.detail) == ("mojibake", "â€ in answer")
