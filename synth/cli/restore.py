"""`synth datasets restore`: an old version as the newest again."""

from __future__ import annotations

from typing import Annotated

import typer

from synth.cli.output import JsonOption, StoreOption, out, show_json
from synth.errors import InputError


def restore(
    reference: Annotated[str, typer.Argument(metavar="NAME@N", help="The version that is to be the newest again.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish the content of an old version again under the next number; no version is changed or removed."""
    from synth.catalog import rebuild_catalog
    from synth.restore import restore as restore_version
    from synth.store import choose_store

    if "@" not in reference:
        raise InputError(
            f"say which version of {reference!r} is to be the newest again: `synth datasets list` shows them"
        )
    chosen = choose_store(store)
    old = chosen.find(reference)
    before = chosen.find(old.name)
    version = restore_version(chosen, old)
    is_new = version != before
    if is_new:
        rebuild_catalog(chosen)
    if as_json:
        show_json(
            {"dataset": str(version), "restored_from": str(old), "parent": version.manifest.parent, "new": is_new}
        )
    elif is_new:
        out.print(f"{version} holds what {old} holds, and {old.name}@latest means it now.")
    else:
        same = "" if version == old else f" and holds what {old} holds"
        out.print(f"{version} is the newest version{same}; nothing to do.")
