"""Pairs out of what relates items to each other: citations, categories, duplicate reports, taxonomies.

A row is an item: an id, a text, perhaps a title, and a field that links it. All items are in memory while their
links are followed. Every text is a passage of the version, whether an item is in a pair or not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.document import Split
from synth.errors import DocumentError
from synth.imports.sources import Rows
from synth.imports.writer import Draft, Text, VersionWriter
from synth.pairs.read import ID, TEXT, choose_field
from synth.text import hash64, normalise

_TEXT = (*TEXT, "abstract", "description")
_TITLE = ("title", "name", "subject", "heading")
_LISTED = re.compile(r"\s*[;,|]\s*")


@dataclass(frozen=True)
class ItemFields:
    """Fields of items; None tries the usual names."""

    text: str | None = None
    title: str | None = None
    id: str | None = None
    link: str | None = None
    per_group: int = 100
    """At most so many pairs of a category, or of reports of the same thing."""


@dataclass(frozen=True, slots=True)
class Item:
    """A row: what it says and what it names."""

    id: str
    where: str
    split: Split
    title: str
    body: str
    links: tuple[str, ...]

    @property
    def text(self) -> str:
        """Title and text, as retrievers are given them."""
        is_led = not self.title or self.body.startswith(self.title)
        return self.body or self.title if is_led or not self.body else f"{self.title}\n{self.body}"


Items = Mapping[str, Item]
Pair = tuple[Item, Item, list[Item]]
"""Query, positive, and items that must not count as negatives in a batch."""


@dataclass(frozen=True)
class Refused:
    """A link that gives no pair."""

    item: Item
    reason: str
    detail: str


@dataclass(frozen=True)
class Shape:
    """How items of a kind are linked. `group_of` names the group of an item, whose texts are never each other's negatives."""

    link: tuple[str, ...]
    """Usual names of the field."""
    many: bool
    """Whether an item may name several."""
    pairs: Callable[[Items, int], Iterator[Pair | Refused]]
    groups: Callable[[Items], Mapping[str, str]]
    by_title: bool = False
    """Whether the title alone is the query."""
    needs_link: bool = False
    is_listed: bool = False
    """Whether a text may hold several ids, separated by ; , or |."""


def add_relations(rows: Rows, shape: Shape, fields: ItemFields, writer: VersionWriter) -> None:
    """Records of all pairs that the items make. Raises DocumentError where rows have no text or no link field."""
    items = dict(_items(rows, shape, fields, writer))
    groups = shape.groups(items)
    texts = {item.id: Text(item.text, item.id, groups.get(item.id, "")) for item in items.values()}
    for text in texts.values():
        writer.add_passage(text)
    for found in shape.pairs(items, fields.per_group):
        item = found.item if isinstance(found, Refused) else found[0]
        query = item.title if shape.by_title and item.title else item.text
        source = {"source_id": item.id}
        if isinstance(found, Refused):
            writer.reject(
                Draft(item.where, item.split, query, [], attributes=source), found.reason, detail=found.detail
            )
            continue
        _, positive, masked = found
        if normalise(query) == normalise(positive.text):
            draft = Draft(item.where, item.split, query, [], attributes=source)
            writer.reject(draft, "same_text", positive.id, f"the item {positive.id!r} has the same text")
            continue
        mask = [texts[each.id] for each in masked]
        writer.add(Draft(item.where, item.split, query, [texts[positive.id]], masked=mask, attributes=source))


def _items(rows: Rows, shape: Shape, fields: ItemFields, writer: VersionWriter) -> Iterator[tuple[str, Item]]:
    chosen: _Chosen | None = None
    ids: set[str] = set()
    texts: dict[int, str] = {}
    for where, split, row in rows:
        if chosen is None or chosen.text not in row:
            chosen = _Chosen.of(row, shape, fields, where)
        item = chosen.item(where, split, row)
        key = hash64(normalise(item.text))
        if not item.text.strip():
            writer.drop(where, "no_text")
        elif key in texts and not shape.many:
            writer.drop(where, "repeated_text", f"the item {texts[key]!r} has the same text")
        elif item.id in ids:
            writer.drop(where, "repeated_id", f"the id {item.id!r} stands in an earlier row")
        elif len(item.links) > 1 and not shape.many:
            writer.drop(where, "several_links", f"it names {len(item.links)}: {', '.join(item.links[:3])} ...")
        elif shape.needs_link and not item.links:
            writer.drop(where, "no_link", "it is in no category")
        else:
            ids.add(item.id)
            texts.setdefault(key, item.id)
            writer.keep()
            yield item.id, item


@dataclass(frozen=True)
class _Chosen:
    """Fields that a row has."""

    text: str
    title: str | None
    id: str | None
    link: str
    is_listed: bool

    @staticmethod
    def of(row: dict[str, Any], shape: Shape, fields: ItemFields, where: str) -> _Chosen:
        names = {name.lower(): name for name in row}
        title = fields.title or next((names[name] for name in _TITLE if name in names), None)
        own = fields.id or next((names[name] for name in ID if name in names), None)
        for name, flag in ((fields.title, "--title-field"), (fields.id, "--id-field")):
            if name is not None and name not in row:
                raise DocumentError(f"{where} has no field {name!r}, which {flag} names; it has {', '.join(row)}")
        usual = (*_TEXT, *((title.lower(),) if title else ()))
        text = choose_field(row, fields.text, usual, where, "text")
        return _Chosen(text, title, own, choose_field(row, fields.link, shape.link, where, "link"), shape.is_listed)

    def item(self, where: str, split: Split, row: dict[str, Any]) -> Item:
        title = str(row.get(self.title) or "").strip() if self.title and self.title != self.text else ""
        body = str(row.get(self.text) or "").strip()
        own = row.get(self.id) if self.id else None
        return Item(
            str(own) if own not in (None, "") else body or title,
            where,
            split,
            title,
            body,
            _named(row.get(self.link), self.is_listed),
        )


