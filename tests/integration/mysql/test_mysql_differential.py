"""Every row of a log, decoded by this plugin and by mysql-replication: the same, or the difference is listed here.

Differences that stand: a DATE, DATETIME or TIMESTAMP with a zero part is None there, and here what ``zero_date`` says;
JSON is a Python value there and a text here; a SET is a set there, or None where empty, and a text here. It errs where
this plugin agrees with the server's own text: the fraction of a negative TIME is counted from the wrong side, and on
MariaDB a label of ENUM or SET that is not ASCII is lost, an empty VARBINARY a text; so none of them is written here.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import DeleteRowsEvent, UpdateRowsEvent, WriteRowsEvent

pytestmark = [
    pytest.mark.stack,
    pytest.mark.filterwarnings("ignore:'db' is deprecated:DeprecationWarning"),  # what the oracle calls PyMySQL with
]

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - theirs are without a zone
COLUMNS = {
    "id": "BIGINT UNSIGNED PRIMARY KEY",
    "tiny": "TINYINT",
    "small": "SMALLINT UNSIGNED",
    "medium": "MEDIUMINT",
    "number": "INT UNSIGNED",
    "ratio": "DOUBLE",
    "price": "DECIMAL(20, 6)",
    "name": "VARCHAR(300) CHARACTER SET utf8mb4",
    "old": "CHAR(20) CHARACTER SET latin1",
    "note": "MEDIUMTEXT CHARACTER SET utf8mb4",
    "raw": "VARBINARY(300)",
    "blob_": "BLOB",
    "day": "DATE",
    "at": "DATETIME(6)",
    "seen": "TIMESTAMP(3) NULL",
    "took": "TIME(6)",
    "year_": "YEAR",
    "state": "ENUM('new', 'paid', 'open')",
    "flags": "SET('a', 'b', 'c')",
}


def random_row(rng, key):
    def maybe(value):
        return None if rng.random() < 0.15 else value

    text = "".join(rng.choice("aZ0 'é\"\\\n€😀") for _ in range(rng.randrange(60)))
    moment = EPOCH + dt.timedelta(microseconds=rng.randrange(60 * 365 * 86_400) * 1_000_000 + rng.randrange(10**6))
    return (
        key,
        maybe(rng.randrange(-128, 128)),
        maybe(rng.randrange(2**16)),
        maybe(rng.randrange(-(2**23), 2**23)),
        maybe(rng.randrange(2**32)),
        maybe(rng.uniform(-1e9, 1e9)),
        maybe(Decimal(rng.randrange(-(10**19), 10**19)).scaleb(-6)),
        maybe(text),
        maybe("é" * rng.randrange(20)),
        maybe(text * 20),
        maybe(rng.randbytes(rng.randrange(1, 300))),
        maybe(rng.randbytes(rng.randrange(2000))),
        maybe(moment.date()),
        maybe(moment),
        maybe(moment.replace(microsecond=rng.randrange(1000) * 1000) + dt.timedelta(days=1)),
        maybe(
            dt.timedelta(seconds=rng.randrange(-838 * 3600, 0))
            if key % 2
            else moment - dt.datetime.combine(moment.date(), dt.time())
        ),
        maybe(rng.randrange(1901, 2156)),
        maybe(rng.choice(["new", "paid", "open"])),
        maybe(",".join(label for label in "abc" if rng.random() < 0.5)),
    )


def write_some(shop, rng, count):
    places = ", ".join(["%s"] * len(COLUMNS))
    keys = []
    with shop.session().cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        for key in range(1, count + 1):
            choice = rng.random()
            if keys and choice < 0.2:
                cursor.execute("DELETE FROM t WHERE id = %s", (keys.pop(rng.randrange(len(keys))),))
            elif keys and choice < 0.5:
                row = random_row(rng, rng.choice(keys))
                changes = ", ".join(f"`{name}` = %s" for name in list(COLUMNS)[1:])
                cursor.execute(f"UPDATE t SET {changes} WHERE id = %s", (*row[1:], row[0]))
            else:
                cursor.execute(f"INSERT INTO t VALUES ({places})", random_row(rng, key))
                keys.append(key)


AS_THEIRS = {
    "day": lambda days: (EPOCH + dt.timedelta(days=days)).date(),
    "at": lambda us: EPOCH + dt.timedelta(microseconds=us),
    "took": lambda us: dt.timedelta(microseconds=us),
    "seen": lambda text: dt.datetime.fromisoformat(text).replace(tzinfo=None),
    "flags": lambda text: set(filter(None, text.split(","))) or None,
}


def as_theirs(row):
    """Our row in the oracle's form."""
    values = row.to_dict()
    return {name: v if v is None else AS_THEIRS.get(name, lambda same: same)(v) for name, v in values.items()}


