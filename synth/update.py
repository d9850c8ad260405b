"""Updating a dataset: the newest version is the parent, and only documents that it does not hold as they are are planned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from schemas.recipe import ParentSettings, Recipe
from synth.errors import InputError, StoreError, suggest
from synth.recipe import Resolved
from synth.store import Store, VersionRef

_MAKING = (
    *("domain", "instruction", "personas_sha256", "prompts", "steps", "chunk", "plan", "persona"),
    *("gates", "writing", "generator", "models", "sampling", "seed"),
)
"""Fields of a recipe that decide which records are made of a document; others apply to those carried over too."""
_LISTED = 4
_LONGEST = 40


def as_update(
    resolved: Resolved, store: Store, *, update: bool, freeze_test: bool | None = None, mixed: bool = False
) -> Resolved:
    """`resolved` as an update of the newest version of its name, where that is asked for.

    `mixed` allows another recipe than the parent's. Raises StoreError where there is no parent, and
    InputError where its recipe makes other records or flags have no meaning.
    """
    if not update:
        given = [("--mixed-recipes", mixed), ("--[no-]freeze-test", freeze_test is not None)]
        for flag, is_given in given:
            if is_given:
                raise InputError(f"{flag} says how a dataset is updated: add --update, or leave it out")
        return resolved
    parent = newest_version(resolved.name, store)
    manifest = parent.manifest
    differences = [] if mixed else differences_of(manifest.recipe, resolved.recipe)
    if differences:
        more = f" and {len(differences) - _LISTED} more" if len(differences) > _LISTED else ""
        raise InputError(
            f"{parent} was made by another recipe: {', '.join(differences[:_LISTED])}{more}; update with the flags it was made with, add --mixed-recipes to have new records made by this one, or leave --update out to make all anew"
        )
    chosen = ParentSettings(content_sha256=manifest.content_sha256, freeze_test=freeze_test is not False)
    recipe = resolved.recipe.model_copy(update={"parent": chosen})
    return replace(resolved, recipe=recipe, parent=str(parent))


def newest_version(name: str, store: Store) -> VersionRef:
    """The version that an update of a dataset starts from; StoreError where there is none."""
    versions = list(store.iterate(name))
    if not versions:
        raise StoreError(
            f"there is no version of {name!r} in {store.where} to update{suggest(name, store.names())}; make the first one without --update"
        )
    newest = versions[-1]
    if newest.manifest.is_imported:
        raise StoreError(
            f"{newest} was imported: its records were not made of documents, so an update would retire them all; choose another --name{_made_before(versions)}"
        )
    if not newest.file("passages.parquet").is_file():
        raise StoreError(
            f"{newest} holds no passages, so its documents are not known; make {name!r} anew without --update"
        )
    return newest


def _made_before(versions: list[VersionRef]) -> str:
    made = next((version for version in reversed(versions) if not version.manifest.is_imported), None)
    return f", or make {made} the newest again with `synth datasets restore {made}`" if made else ""


def find_parent(store: Store, reference: str, settings: ParentSettings) -> VersionRef:
    """The parent of a run; StoreError where it is another one by now."""
    parent = store.find(reference)
    if parent.manifest.content_sha256 != settings.content_sha256:
        raise StoreError(f"{parent} is not the version that the run was begun with; start the update again")
    return parent


def differences_of(before: Recipe, now: Recipe) -> list[str]:
    """What makes records and is not the same, one clause each: `seed was 1 and is 2`."""
    one, other = (_flat(recipe.model_dump(mode="json", include=set(_MAKING))) for recipe in (before, now))
    return [
        f"{name} was {_shown(one.get(name))} and is {_shown(other.get(name))}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """One level deep; gates and models by their names."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, list):
            value = {each["name"]: {key: said for key, said in each.items() if key != "name"} for each in value}
        flat |= {f"{name}.{key}": each for key, each in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def _shown(value: Any) -> str:
    said = "absent" if value is None else str(value)
    return said if len(said) <= _LONGEST else f"{said[:12]}…"
