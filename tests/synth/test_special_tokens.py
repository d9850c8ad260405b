from __future__ import annotations

import pytest

from synth.special_tokens import glitch_tokens, special_tokens


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<s>why did sales rise</s>", ["<s>", "</s>"]),
        ("<S> why <PAD> <pad>", ["<S>", "<PAD>", "<pad>"]),
        ("<|endoftext|>why<|reserved_special_token_7|>", ["<|endoftext|>", "<|reserved_special_token_7|>"]),
        ("<｜begin▁of▁sentence｜>why", ["<｜begin▁of▁sentence｜>"]),
        ("why did sales rise<|im_end", ["<|im_end"]),
        ("im_start|> why did sales rise", ["im_start|>"]),
        ("why<0x0A>did", ["<0x0A>"]),
        ("[INST] <<SYS>> why [/inst]", ["[INST]", "<<SYS>>", "[/inst]"]),
        ("[CLS] why did [UNK] rise [SEP]", ["[CLS]", "[UNK]", "[SEP]"]),
        ("why <extra_id_12> <unused42> [unused3] madeupword0001", ["<extra_id_12>", "<unused42>", "[unused3]", "madeupword0001"]),
        ("<think>The user wants</think>", ["<think>", "</think>"]),
        ("### Response: why", ["### Response:"]),
        ("▁why▁did▁sales", ["▁", "▁", "▁"]),
        ("WhyĠdidĠsales", ["Ġ", "Ġ"]),
        ("why Ġdid sales rise", ["Ġdid"]),
        ("Ġorġ Ġunju", ["Ġorġ Ġu"]),
        ("lineĊnext", ["Ċ"]),
        ("itâĢĻs", ["âĢ"]),
        ("why did reven ##ues rise", ["##ues"]),
        ("why did reven@@ ues rise", ["@@"]),
    ],
)  # fmt: skip
def test_tokens_of_vocabularies_and_templates_are_found(text: str, found: list[str]) -> None:
    assert list(special_tokens(text, "en")) == found


@pytest.mark.parametrize(
    "text",
    [
        "a <b> tag, a <span>, x<y>z and List<String>",
        "[mask] and [pad] in small letters, [1] and [a]",
        "what does F# x |> f do, and y <| g",
        "c ## d, ## Heading and a##b",
        "user@@example or @@version",
        "▁▂▃▅▇",
        "who was Ġorġ Preca",
        "â and ã in Portuguese",
    ],
)
def test_what_looks_a_little_like_them_is_not(text: str) -> None:
    assert list(special_tokens(text, "en")) == []


def test_maltese_letters_are_letters_in_maltese() -> None:
    assert list(special_tokens("Ġorġ u Ġanni Ċetta</s>", "mt")) == ["</s>"]


def test_glitch_tokens_are_words_of_any_case() -> None:
    found = glitch_tokens("Did solidgoldmagikarp, PetertODD or TheNitromeFan rise?", "en")
    assert list(found) == ["solidgoldmagikarp", "petertodd", "thenitromefan"]
    assert list(glitch_tokens("a petertoddler and golden magikarps", "en")) == []


def test_sticky_words_are_words_in_their_own_language() -> None:
    assert list(glitch_tokens("lucrarea consacré trabaj", "ro")) == ["consacré", "trabaj"]
    assert list(glitch_tokens("lucrarea consacré", "fr-CA")) == ["lucrarea"]


def test_sticky_words_are_words_in_a_text_of_their_language_whatever_the_record_says() -> None:
    assert list(glitch_tokens("Lucrarea aceasta este foarte bună și a fost scrisă anul trecut.", "en")) == []
    assert list(glitch_tokens("Why did net sales lucrarea increase in the third quarter?", "en")) == ["lucrarea"]
