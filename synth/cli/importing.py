"""`synth import`: somebody's pairs as a version of the store."""

from __future__ import annotations

from enum import StrEnum
from math import isfinite
from typing import Annotated

import typer

from synth.cli.output import JsonOption, StoreOption, out, show_json
from synth.cli.pairs import PositiveFieldOption, QueryFieldOption
from synth.errors import InputError


class As(StrEnum):
    pairs = "pairs"
    conversations = "conversations"
    citations = "citations"
    categories = "categories"
    duplicates = "duplicates"
    taxonomy = "taxonomy"


class OnSensitive(StrEnum):
    mask = "mask"
    flag = "flag"
    drop = "drop"


def _field(flag: str, text: str) -> typer.models.OptionInfo:
    found: typer.models.OptionInfo = typer.Option(flag, help=text, show_default=False)
    return found


def import_source(  # noqa: PLR0913 - one parameter a flag
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="JSON Lines, CSV or Parquet, a folder of such files, a BEIR folder, or hf://ORG/NAME, with @REVISION, /CONFIG and :SPLIT behind it.",
            show_default=False,
        ),
    ],
    name: Annotated[str, typer.Option("--name", help="Name of the dataset.", show_default=False)],
    shape: Annotated[
        As, typer.Option("--as", help="What a row is: a pair, a chat, or an item that names others (docs/import.md).")
    ] = As.pairs,
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence",
            metavar="ID",
            help="Of all records. Default: the card's on the Hub, else unknown.",
            show_default=False,
        ),
    ] = None,
    language: Annotated[str | None, _field("--language", "Of the texts. Default: en.")] = None,
    query_field: QueryFieldOption = None,
    positive_field: PositiveFieldOption = None,
    min_score: Annotated[
        float | None, _field("--min-score", "For pairs with a label or score: those below it are left out.")
    ] = None,
    text_field: Annotated[
        str | None, _field("--text-field", "Field of an item's text. Default: the usual names.")
    ] = None,
    title_field: Annotated[str | None, _field("--title-field", "Field of its title. Default: the usual names.")] = None,
    id_field: Annotated[
        str | None, _field("--id-field", "Field of its id. Default: the usual names, else its text.")
    ] = None,
    link_field: Annotated[
        str | None,
        _field(
            "--link-field",
            "Field that names what it cites, its category, original or parent. Default: the usual names.",
        ),
    ] = None,
    pairs_per_group: Annotated[
        int | None,
        typer.Option(
            "--pairs-per-group", min=1, help="At most so many of a category, or of one set of duplicates. Default: 100."
        ),
    ] = None,
    history: Annotated[
        int | None,
        typer.Option(
            "--history", min=1, help="For chats: so many earlier turns stand before what the user says. Default: none."
        ),
    ] = None,
    sensitive: Annotated[
        OnSensitive | None,
        typer.Option(
            "--sensitive",
            help="For chats: what happens to personal and secret data. Default: mask.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a version of pairs that you have: list, gate, mine, export and push it like any other."""
    from synth.catalog import rebuild_catalog
    from synth.cli.progress import choose_reporter
    from synth.cli.summary import describe, show_version
    from synth.imports import ChatFields, Import, ItemFields, PairFields, import_dataset
    from synth.licences import check_licence
    from synth.store import choose_store

    if licence is not None:
        check_licence(licence)
    for flags, given in (
        (
            "--query-field, --positive-field and --min-score",
            shape != As.pairs and (query_field or positive_field or min_score is not None),
        ),
        (
            "--text-field, --title-field, --id-field, --link-field and --pairs-per-group",
            shape in (As.pairs, As.conversations)
            and (text_field or title_field or id_field or link_field or pairs_per_group),
        ),
        ("--history and --sensitive", shape != As.conversations and (history or sensitive)),
    ):
        if given:
            raise InputError(f"{flags} do nothing with --as {shape.value}; leave them out, or choose another --as")
    if min_score is not None and not isfinite(min_score):
        raise InputError(f"--min-score {min_score} bounds nothing; give a finite number")
    items = ItemFields(text_field, title_field, id_field, link_field, pairs_per_group or 100)
    pairs = PairFields(query_field, positive_field, min_score)
    chats = ChatFields(history or 0, sensitive.value if sensitive else "mask")
    wanted = Import(source, name, shape.value, pairs, items, chats, licence or "", language or "")
    chosen = choose_store(store)
    known = set(chosen.iterate(name))
    with choose_reporter() as reporter:
        version = import_dataset(wanted, chosen, reporter)
        rebuild_catalog(chosen)
    if as_json:
        show_json(describe(version))
        return
    show_version(version, version.manifest)
    done = "Nothing new was imported; there is" if version in known else "Imported as"
    out.print(f"\n{done} [bold green]{version}[/]: {version.where}")
