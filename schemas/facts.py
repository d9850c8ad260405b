"""Facts that a text fixes, and what each can be exchanged for: the words behind perturbed negatives.

One YAML file a field of knowledge (`data/facts/finance.yaml`). The engine knows how to shift
years, exchange names, words and units; which words these are is said here.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from schemas.base import Strict

Phrase = Annotated[str, Field(min_length=1)]
"""Words as they stand in a text; `#` stands for any number, with or without a currency sign."""

PERIOD, ENTITY = "period", "entity"
"""The kinds that `years` and `names` make; every other kind is named in `terms` or `quantities`."""


class Group(Strict):
    """Values that exclude each other, each with its forms: form i of one is exchanged for form i of another."""

    values: Annotated[dict[str, Annotated[list[Phrase], Field(min_length=1)]], Field(min_length=2)]
    traces: dict[str, list[Phrase]] = {}
    """Value -> other words that may speak of it and that can't be exchanged; `word*` is a beginning."""
    unless: list[Phrase] = []
    """Where one of these stands in the passage, no exchange of this group can be trusted."""
    match_case: bool = False
    tied: bool = False
    """Whether a number that the query states beside the value must stand beside it in the passage too."""

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        lengths = {value: len(forms) for value, forms in self.values.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"every value needs as many forms as the others, in the same order; got {lengths}")
        for value in self.traces:
            if value not in self.values:
                raise ValueError(f"traces of {value!r}, which is no value; known: {', '.join(self.values)}")
        owners: dict[str, str] = {}
        for value, forms in self.values.items():
            for form in forms:
                owner = owners.setdefault(form if self.match_case else form.casefold(), value)
                if owner != value:
                    raise ValueError(f"{form!r} stands for both {owner!r} and {value!r}")
        return self


class Years(Strict):
    """How years are told from other numbers of four digits. All years of a passage move together."""

    before_names: list[Phrase] = []
    """A year after one of these is part of a name: `ASU 2016-02`, `Act of 2017`."""
    after_names: list[Phrase] = []
    """A year before one of these is part of a name: `2014 Plan`."""
    amounts: list[Phrase] = []
    """A number before one of these is an amount: `2019 shares`."""
    not_years: list[Phrase] = []
    """Names that end like a year: `COVID-19`."""
    months: list[Phrase] = []
    """Names of months and their short forms, as in `Dec-19`."""
    unless: list[Phrase] = []


class NameType(Strict):
    """How names of one type are recognised: by the words they end with or the words before them."""

    endings: list[Phrase] = []
    """Words that are part of the name: `Bank`."""
    legal_forms: list[Phrase] = []
    """Endings that may be left out: `Inc.`"""
    titles: list[Phrase] = []
    """Words before the name and no part of it: `Mr.`"""


class Facts(Strict):
    """What a perturbed negative may change; kinds are `period`, `entity` and the keys of the last two."""

    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] = "en"
    """The only language of records that these words are applied to."""
    conjunctions: list[Phrase] = []
    """A query that joins two things by one of these (years apart) asks for more than one fact: only its
    years are changed, because half of it might still be answered."""
    years: Years | None = None
    names: dict[str, NameType] = {}
    terms: dict[str, list[Group]] = {}
    quantities: dict[str, list[Group]] = {}
    """Kind -> groups of units; only a unit after a number that the query states is exchanged."""

    @property
    def kinds(self) -> list[str]:
        """Everything that can be changed, sorted."""
        known = {*self.terms, *self.quantities}
        if self.years is not None:
            known.add(PERIOD)
        if self.names:
            known.add(ENTITY)
        return sorted(known)
