"""What `synth datasets verify` says of one version, or of many."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape

from synth.cli.output import err, out, show_json
from synth.errors import InputError, StoreError
from synth.store import Store, VersionRef
from synth.verify import verify_version


def choose_versions(store: Store, reference: str | None, every: bool) -> list[VersionRef]:
    """The version named, or all of the store or of a dataset; InputError where it is not said which."""
    if not every:
        if reference is None:
            raise InputError("say which version: `synth datasets verify NAME[@N]`, or --all")
        return [store.find(reference)]
    if reference is None:
        return [version for name in store.names() for version in store.iterate(name)]
    if "@" in reference:
        raise InputError(f"--all means every version and {reference!r} is one; leave out one of the two")
    return list(store.iterate(store.find(reference).name))


def verify_all(store: Store, versions: Sequence[VersionRef], as_json: bool, *, is_list: bool) -> None:
    """Verify one after the other, tell each; StoreError at the end where something is wrong."""
    told = []
    for version in versions:
        problems, sizes = _verify(store, version, is_list)
        told.append({"dataset": str(version), "problems": problems})
        if not as_json and not problems:
            out.print(f"{version} is sound: {sizes}")
        elif not as_json and is_list:
            err.print(escape(f"{version}: {'; '.join(problems)}"))
    if as_json:
        show_json(told if is_list else told[0])
    wrong = [each for each in told if each["problems"]]
    if not wrong:
        if not told and not as_json:
            out.print(f"No dataset in {store.root} yet.")
        return
    if is_list:
        raise StoreError(f"{len(wrong)} of {len(told)} versions are not what their manifest says")
    raise StoreError(f"{versions[0]} is not what its manifest says: {'; '.join(wrong[0]['problems'])}")


def _verify(store: Store, version: VersionRef, is_list: bool) -> tuple[list[str], str]:
    """Problems and sizes; among many, one whose manifest can't be read does not hide the others."""
    try:
        manifest = version.manifest
    except StoreError as error:
        if not is_list:
            raise
        return [str(error)], ""
    return verify_version(version, store), f"{len(manifest.files)} files, {manifest.records:,} records."
