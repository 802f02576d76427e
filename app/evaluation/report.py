"""Judged queries -> figures by language and by language pair; two runs compared query by query."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from app.evaluation import metrics
from app.evaluation.ask import Judged
from app.evaluation.schemas import (
    MEASURES,
    Bias,
    Comparison,
    Difference,
    Measure,
    QueryResult,
    Report,
    Run,
    Slice,
)
from ingest.errors import NotPossible

_TIE = 1e-9
_BIGGEST = 20


def report(judged: Sequence[Judged]) -> Report:
    """`judged` is not empty."""
    by_language: dict[str, list[Judged]] = defaultdict(list)
    by_pair: dict[tuple[str, str], list[Mapping[Measure, float]]] = defaultdict(list)
    for one in judged:
        by_language[one.result.language].append(one)
        for language, values in one.cells.items():
            by_pair[one.result.language, language].append(values)
    return Report(
        overall=_slice(None, None, [one.result.values for one in judged]),
        languages=[
            _slice(language, None, [one.result.values for one in some])
            for language, some in sorted(by_language.items())
        ],
        pairs=[_slice(*pair, values) for pair, values in sorted(by_pair.items())],
        bias=[_bias(None, judged), *(_bias(*item) for item in sorted(by_language.items()))],
    )


def compare(
    before: tuple[Run, Sequence[QueryResult]],
    after: tuple[Run, Sequence[QueryResult]],
    measure: Measure,
) -> Comparison:
    """Raises NotPossible if the runs have no query in common."""
    earlier = {(one.id, one.text): one for one in before[1]}
    pairs = [(earlier[key], one) for one in after[1] if (key := (one.id, one.text)) in earlier]
    if not pairs:
        raise NotPossible("the two runs have no query in common: compare finished runs of one query set")
    differences = np.array([new.values[measure] - old.values[measure] for old, new in pairs])
    order = np.argsort(-np.abs(differences), kind="stable")[:_BIGGEST].tolist()
    return Comparison(
        before=before[0],
        after=after[0],
        measure=measure,
        queries=len(pairs),
        won=int((differences > _TIE).sum()),
        lost=int((differences < -_TIE).sum()),
        tied=int((np.abs(differences) <= _TIE).sum()),
        difference=metrics.estimates(differences[:, None])[0],
        p=metrics.p_value(differences),
        biggest=[
            Difference(
                id=new.id,
                text=new.text,
                language=new.language,
                before=old.values[measure],
                after=new.values[measure],
            )
            for old, new in (pairs[at] for at in order if abs(differences[at]) > _TIE)
        ],
    )


def _slice(query: str | None, document: str | None, values: Sequence[Mapping[Measure, float]]) -> Slice:
    table = np.array([[one[measure] for measure in MEASURES] for one in values])
    return Slice(
        query_language=query,
        document_language=document,
        queries=len(values),
        values=dict(zip(MEASURES, metrics.estimates(table), strict=True)),
    )


def _bias(language: str | None, judged: Sequence[Judged]) -> Bias:
    return Bias(
        language=language,
        queries=len(judged),
        hits=float(np.mean([one.own_hits for one in judged])),
        relevant=float(np.mean([one.own_relevant for one in judged])),
    )