def their_changes(shop, start, count):
    to = urlsplit(shop.server.address)
    reader = BinLogStreamReader(
        connection_settings={"host": to.hostname, "port": to.port, "user": to.username, "password": to.password or ""},
        server_id=987_654,
        log_file=start.file,
        log_pos=start.pos,
        resume_stream=True,
        blocking=True,
        only_events=[WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent],
        only_schemas=[shop.database],
        is_mariadb="MariaDB" in shop.sql("SELECT VERSION()")[0][0],
    )
    changes = []
    try:
        for event in reader:
            for row in event.rows:
                if isinstance(event, UpdateRowsEvent):
                    changes.append(("u", row["before_values"], row["after_values"]))
                elif isinstance(event, WriteRowsEvent):
                    changes.append(("c", None, row["values"]))
                else:
                    changes.append(("d", row["values"], None))
            if len(changes) >= count:
                return changes
    finally:
        reader.close()
    return changes


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", ["mysql", "mariadb"])
def test_every_row_is_what_mysql_replication_makes_of_it(request, kind, seed):
    shop = request.getfixturevalue(f"{kind}_shop")
    shop.sql("DROP TABLE t", "CREATE TABLE t (" + ", ".join(f"`{n}` {type_}" for n, type_ in COLUMNS.items()) + ")")
    reader = shop.open()
    reader.until(lambda: reader.position.log.file != "" and reader.source.lag().bytes == 0)
    start = reader.position.log
    write_some(shop, random.Random(seed), 300)
    ours = reader.read(300)
    theirs = their_changes(shop, start, 300)

    assert len(ours) == len(theirs)
    for event, (op, before, after) in zip(ours, theirs, strict=True):
        assert event.op.value == op
        for mine, other in ((event.before, before), (event.after, after)):
            assert (mine is None) == (other is None)
            if mine is not None:
                assert as_theirs(mine) == other


def test_a_json_document_is_what_mysql_replication_makes_of_it(mysql_shop):
    mysql_shop.sql("CREATE TABLE j (id INT PRIMARY KEY, d JSON)")
    documents = [{"a": [1, -2, 2**40, 1.5, None, True, "é"], "b": {"c": {}}}, [], "text", 7, {"k" * 300: "v" * 40_000}]
    reader = mysql_shop.open(tables=("j",))
    reader.until(lambda: reader.position.log.file != "" and reader.source.lag().bytes == 0)
    start = reader.position.log
    with mysql_shop.session().cursor() as cursor:
        for key, document in enumerate(documents):
            cursor.execute("INSERT INTO j VALUES (%s, %s)", (key, json.dumps(document)))

    ours = [json.loads(event.after["d"]) for event in reader.read(len(documents))]
    assert ours == documents
    theirs = [row["d"] for _, _, row in their_changes(mysql_shop, start, len(documents))]
    assert [_texts(document) for document in theirs] == ours


def _texts(value):
    """Their texts of a document are bytes."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {_texts(key): _texts(inner) for key, inner in value.items()}
    return [_texts(inner) for inner in value] if isinstance(value, list) else value
