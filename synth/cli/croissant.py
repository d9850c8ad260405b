"""`synth datasets croissant`: metadata of a version for machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synth.cli.output import StoreOption, out, show_json
from synth.errors import InputError


def croissant(
    reference: Annotated[
        str, typer.Argument(metavar="NAME[@N]", help="A dataset; the newest version unless @N is given.")
    ],
    creator: Annotated[str, typer.Option("--creator", help="Who answers for the dataset.", show_default=False)],
    url: Annotated[str, typer.Option("--url", help="Address of the dataset's page.", show_default=False)],
    file: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where it goes, beside the files of the version. Default: stdout.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Write Croissant 1.1 metadata (JSON-LD): files with their sha256, tables and columns with their types."""
    from schemas.base import canonical_json
    from synth.croissant import make_croissant
    from synth.store import choose_store

    if "://" not in url:
        raise InputError(f"--url {url} is no address: give one such as https://example.org/datasets/mine")
    if file is not None and file.exists():
        raise InputError(f"{file} exists; name another with --out, or remove it")
    found = make_croissant(choose_store(store).find(reference), creator, url)
    if file is None:
        show_json(found)
        return
    from synth.files import write_bytes

    write_bytes(file, canonical_json(found) + b"\n")
    out.print(f"Written: {file}")
