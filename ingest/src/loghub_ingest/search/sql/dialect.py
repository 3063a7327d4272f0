"""The service's SQL (Presto's, with `FROM log` understood) becomes DuckDB's, checked.

One query and nothing else: no statement that changes anything, no table but the Logstores that may
be read, no table function. `worker` runs what comes out.
"""

import dataclasses
from collections.abc import Collection
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

MAX_CHARS: Final = 32 * 1024
MAX_NODES: Final = 5000
DEFAULT_LIMIT: Final = 100
"""Rows of a query that names no limit, as the service's."""

MAX_LIMIT: Final = 100_000

LOG: Final = "log"
"""What a query of one Logstore calls it."""

_TIME: Final = "__time__"
_MAX_TIME: Final = 2**32 - 1
_RENAMED: Final = {
    "percentile": "approx_quantile",
    "every": "bool_and",
    "to_unixtime": "epoch",
    "array_distinct": "list_distinct",
}
"""The service's functions that DuckDB has under another name."""

MACROS: Final = (
    "url_extract_protocol(u) AS nullif(regexp_extract(u, '^([A-Za-z][A-Za-z0-9+.-]*):', 1), '')",
    "url_extract_host(u) AS nullif(regexp_extract(u, '^[^:/?#]+://([^/?#:]*)', 1), '')",
    "url_extract_path(u) AS regexp_extract(u, '^(?:[^:/?#]+://[^/?#]*)?([^?#]*)', 1)",
    "url_extract_query(u) AS nullif(regexp_extract(u, '[?]([^#]*)', 1), '')",
    "json_array_length_of(j) AS json_array_length(j)",
)
"""Functions that DuckDB lacks, in its own words."""


class QueryError(Exception):
    """The query cannot be run; the sentence is for the client."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A table of the query, and the half-open time (unix seconds) that it can need."""

    name: str
    begin: int
    end: int


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """A query that may run: DuckDB's text, its tables, the columns it names (None: all)."""

    text: str
    sources: tuple[Source, ...]
    columns: frozenset[str] | None


def check(sql: str, tables: Collection[str]) -> Checked:
    """The query `sql` over `tables`; of one table, `FROM log` and no FROM at all mean it.

    Raises:
        QueryError: it is no query, or reads something else.
    """
    if len(sql) > MAX_CHARS:
        raise QueryError(f"the SQL is longer than {MAX_CHARS} characters")
    try:
        statements = sqlglot.parse(sql.rstrip().rstrip(";"), dialect="presto")
    except (SqlglotError, RecursionError) as fault:
        raise QueryError(f"syntax error: {_first_line(fault)}") from fault
    query = statements[0] if len(statements) == 1 else None
    if not isinstance(query, exp.Query):
        raise QueryError("only one query that begins with SELECT or WITH is supported")
    if sum(1 for _ in query.walk()) > MAX_NODES:
        raise QueryError(f"the SQL has more than {MAX_NODES} parts")
    _name_tables(query, tables)
    _name_columns(query)
    names = frozenset(column.name for column in query.find_all(exp.Column))
    everything = next(query.find_all(exp.Star), None) is not None and _selects_star(query)
    sources = tuple(_source(query, name) for name in _used(query, tables))
    limited = _limited(query)
    try:
        text = limited.transform(_rewritten).sql(dialect="duckdb")
    except (SqlglotError, RecursionError) as fault:
        raise QueryError(f"not supported: {_first_line(fault)}") from fault
    return Checked(text, sources, None if everything else names)


