"""Faults planted in human queries: each takes a record and draws its parameters from a random source.

Returns the query or the passage with the fault, or None where the record has no place for it. Worded
by fault_phrases.yaml, or by cutting what is there; nothing here knows how a gate works.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from schemas.record import Pair
from synth.prompts import load_prompt
from synth.text import STOP_WORDS

PHRASES = yaml.safe_load((Path(__file__).parent / "fault_phrases.yaml").read_text(encoding="utf-8"))
FIGURE = re.compile(r"[$€£]?\d[\d,]*\.?\d*(?: (?:million|billion|thousand|percent)|%|m\b)?")
TRUNCATED_KINDS = ("anywhere", "function word", "punctuation")
WHOLE = "whole phrase left"
HUMAN_WORDS: set[str] = set()
"""Words of all human queries, filled by the script; no gate sees them."""
MIN_COPY_WORDS = 5


@dataclass(frozen=True)
class Planted:
    """A faulty query and which parameters were drawn."""

    query: str
    kind: str


Maker = Callable[[Pair, random.Random, str], Planted | None]


def copied(record: Pair, source: random.Random, half: str) -> Planted | None:
    """A sentence, a span or the whole of a short passage; every tenth word may be lost or changed."""
    tokens = record.positive.text.split()
    if len(tokens) < MIN_COPY_WORDS:
        return None
    kind = source.choice(["span", "sentence", "whole"])
    sentences = [s for s in re.split(r"(?<=[.?!])\s+|\n", record.positive.text) if 5 <= len(s.split()) <= 45]
    if kind == "whole" and len(tokens) <= 60:
        chosen = tokens
    elif kind == "sentence" and sentences:
        chosen = source.choice(sentences).split()
    else:
        kind, size = "span", source.randint(MIN_COPY_WORDS, min(25, len(tokens)))
        start = source.randint(0, len(tokens) - size)
        chosen = tokens[start : start + size]
    if source.random() < 0.3 and len(chosen) >= 12:
        kind += ", edited"
        chosen = [token for token in chosen if source.random() >= 0.05]
    text = source.choice([str, str, str.lower])(" ".join(chosen))
    return Planted(text.rstrip(".") + "?" if source.random() < 0.3 else text, kind)


def other_language(record: Pair, source: random.Random, half: str) -> Planted | None:
    language = source.choice(sorted(PHRASES["language"][half]))
    template = source.choice(PHRASES["language"][half][language])
    return Planted(template.replace("{e}", _entity(record.positive.text, source)), language)


def generic(record: Pair, source: random.Random, half: str) -> Planted | None:
    phrases = PHRASES["generic"][half]
    frame = source.choice(phrases["frames"])
    filled = frame.format(
        doc=source.choice(phrases["doc"]), points=source.choice(phrases["points"]), d=_word(record, source)
    )
    return Planted(filled, "with a domain word" if "{d}" in frame else "bare")


def leaked(record: Pair, source: random.Random, half: str) -> Planted | None:
    """The query with a figure or a clause of its passage, as models supply answers."""
    figures = [
        figure
        for figure in (found.rstrip(".,") for found in FIGURE.findall(record.positive.text))
        if not re.fullmatch(r"(19|20)\d\d|\W?\d{1,2}\W?", figure) and figure not in record.query
    ]
    clause = _clause(record.positive.text, source)
    templates = [t for t in PHRASES["leak"][half] if figures or "{value}" not in t]
    if not clause:
        return None
    template = source.choice(templates)
    value = source.choice(figures) if figures else ""
    span = source.choice([value or clause, clause])
    asked = record.query.rstrip(" ?.")
    query = template.format(Q=record.query, q=asked, span=span, clause=clause.rstrip("."), value=value)
    return Planted(query, template.replace("\n", " / "))


def repeated(record: Pair, source: random.Random, half: str) -> Planted | None:
    """A word, a phrase or the whole query in a loop."""
    tokens = record.query.split()
    kind = source.choice(["word", "phrase", "tail", "whole"])
    if kind == "whole" or len(tokens) < 4:
        times = source.randint(2, 6)
        return Planted(source.choice([" ", "\n", " ? "]).join([record.query] * times), f"whole x {times}")
    size = 1 if kind == "word" else source.randint(2, min(5, len(tokens) - 1))
    start = len(tokens) - size if kind == "tail" else source.randint(0, len(tokens) - size)
    times = source.randint(3, 12) if size <= 2 else source.randint(2, 12)
    loop = tokens[start : start + size] * times
    return Planted(" ".join([*tokens[:start], *loop, *tokens[start + size :]]), f"{size} words x {times}")


def truncated(record: Pair, source: random.Random, half: str) -> Planted | None:
    """The beginning of the query: to any character, to a function word, or to a comma, bracket or quote."""
    query = record.query.strip()
    kind = source.choice(TRUNCATED_KINDS)
    low, high = max(8, round(0.35 * len(query))), round(0.92 * len(query))
    if kind == "anywhere":
        places = list(range(low, high))
    elif kind == "function word":
        ends = [m for m in re.finditer(r"\w+(?= )", query) if m[0].lower() in STOP_WORDS]
        places = [m.end() for m in ends if m.end() >= min(8, high)]
    else:
        places = [
            m.end() for m in re.finditer(r"[,(\[{:;]|(?<![^\s(])[\"'`](?=\w)|(?<=\w)-(?=\w)|- ", query) if m.end() >= 8
        ]
    places = [p for p in places if p < len(query) - 1]
    if not places:
        return None
    place = source.choice(places)
    cut, rest = query[:place].rstrip(), query[place:]
    return Planted(cut, _end_kind(cut, rest) if kind == "anywhere" else kind)


def _end_kind(cut: str, rest: str) -> str:
    """What a cut at any character left; a piece of a word that is a word itself leaves a whole phrase."""
    last = re.split(r"[^\w]+", cut)[-1].lower()
    if last in STOP_WORDS:
        return "function word"
    if last and rest[0].isalnum():
        return WHOLE if last in HUMAN_WORDS else "in a word"
    return WHOLE if cut[-1].isalnum() or cut[-1] in ".?!\"'`)]" else "punctuation"


def echoed(record: Pair, source: random.Random, half: str) -> Planted | None:
    """Wording of the prompt that was sent, whole lines or spans of them, alone or beside the query."""
    persona = record.persona
    system, user = _messages(record, source)
    kind = source.choice(["rule", "labels", "persona", "passage tag", "all"])
    if kind == "rule":
        tokens = system.split()
        size = source.randint(6, 30)
        start = source.randint(0, len(tokens) - size)
        piece = " ".join(tokens[start : start + size])
    elif kind == "persona":
        piece = source.choice(re.split(r"(?<=[.])\s+", persona))
        piece = source.choice([piece, f"Person: {persona}", f"As this person: {piece}"])
    elif kind == "passage tag":
        piece = user.split("\n", 1)[0] + " " + " ".join(record.positive.text.split()[:3])
    else:
        lines = user.rsplit("</passage>", 1)[-1].strip().split("\n")
        start = source.randint(0, len(lines) - 1) if kind == "labels" else 0
        stop = source.randint(start + 1, len(lines)) if kind == "labels" else len(lines)
        piece = source.choice(["\n", " ", ", "]).join(lines[start:stop])
    beside = source.choice([piece, f"{piece}\n{record.query}", f"{record.query} {piece}"])
    return Planted(beside, kind)


def special_token(record: Pair, source: random.Random, half: str) -> Planted | None:
    """Tokens of vocabularies and templates in or about the query, or the query as a tokenizer spells it."""
    spelled = {"dev": ["SentencePiece"], "test": ["byte-level BPE", "word pieces"]}[half]
    kind = source.choice(["at the end", "about it", "inside", "again and again", *spelled])
    if kind in spelled:
        query = _SPELLING[kind](record.query)
        return None if query == record.query else Planted(query, kind)
    token = source.choice(PHRASES["special token"][half])
    if kind == "about it":
        return Planted(f"{source.choice(PHRASES['special token'][half])} {record.query} {token}", kind)
    if kind == "again and again":
        token = source.choice(["", " "]).join([token] * source.randint(2, 8))
    return Planted(
        record.query + source.choice(["", " "]) + token if kind == "at the end" else _put(record, token, source), kind
    )


def glitch_token(record: Pair, source: random.Random, half: str) -> Planted | None:
    token = source.choice(PHRASES["glitch token"][half])
    times = source.choice([1, 1, 3])
    return Planted(_put(record, " ".join([token] * times), source), "once" if times == 1 else "again")


def mojibake(record: Pair, source: random.Random, half: str) -> Planted | None:
    """The query as text processors set it, or one of another language, decoded by a wrong codec; or odd characters."""
    kind = source.choice(["punctuation", "punctuation", "language", "characters"])
    if kind == "characters":
        name, odd = source.choice(sorted(PHRASES["odd characters"][half].items()))
        place = source.randint(0, len(record.query))
        return Planted(record.query[:place] + odd + record.query[place:], name)
    text = _typeset(record.query, source)
    if kind == "language":
        languages = PHRASES["language"][half]
        language = source.choice(
            sorted(
                set(languages) & {"cs", "de", "es", "fr", "pl", "ru", "sv", "tr", "uk", "vi", "zh", "ja", "el", "hi"}
            )
        )
        text = source.choice(languages[language]).replace("{e}", _entity(record.positive.text, source))
    written, read = source.choice(PHRASES["codecs"][half])
    try:
        garbled = text.encode(written).decode(read, "replace" if read == "utf-8" else "ignore")
    except UnicodeEncodeError:
        return None
    if half == "test" and source.random() < 0.2:
        garbled = garbled.encode("utf-8").decode("cp1252", "ignore")
    return None if garbled == text or text.isascii() else Planted(garbled, f"{written} as {read}")


def junk(record: Pair, source: random.Random, half: str) -> Planted | None:
    """Hands on a keyboard, a sign or a letter again and again, encoded bytes, in or after the query."""
    kind = source.choice(["row of keys", "middle row", "any letters", "signs", "letter", "base64", "hex"])
    size = source.randint(10, 20)
    if kind == "row of keys":
        row = source.choice(["qwertyuiop", "asdfghjkl", "zxcvbnm"])[:: source.choice([1, 1, -1])]
        start = source.randint(0, len(row) - 6)
        piece = row[start : source.randint(start + 6, len(row))]
    elif kind in ("middle row", "any letters"):
        letters = "asdfghjkl" if kind == "middle row" else "abcdefghijklmnopqrstuvwxyz"
        piece = "".join(source.choices(letters, k=size))
    elif kind in ("signs", "letter"):
        piece = source.choice({"signs": "?!.*#=-~|/", "letter": "aehmoxz"}[kind]) * source.randint(8, 40)
    else:
        drawn = source.randbytes(source.randint(24, 60))
        piece = base64.b64encode(drawn).decode() if kind == "base64" else drawn.hex()
    return Planted(
        source.choice([f"{record.query} {piece}", _put(record, piece, source), f"{piece} {record.query}"]), kind
    )


def _put(record: Pair, piece: str, source: random.Random) -> str:
    tokens = record.query.split()
    place = source.randint(0, len(tokens))
    return " ".join([*tokens[:place], piece, *tokens[place:]])


def _typeset(query: str, source: random.Random) -> str:
    """With the signs of a text processor: curly quotes, dashes, dots, a currency, an accent."""
    tokens = query.replace("'", "’").replace(" - ", " – ").split()
    place = source.randint(0, len(tokens) - 1)
    mark = source.choice(["“{}”", "‘{}’", "{}…", "– {}", "€{}", "£{}", "{}®", "{}é", "«{}»", "{} 5 °C"])
    tokens[place] = mark.format(tokens[place])
    return " ".join(tokens)


def _bpe(query: str) -> str:
    """As the vocabularies of GPT-2 and its heirs spell bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    shown = {byte: chr(byte) for byte in plain} | {byte: chr(256 + n) for n, byte in enumerate(others)}
    return "".join(shown[byte] for byte in query.encode())


