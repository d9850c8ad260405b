from __future__ import annotations

import base64
import random

import pytest

from synth.junk import junk


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("why ???????????? not", "????????????"),
        ("why -=-=-=-=-=-= not", "-=-=-=-=-=-="),
        ("why ------------ not", "------------"),
        ("why xxxxxxxxxxxxxxxx not", "xxxxxxxxxxxxxxxx"),
        ("qwertyuiop sales", "qwertyuiop"),
        ("lkjhgfds sales", "lkjhgfds"),
        ("йцукенгш продажи", "йцукенгш"),
        ("sales sdkfjhskdjfh", "sdkfjhskdjfh"),
        ("sales xqzvbkjwpf", "xqzvbkjwpf"),
        ("sales d41d8cd98f00b204e9800998ecf8427e", "d41d8cd98f00b204e9800998ecf8427e"),
    ],
)
def test_strings_without_sense_are_found(text: str, found: str) -> None:
    assert list(junk(text, "en")) == [found]


def test_encoded_bytes_of_any_length_from_24_signs_are_found() -> None:
    source = random.Random(0)
    drawn = [base64.b64encode(source.randbytes(size)).decode() for size in range(18, 118)]
    assert sum(bool(list(junk(f"net sales {text} rose", "en"))) for text in drawn) >= 97


@pytest.mark.parametrize(
    "text",
    [
        "|-------|-------|\n| a | b |",
        "first\n==========\nsecond",
        "hmm ... what?! 1000000000000 ________",
        "😂😂😂😂😂😂😂😂😂😂",
        "qwerty or azerty",
        "src/main/java/com/example/MyVeryLongClassNameOfTheProject",
        "a4f5 1a2b3c4d-0000-4000-8000-000000000000",
        "workflow withdrew cookbook numpy pdftotext webhooks biweekly graphviz",
        "Zaporizhzhia Khlobystov Weizsaecker",
        "IJGHXKQV and HTTPSConnection",
    ],
)
def test_words_numbers_and_rules_are_not_junk(text: str) -> None:
    assert list(junk(text, "en")) == []


def test_a_strange_word_that_is_said_again_is_a_name() -> None:
    assert list(junk("ppmtopjxl: how ppmtopjxl works", "en")) == []
    assert list(junk("how ppmtopjxl works", "en")) == ["ppmtopjxl"]


def test_letters_that_are_strange_in_english_say_nothing_of_other_languages() -> None:
    assert list(junk("ddwyrain lwcsembwrgeg zkrachovatelny", "cy")) == []