def _name_tables(query: exp.Query, tables: Collection[str]) -> None:
    known = set(tables)
    if LOG in known:
        for select in query.find_all(exp.Select):
            if select.args.get("from_") is None and _reads_columns(select):
                select.from_(LOG, copy=False)
    local = {each.alias for each in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        plain = isinstance(table.this, exp.Identifier) and not table.db and not table.catalog
        if not plain or table.name not in known | local:
            named = table.sql(dialect="presto")[:80]
            raise QueryError(
                f"table {named!r} does not exist: use {', '.join(sorted(known))[:200]}"
            )


def _reads_columns(select: exp.Select) -> bool:
    # `SELECT 1` inside another query may stand alone; the service reads the log for the outermost.
    return select.parent is None or next(select.find_all(exp.Column, exp.Star), None) is not None


def _name_columns(query: exp.Query) -> None:
    select = query.find(exp.Select) if not isinstance(query, exp.Select) else query
    if select is None:
        return
    for number, projection in enumerate(list(select.expressions)):
        if not isinstance(projection, (exp.Alias, exp.Column, exp.Star)):
            projection.replace(exp.alias_(projection.copy(), f"_col{number}", quoted=True))


def _selects_star(query: exp.Query) -> bool:
    return any(
        isinstance(each, exp.Star) or (isinstance(each, exp.Column) and each.is_star)
        for select in query.find_all(exp.Select)
        for each in select.expressions
    )


def _used(query: exp.Query, tables: Collection[str]) -> list[str]:
    return sorted({table.name for table in query.find_all(exp.Table)} & set(tables))


def _source(query: exp.Query, name: str) -> Source:
    spans = [
        _span(select)
        for select in query.find_all(exp.Select)
        if any(table.name == name for table in _direct(select))
    ]
    begin = min((low for low, _ in spans), default=0)
    return Source(name, begin, max((high for _, high in spans), default=_MAX_TIME))


def _direct(select: exp.Select) -> list[exp.Table]:
    parts = [select.args.get("from_"), *(select.args.get("joins") or [])]
    return [part.this for part in parts if part is not None and isinstance(part.this, exp.Table)]


def _span(select: exp.Select) -> tuple[int, int]:
    """The time outside of which the WHERE of `select` lets nothing through."""
    low, high = 0, _MAX_TIME
    where = select.args.get("where")
    conditions = (
        []
        if where is None
        else list(where.this.flatten() if isinstance(where.this, exp.And) else [where.this])
    )
    for each in conditions:
        found = _bounds(each)
        low, high = max(low, found[0]), min(high, found[1])
    return low, max(low, high)


def _bounds(condition: exp.Expression) -> tuple[int, int]:
    if isinstance(condition, exp.Paren):
        return _bounds(condition.this)
    if isinstance(condition, exp.Between) and _is_time(condition.this):
        low, high = _whole(condition.args["low"]), _whole(condition.args["high"])
        return (low if low is not None else 0, high + 1 if high is not None else _MAX_TIME)
    if not isinstance(condition, (exp.GT, exp.GTE, exp.LT, exp.LTE, exp.EQ)):
        return 0, _MAX_TIME
    kind, value = type(condition), _whole(condition.expression)
    if value is None or not _is_time(condition.this):
        return 0, _MAX_TIME
    spans = {
        exp.GT: (value + 1, _MAX_TIME),
        exp.GTE: (value, _MAX_TIME),
        exp.LT: (0, value),
        exp.LTE: (0, value + 1),
        exp.EQ: (value, value + 1),
    }
    low, high = spans[kind]
    return min(max(low, 0), _MAX_TIME), min(max(high, 0), _MAX_TIME)


def _is_time(expression: exp.Expr) -> bool:
    return isinstance(expression, exp.Column) and expression.name == _TIME


def _whole(expression: exp.Expression) -> int | None:
    if isinstance(expression, exp.Literal) and expression.this.isdecimal():
        return min(int(expression.this), _MAX_TIME)
    return None


def _rewritten(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Anonymous) and node.name.lower() in _RENAMED:
        return exp.Anonymous(this=_RENAMED[node.name.lower()], expressions=node.expressions)
    if isinstance(node, exp.LogicalAnd):
        return exp.Anonymous(this="bool_and", expressions=[node.this])
    # Of a text that is no JSON, Presto extracts null; DuckDB would refuse the whole query.
    if isinstance(node, (exp.JSONExtract, exp.JSONExtractScalar)):
        node.set("this", _as_json(node.this))
    if isinstance(node, exp.Anonymous) and node.name.lower() == "json_array_length":
        node.set("expressions", [_as_json(each) for each in node.expressions])
    # `__time__` is a number of seconds; the service takes it as a moment where one is expected.
    if isinstance(node, (exp.TimeToStr, exp.TimestampTrunc, exp.DateTrunc)) and _is_seconds(
        node.this
    ):
        node.set("this", exp.UnixToTime(this=node.this.copy()))
    return node


def _as_json(expression: exp.Expression) -> exp.Expression:
    return exp.TryCast(this=expression.copy(), to=exp.DataType.build("json"))


def _is_seconds(expression: exp.Expression) -> bool:
    """Whether it is arithmetic on `__time__`."""
    parts = list(expression.walk())
    allowed = (exp.Column, exp.Identifier, exp.Literal, exp.Binary, exp.Paren)
    return all(isinstance(part, allowed) for part in parts) and any(
        _is_time(part) for part in parts
    )


def _limited(query: exp.Query) -> exp.Query:
    limit = query.args.get("limit")
    if limit is None:
        return query.limit(DEFAULT_LIMIT)
    count = _whole(limit.expression) if isinstance(limit, exp.Limit) else None
    if count is None or count > MAX_LIMIT:
        raise QueryError(f"LIMIT must be a number of at most {MAX_LIMIT}")
    return query


def _first_line(fault: BaseException) -> str:
    lines = str(fault).splitlines()
    return lines[0][:300] if lines else type(fault).__name__