def _pieces(query: str) -> str:
    return " ".join(f"{word[:4]} ##{word[4:]}" if len(word) > 6 and word.isalpha() else word for word in query.split())


_SPELLING: Mapping[str, Callable[[str], str]] = {
    "SentencePiece": lambda query: "▁" + query.replace(" ", "▁"),
    "byte-level BPE": _bpe,
    "word pieces": _pieces,
}


def _messages(record: Pair, source: random.Random) -> tuple[str, str]:
    inputs = {
        "domain": "finance",
        "instruction": source.choice(["", record.instruction]),
        "title": source.choice(["", "Annual report 2019"]),
        "heading": "Results",
        "passage": record.positive.text,
        "persona": record.persona,
        "query_type": source.choice(["fact", "reason", "comparison", "procedure", "definition"]),
        "difficulty": source.choice(["easy", "medium", "hard"]),
        "length": source.choice(["short", "medium", "long"]),
        "language": "en",
    }
    system, user = load_prompt("query-from-passage").render(inputs)
    return system.content, user.content


def _word(record: Pair, source: random.Random) -> str:
    words = re.findall(r"[A-Za-z]{4,}", record.positive.text) or ["it"]
    telling = [word for word in words if word.lower() not in STOP_WORDS]
    return source.choice(telling or words)