def _named(value: Any, is_listed: bool) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    if is_listed and isinstance(value, str):
        listed = _LISTED.split(value)
    return tuple(dict.fromkeys(str(each).strip() for each in listed if each is not None and str(each).strip()))


def _cited(items: Items, _most: int) -> Iterator[Pair | Refused]:
    """The title of the citing item asks for what it cites."""
    for item in items.values():
        for name in item.links:
            cited = items.get(name)
            if cited is None:
                yield Refused(item, "unknown_id", f"it cites {name!r}, which is no item")
            elif cited is item:
                yield Refused(item, "itself", "it cites itself")
            else:
                yield item, cited, [items[each] for each in item.links if each in items and each != item.id]


def _alike(groups: Mapping[str, Sequence[Item]], most: int) -> Iterator[Pair | Refused]:
    """At most so many pairs of each group and split."""
    for name, members in groups.items():
        for split in ("train", "test"):
            own = sorted(
                (item for item in members if item.split == split), key=lambda item: hash64(f"{name}|{item.id}")
            )
            pairs = list(_ring(own, most))
            used = {item.id for pair in pairs for item in pair}
            positives = list({second.id: second for _, second in pairs}.values())
            yield from ((first, second, positives) for first, second in pairs)
            for item in own:
                if item.id not in used:
                    alone = len(own) == 1
                    yield Refused(item, "alone" if alone else "beyond_limit", f"of {name!r} with {len(own)} items")


def _ring(members: Sequence[Item], most: int) -> Iterator[tuple[Item, Item]]:
    """Pairs of a group, each once: neighbours in a ring, then those two apart, and so on, so that all take their turn."""
    count, given = len(members), 0
    for step in range(1, count // 2 + 1):
        for start in range(count if 2 * step < count else count // 2):
            if given == most:
                return
            given += 1
            yield members[start], members[(start + step) % count]


def _categories(items: Items, most: int) -> Iterator[Pair | Refused]:
    members: dict[str, list[Item]] = defaultdict(list)
    for item in items.values():
        members[item.links[0]].append(item)
    yield from _alike(members, most)


def _duplicates(items: Items, most: int) -> Iterator[Pair | Refused]:
    for item in items.values():
        for name in item.links:
            if name not in items:
                yield Refused(item, "unknown_id", f"it is a duplicate of {name!r}, which is no item")
            elif name == item.id:
                yield Refused(item, "itself", "it is a duplicate of itself")
    members: dict[str, list[Item]] = defaultdict(list)
    for own, root in _roots(items).items():
        members[root].append(items[own])
    yield from _alike({root: found for root, found in members.items() if len(found) > 1}, most)


def _roots(items: Items) -> dict[str, str]:
    """The lowest id that each item is connected with, by any chain of links."""
    root = {name: name for name in items}

    def find(name: str) -> str:
        while root[name] != name:
            root[name] = root[root[name]]
            name = root[name]
        return name

    for item in items.values():
        for other in item.links:
            if other in items:
                first, second = sorted((find(item.id), find(other)))
                root[second] = first
    return {name: find(name) for name in items}


def _children(items: Items, _most: int) -> Iterator[Pair | Refused]:
    """A child asks for its parent; no other ancestor counts as a negative in a batch."""
    for item in items.values():
        for name in item.links:
            parent = items.get(name)
            if parent is None:
                yield Refused(item, "unknown_parent", f"its parent {name!r} is no item")
            elif item.id in (above := _above(parent, items)):
                yield Refused(item, "cycle", f"its parent {name!r} lies below it")
            else:
                yield item, parent, [items[each] for each in above if each != name]


def _above(item: Item, items: Items) -> dict[str, None]:
    """The item and all its ancestors, nearest first."""
    found, queue = {item.id: None}, [item]
    for each in queue:
        for name in each.links:
            if name in items and name not in found:
                found[name] = None
                queue.append(items[name])
    return found


def _no_groups(_items: Items) -> dict[str, str]:
    return {}


def _by_category(items: Items) -> dict[str, str]:
    return {name: f"category:{item.links[0]}" for name, item in items.items()}


def _by_report(items: Items) -> dict[str, str]:
    return {name: f"duplicates:{root}" for name, root in _roots(items).items()}


SHAPES: dict[str, Shape] = {
    "citations": Shape(
        ("cites", "citations", "references", "cited", "outbound_citations"),
        True,
        _cited,
        _no_groups,
        by_title=True,
        is_listed=True,
    ),
    "categories": Shape(
        ("category", "label", "class", "topic", "intent"), False, _categories, _by_category, needs_link=True
    ),
    "duplicates": Shape(("duplicate_of", "duplicates", "dup_id"), True, _duplicates, _by_report, is_listed=True),
    "taxonomy": Shape(("parent", "parent_id", "parents", "broader", "hypernym"), True, _children, _no_groups),
}
