from __future__ import annotations

import pytest

from synth.mojibake import mojibake

TYPESET = "It’s “naïve” – 5 € for a café, «oui»"


@pytest.mark.parametrize(
    "codec",
    ["latin-1", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "iso-8859-2", "mac_roman", "cp437", "cp850", "gbk", "cp932"],
)  # fmt: skip
def test_utf_8_read_by_another_codec_is_found(codec: str) -> None:
    assert mojibake(TYPESET.encode().decode(codec, "ignore"))


@pytest.mark.parametrize("codec", ["latin-1", "cp1252"])
def test_other_codecs_read_as_utf_8_are_found(codec: str) -> None:
    assert mojibake("un café naïve".encode(codec).decode(errors="replace")) == "U+FFFD"


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Привет, как дела", "cp1251"),
        ("Привет, как дела", "koi8-r"),
        ("净销售额增长的原因", "gbk"),
        ("売上高の増加理由", "euc_jp"),
    ],
)
def test_other_alphabets_read_as_latin_1_are_found(text: str, codec: str) -> None:
    assert mojibake(text.encode(codec).decode("latin-1"))


def test_text_decoded_wrongly_twice_is_found() -> None:
    assert mojibake(TYPESET.encode().decode("latin-1").encode().decode("latin-1"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("net\x00 sales", "U+0000"),
        ("net \uf0b7 sales", "U+F0B7"),
        ("\ufeffnet sales", "U+FEFF"),
        ("net \ufffc sales", "U+FFFC"),
        ("net \ufdd0 sales", "U+FDD0"),
        ("net \U00050000 sales", "U+50000"),
        ("net\u200b\u200b sales", "U+200B U+200B"),
        ("net \u202esales", "U+202E"),
        ("net \u2067sales", "directions that are not closed"),
        ("net\u2069 \u2067sales", "directions that are not closed"),
        ("ne\u0301\u0334\u0316\u0353t sales", "U+0301 U+0334 U+0316 U+0353"),
        ("ก็็็็", "U+0E47 U+0E47 U+0E47 U+0E47"),
        ("net \U000e0061\U000e0062 sales", "U+E0061"),
        ("caf\\u00e9", "\\u00e9"),
        ("锟斤拷 net sales", "锟斤拷"),
    ],
)
def test_characters_that_no_text_needs_are_named(text: str, found: str) -> None:
    assert mojibake(text) == found


@pytest.mark.parametrize(
    "text",
    [
        TYPESET,
        "",
        "tabs\tand\r\nlines",
        "how do I match \\u in Python",
        "Œ and œ, †† and ‡‡",
        "soft\u00adhyphens, می\u200cخواهم and \u2068שלום\u2069",
        "x̄ and é̄ in formulae",
        "ａｂｃ ﾃｽﾄ 鈴木 拉拢 芦笋",
        "a new emoji 🫨 that Python 3.11 does not know",
    ],
)
def test_text_as_it_should_be_is_not_mojibake(text: str) -> None:
    assert mojibake(text) == ""
