"""What a person reads at the end of a run: funnel, examples, where it is, what next."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq
from rich.markup import escape
from rich.table import Table

from schemas.manifest import Diversity, Manifest, UpdateCount
from synth.catalog import outcomes
from synth.cli.output import command, out
from synth.store import VersionRef
from synth.tasks import JUDGE

EXAMPLES = 3


def describe(version: VersionRef) -> dict[str, Any]:
    """A version for machines: what `--json` prints."""
    manifest = version.manifest
    return {
        "dataset": str(version),
        "path": version.where,
        "records": manifest.records,
        "parent": manifest.parent,
        "update": manifest.update.model_dump() if manifest.update else None,
        "accepted": manifest.funnel.accepted,
        "planned": manifest.funnel.planned,
        "rejected": manifest.funnel.rejected,
        "failed": manifest.funnel.failed,
        "splits": manifest.splits,
        "methods": manifest.methods,
        "partial": manifest.partial,
        "diversity": manifest.diversity.model_dump() if manifest.diversity else None,
        "content_sha256": manifest.content_sha256,
        "run_id": manifest.run_id,
    }


def show_version(version: VersionRef, manifest: Manifest) -> None:
    """Funnel, facts and examples."""
    out.print(_funnel_table(version, manifest))
    if manifest.update:
        out.print(escape(_carried(manifest, manifest.update)))
    out.print(_imported(manifest) if manifest.is_imported else _facts(manifest))
    if manifest.origin and manifest.origin.shape == "version":
        out.print(f"as it was pushed to {escape(manifest.origin.source)}, without what was rejected")
    if manifest.diversity:
        out.print(escape(_diversity(manifest.diversity)))
    for number, row in enumerate(examples(version), 1):
        out.print(f"\n[bold]Example {number}[/] [dim]({escape(row['provenance']['method'])}, {row['split']})[/]")
        for label, text in _texts(row):
            out.print(f"  [cyan]{label:<9}[/]{escape(_shorten(text))}")


def show_next_steps(version: VersionRef, manifest: Manifest, store: str, *, is_new: bool = True) -> None:
    """Where the version lies and the commands to try."""
    done = "Published" if is_new else "Nothing new was published; there is"
    out.print(f"\n{done} [bold green]{version}[/]: {version.where}")
    if manifest.partial:
        out.print(f"[yellow]Partial:[/] {escape(manifest.partial)}")
    name, synth = version.name, command("synth")
    out.print("\n[bold]Next[/]")
    for line, meaning in (
        (f"{synth} datasets show {name}{store}", "this summary again"),
        (
            f"{synth} sql 'SELECT reason, count(*) FROM \"{name}_rejects\" GROUP BY ALL'{store}",
            "what was rejected, and why",
        ),
        (f"{synth} datasets export {name} --format triplet --out triplets{store}", "Parquet for a trainer"),
        (f"{synth} push {name} --dry-run{store}", "the folder that would go to the Hugging Face Hub"),
    ):
        out.print(f"  {escape(line)}  [dim]# {meaning}[/]")
    if manifest.recipe.generator == "extractive":
        out.print(
            "\nThese queries were [bold]cut out of real text[/], not written: good for a cold start and for trying things out. An LLM behind vLLM will write questions in each persona's words (`--llm http://HOST:8000/v1`, or `--llm vllm:MODEL` to start one)."
        )
        if any(gate.name == JUDGE for gate in manifest.recipe.gates):
            out.print("Nobody judged them: the gate `judge` asks an LLM, and there was none.")
    if manifest.teacher.name == "lexical":
        out.print(
            f"The teacher was BM25. A real embedder finds harder negatives and false ones: {command('pip')} install 'synth\\[teacher]', then add `--teacher sentence-transformers/all-MiniLM-L6-v2` (or any model name or folder)."
        )


def examples(version: VersionRef) -> list[dict[str, Any]]:
    """Three records about different passages, made in different ways where there are several."""
    found: dict[str, dict[str, Any]] = {}
    used: set[str] = set()
    file = next(
        (f for f in reversed(version.record_files()) if pq.read_metadata(f).num_rows),
        None,
    )
    for batch in pq.ParquetFile(file).iter_batches(batch_size=256) if file else ():
        for row in batch.to_pylist():
            method, passage = row["provenance"]["method"], row["positive"]["passage_id"]
            better = method not in found or (row["negatives"] and not found[method]["negatives"])
            if better and passage not in used:
                found[method] = row
                used.add(passage)
    preferred = sorted(
        found, key=lambda method: (not method.endswith(("title", "llm")), not method.endswith("span"), method)
    )
    return [found[method] for method in preferred[:EXAMPLES]]


def _texts(row: dict[str, Any]) -> list[tuple[str, str]]:
    texts = [("query", row["query"]), ("positive", row["positive"]["text"])]
    mined = [n for n in row["negatives"] if n["method"] == "mined"]
    made = [n for n in row["negatives"] if n["method"] != "mined"]
    return [
        *texts,
        *(("negative", negative["text"]) for negative in mined[:1]),
        *(("made", f"({_explain(negative)}) {negative['text']}") for negative in made[:1]),
    ]


def _explain(negative: dict[str, Any]) -> str:
    """How a negative was made: `perturbed:period, 2019 → 2015`."""
    exchanged = (f"{change['before']} → {change['after']}" for change in negative["changes"])
    return ", ".join([negative["method"], *exchanged])


def _funnel_table(version: VersionRef, manifest: Manifest) -> Table:
    table = Table(title=f"{version}: {manifest.funnel.planned:,} planned items", title_justify="left", show_footer=True)
    table.add_column("outcome", footer="sum")
    table.add_column("reason")
    table.add_column("items", justify="right", footer=f"{sum(n for _, _, n in outcomes(manifest)):,}")
    for status, reason, items in outcomes(manifest):
        colour = {"accepted": "green", "rejected": "yellow", "failed": "red"}[status]
        table.add_row(f"[{colour}]{status}[/]", _REASONS.get(reason, reason), f"{items:,}")
    return table


_REASONS = {"surplus": "surplus (beyond the number asked for)"}


def _facts(manifest: Manifest) -> str:
    sources, teacher = manifest.sources, manifest.teacher
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in sources.dropped.items())
    splits = ", ".join(f"{split} {count:,}" for split, count in manifest.splits.items())
    negatives = manifest.candidates.get("selected", 0)
    made = ", ".join(f"{method} {count:,}" for method, count in manifest.negatives.items() if method != "mined")
    written = ", ".join(f"{reason} {count:,}" for reason, count in manifest.written.items())
    dropped = f'{dropped}; see "{manifest.name}_sources" in `synth sql`' if dropped else ""
    return (
        f"{sources.read:,} documents read{f' ({dropped})' if dropped else ''}, {manifest.passages:,} passages; "
        f"{splits}; {negatives:,} hard negatives by {manifest.recipe.mining.strategy} with {teacher.name} over {teacher.pool:,} passages"
        + (
            f" (its index found {teacher.recall.mean:.1%} of the exact best, {teacher.recall.low:.1%} to {teacher.recall.high:.1%} by {teacher.recall.queries:,} queries)"
            if teacher.recall
            else ""
        )
        + (f"; made from positives: {made}" if made else "")
        + (f"; of {sum(manifest.written.values()):,} that an LLM wrote: {written}" if manifest.written else "")
    )


def _carried(manifest: Manifest, update: UpdateCount) -> str:
    retired = ", ".join(f"{reason} {count:,}" for reason, count in update.retired.items())
    found = tell_documents(update.documents.model_dump())
    parent = "its parent" if manifest.restored_from else manifest.parent or "its parent"
    kept_out = "; new and changed documents go to train, so that the test split stays comparable" * update.frozen_test
    return (
        f"{manifest.records:,} records: {update.carried:,} of the {update.records:,} of {parent} carried over and {manifest.funnel.accepted:,} new; "
        + (
            f'{sum(update.retired.values()):,} retired ({retired}), kept in "{manifest.name}_retired" in `synth sql`'
            if retired
            else "none retired"
        )
        + f"\ndocuments: {found}{kept_out}"
    )


def tell_documents(changes: dict[str, int]) -> str:
    """Counts of `DocumentChanges` that add up: the renamed ones apart from the unchanged."""
    told = {**changes, "unchanged": changes["unchanged"] - changes["renamed"]}
    return ", ".join(f"{count:,} {what}" for what, count in told.items() if count)


def _imported(manifest: Manifest) -> str:
    sources, source = manifest.sources, manifest.origin.source if manifest.origin else "the Hub"
    shape = next(iter(manifest.methods)).partition(":")[2] or "pairs"
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in sources.dropped.items())
    splits = ", ".join(f"{split} {count:,}" for split, count in manifest.splits.items())
    return escape(
        f"imported as {shape} from {source}: {sources.read:,} rows read{f' ({dropped})' if dropped else ''}, "
        f"{manifest.passages:,} passages; {splits}; {manifest.candidates.get('selected', 0):,} negatives came with it"
    )


def _diversity(diversity: Diversity) -> str:
    cells, regions, alike = diversity.cells, diversity.regions, diversity.self_similarity
    name, coverage = max(diversity.coverage.items(), key=lambda each: each[1].largest_gap)
    furthest = coverage.shares[0]
    seen = regions.queries, regions.opened_by_last_tenth
    return (
        f"diversity: {cells.filled:,} of {cells.possible:,} combinations of what is drawn; furthest from its weight: {name} {furthest.value} {furthest.share:.1%} for {furthest.target:.1%}{_repeats(diversity)}\n"
        f"           {regions.regions:,} regions in {seen[0]:,} queries, of which the last tenth opened {seen[1]:,}; queries of one task and type are alike by {alike.within_cells:.3f}, any two by {alike.any_two:.3f}"
    )


def _repeats(diversity: Diversity) -> str:
    repeats = diversity.repeats
    dropped = f"; {repeats.dropped:.1%} dropped as duplicates" if repeats.dropped is not None else ""
    versions = f"{repeats.versions} earlier version{'s' if repeats.versions > 1 else ''}"
    return dropped + (f"; {repeats.earlier:.1%} of the new queries stand in {versions}" if repeats.versions else "")


def _shorten(text: str, limit: int = 220) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"