def _entity(text: str, source: random.Random) -> str:
    """One to three words that stand together, capitalised ones preferred."""
    tokens = re.findall(r"[\w$€£.,%-]*\w", text) or ["X"]
    capital = [i for i, token in enumerate(tokens) if token[0].isupper()]
    start = source.choice(capital or list(range(len(tokens))))
    return " ".join(tokens[start : start + source.randint(1, 3)])


def _clause(text: str, source: random.Random) -> str:
    """4 to 14 words that stand together in one line or sentence, or a whole short text."""
    lines = [line.split() for line in re.split(r"(?<=[.;])\s+|\n", text) if len(line.split()) >= 4]
    if lines:
        line = source.choice(lines)
        size = min(source.randint(4, 14), len(line))
        start = source.choice([0, source.randint(0, len(line) - size)])
        clause = " ".join(line[start : start + size]).strip(" |,")
        if len(re.findall(r"\w+", clause)) >= 4:
            return clause
    return " ".join(text.split()) if 2 <= len(text.split()) <= 14 else ""


TEXT_FAULTS: Mapping[str, Maker] = {
    "copied passage": copied,
    "other language": other_language,
    "generic question": generic,
    "leaked answer": leaked,
    "repetition": repeated,
    "truncated": truncated,
    "prompt echo": echoed,
    "special token": special_token,
    "glitch token": glitch_token,
    "mojibake": mojibake,
    "junk": junk,
}
