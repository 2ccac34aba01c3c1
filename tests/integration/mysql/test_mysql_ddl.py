"""Statements that change tables: what we make of each is what the real server makes of it (V2, F52)."""

from __future__ import annotations

import contextlib
import uuid
from dataclasses import replace

import pytest

from connect.schema.model import TableId
from connectors.mysql.catalog import read_tables
from connectors.mysql.config import MysqlConfig
from connectors.mysql.connection import connect
from connectors.mysql.ddl import parse
from connectors.mysql.shapes import constant_default
from connectors.mysql.type_options import TypeOptions
from connectors.mysql.types import logical

pytestmark = pytest.mark.stack

OPTIONS = TypeOptions()

CREATES = {
    "numbers": """
        CREATE TABLE t (id int PRIMARY KEY, a INT(5) UNSIGNED ZEROFILL DEFAULT 3, b BOOL DEFAULT TRUE, c BIGINT SIGNED,
          d DECIMAL(10,2) DEFAULT 1.5, e NUMERIC(5), f DEC, g FIXED(5,2) DEFAULT -1.50, h FLOAT(7,3) DEFAULT 1.25,
          i FLOAT(30), j FLOAT, k DOUBLE PRECISION(10,3), l REAL, m BIT(12) DEFAULT b'101', n BIT, o INT1, p INT2,
          q INT3, r INT4, s INT8, u MIDDLEINT, v TINYINT(1) NOT NULL DEFAULT '0', w SMALLINT UNSIGNED, x INTEGER,
          y DOUBLE DEFAULT 1e3, z SERIAL)""",
    "text": """
        CREATE TABLE t (id int PRIMARY KEY, a CHAR(5) DEFAULT 'a''b', b CHAR, c CHARACTER VARYING(7)
          CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, d NATIONAL VARCHAR(5), e NCHAR(3),
          f VARBINARY(5) DEFAULT x'0102', g BINARY, h CHAR(4) BYTE, i BLOB(300),
          j TEXT(100), k TEXT(300), l TEXT(70000), m LONG VARCHAR, n LONG VARBINARY, o LONG, p TINYTEXT,
          q VARCHAR(20) DEFAULT 'NULL', r VARCHAR(5) CHARSET utf8mb3, s VARCHAR(5) ASCII, u VARCHAR(5) UNICODE,
          v VARCHAR(5) CHARACTER SET binary, w TEXT CHARACTER SET binary, x NATIONAL CHARACTER VARYING(4),
          y VARCHAR(4) COLLATE sjis_bin DEFAULT 'x', z MEDIUMBLOB COMMENT 'it''s (, '
        ) ENGINE=InnoDB DEFAULT CHARSET=latin1 COMMENT='a table (with, commas)'""",
    "times": """
        CREATE TABLE t (id int PRIMARY KEY, a DATETIME(3) DEFAULT '2000-01-01 00:00:00.5', b TIME(2), c DATE DEFAULT
          '2024-02-03', d TIMESTAMP NULL, e TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
          f TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), g YEAR DEFAULT 1999, h DATETIME DEFAULT NOW())""",
    "labels": r"""
        CREATE TABLE t (id int PRIMARY KEY, a SET('ab','c''d','e\\f') CHARACTER SET latin1 DEFAULT 'ab',
          b ENUM('x','y ','z') DEFAULT 'y' COMMENT 'hey', c ENUM("d\"q", 'b`t'), d SET('s') NOT NULL DEFAULT '')""",
    "generated": """
        CREATE TABLE t (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a + 1) VIRTUAL,
          c int AS (a * (1 + 2)) STORED,
          d int DEFAULT 7 INVISIBLE, e int DEFAULT (1 + 2), f int CHECK (f > 0),
          g int AS (coalesce(a, ')')) COMMENT 'g')""",
    "shapes": """
        CREATE TABLE t (id int PRIMARY KEY, a POINT, b GEOMETRYCOLLECTION, c LINESTRING, d GEOMETRY NOT NULL,
          e MULTIPOLYGON, SPATIAL INDEX (d))""",
    "keys before columns": """
        CREATE TABLE t (PRIMARY KEY (b, a), UNIQUE KEY u (c), KEY (d(3)), CONSTRAINT x CHECK (a > 0), a int, b int,
          c int NOT NULL, d text, e int UNIQUE, f int NOT NULL UNIQUE KEY, FULLTEXT KEY ft (d), UNIQUE (c))""",
    "no key": "CREATE TABLE t (a int NOT NULL, b int NOT NULL, c int, UNIQUE (b), UNIQUE (a, b), UNIQUE (c))",
    "partitions": """
        CREATE TABLE IF NOT EXISTS `t` (`id` int KEY, `key` int, `a b` int) ENGINE=InnoDB PARTITION BY RANGE (id)
          (PARTITION p0 VALUES LESS THAN (10) COMMENT = 'x, y', PARTITION p1 VALUES LESS THAN MAXVALUE)""",
    "comments": """
        /* first */ CREATE TABLE -- to the line's end
          t ( # likewise
          id int /* a, b */ PRIMARY KEY, a int /*!50001 UNSIGNED */ COMMENT '/* no */') /*!50100 ENGINE=InnoDB */""",
    "binary": "CREATE TABLE t (id int PRIMARY KEY, a varchar(5), b text, c enum('x'), d char(3)) CHARSET binary",
    "collation only": "CREATE TABLE t (id int PRIMARY KEY, a text(100)) COLLATE=utf8mb3_bin",
}
CREATES_OF = {
    "mysql": {
        "json": "CREATE TABLE t (id int PRIMARY KEY, a JSON, b VECTOR(3), c POINT NOT NULL SRID 4326, d VECTOR)",
        "expressions": "CREATE TABLE t (id int PRIMARY KEY, a int, UNIQUE u ((a + 1)), KEY k (a DESC) INVISIBLE)",
        "dump": "CREATE TABLE t (id int PRIMARY KEY, a int /*!80023 INVISIBLE */) /*!80016 ENCRYPTION='N' */",
    },
    "mariadb": {
        "json": "CREATE TABLE t (id int PRIMARY KEY, a JSON, b UUID DEFAULT uuid(), c INET6, d INET4, e JSON NOT NULL)",
        "compressed": "CREATE TABLE t (id int PRIMARY KEY, a varchar(50) COMPRESSED, b text COMPRESSED)",
        "persistent": "CREATE TABLE t (id int PRIMARY KEY, a int AS (id) PERSISTENT, b int /*!80023 UNSIGNED */)",
        "replaced": "CREATE OR REPLACE TABLE t (id int PRIMARY KEY)",
    },
}
BEGIN = """
    CREATE TABLE t (id int NOT NULL, a int DEFAULT 1, b varchar(10), c text, d enum('x') NOT NULL, e decimal(5,1),
      `f g` int, PRIMARY KEY (id), UNIQUE u (d), KEY k (a, b)) DEFAULT CHARSET=latin1"""
ALTERS = [
    "ALTER TABLE t ADD COLUMN x varchar(30) NOT NULL DEFAULT 'q' AFTER id, ADD y int FIRST, DROP COLUMN c",
    "ALTER TABLE t ADD (x int, y varchar(3) CHARACTER SET sjis, z int UNIQUE)",
    "ALTER TABLE t CHANGE COLUMN a z bigint UNSIGNED NOT NULL, CHANGE b b varchar(5)",
    "ALTER TABLE t MODIFY a double NULL AFTER e, MODIFY COLUMN e decimal(7,3) FIRST",
    "ALTER TABLE t RENAME COLUMN a TO z, RENAME COLUMN `f g` TO `id 2`",
    "ALTER TABLE t RENAME COLUMN id TO pk, ALTER a SET DEFAULT 9, ALTER COLUMN b SET DEFAULT 'z'",
    "ALTER TABLE t ALTER a DROP DEFAULT",
    "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (a, id)",
    "ALTER TABLE t ADD CONSTRAINT pk CHECK (id > 0), ADD CONSTRAINT UNIQUE KEY w (a), ADD INDEX i USING BTREE (e)",
    "ALTER TABLE t ADD UNIQUE KEY w (b(3)), ADD FULLTEXT KEY ft (c), RENAME INDEX k TO k2",
    "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
    "ALTER TABLE t DEFAULT CHARACTER SET = sjis, ADD x varchar(3)",
    "ALTER TABLE t ENGINE=InnoDB ROW_FORMAT=DYNAMIC COMMENT='x, y' CHARSET=utf8mb4",
    "ALTER TABLE t MODIFY d enum('w','x','it''s') NOT NULL DEFAULT 'x', ALGORITHM=COPY, LOCK=SHARED",
    "ALTER TABLE t DROP a, DROP `f g`, ADD a int COMMENT 'again'",
    "ALTER TABLE t ADD g int AS (a + 1) VIRTUAL, ADD h int AS (a + 2) STORED AFTER g",
    "ALTER TABLE t ADD x timestamp NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP, ADD y int DEFAULT (1 + 1)",
    "ALTER TABLE t FORCE",
    "ALTER TABLE t MAX_ROWS=1000, COMMENT 'q'",
    "ALTER TABLE t ORDER BY a, b",
    "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES t (id) ON DELETE SET NULL ON UPDATE CASCADE",
    "ALTER TABLE t ADD `add` int, ADD `key` int",
    "CREATE UNIQUE INDEX w USING BTREE ON t (a, id)",
    "CREATE UNIQUE INDEX w ON t (id, d) COMMENT 'x'",
    "CREATE INDEX w ON t (a)",
    "/*!50003 ALTER TABLE t ADD x int */",
    "ALTER /* gh-ost */ TABLE /* it's */ `t` ADD -- it's\n x int # it's\n, ADD y int",
    "ALTER TABLE t ADD x int DEFAULT '5', ADD y char(3) DEFAULT \"q\", ADD z date DEFAULT '2024-01-01'",
    # All at once: columns by their names before.
    "ALTER TABLE t RENAME COLUMN a TO `f g`, RENAME COLUMN `f g` TO a",
    "ALTER TABLE t CHANGE a b int, CHANGE b a varchar(10)",
    "ALTER TABLE t RENAME COLUMN a TO `f g`, RENAME COLUMN `f g` TO h",
    "ALTER TABLE t CHANGE a `f g` int UNSIGNED, DROP COLUMN `f g`",
    "ALTER TABLE t RENAME COLUMN id TO a, RENAME COLUMN a TO id, ADD x int AFTER a",
    "ALTER TABLE t ADD x int AFTER z, CHANGE a z int",
    "ALTER TABLE t MODIFY a int AFTER b, MODIFY b varchar(10) AFTER c, ADD y int AFTER b",
    "ALTER TABLE t ADD x varchar(3), ADD (y text), DEFAULT CHARACTER SET sjis",
    "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4, ADD x varchar(3) CHARACTER SET latin1, ADD y text",
    # Keys.
    "ALTER TABLE t MODIFY d enum('x') NULL",
    "ALTER TABLE t ADD x int NOT NULL, ADD UNIQUE (x), DROP PRIMARY KEY, ADD PRIMARY KEY (x)",
    "ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b(3))",
    # Constants.
    "ALTER TABLE t MODIFY d enum(0x78,x'79','z',b'01100001') NOT NULL, ADD s set(0x61,'b')",
    "ALTER TABLE t ADD x decimal(9,4) DEFAULT .5, ADD y decimal(9,4) DEFAULT 1e-2, ADD z double DEFAULT -1.5e+10",
    "ALTER TABLE t ADD y nchar varchar(3), ADD z int NOT NULL NULL",
]
ALTERS_OF = {
    "mysql": [
        "ALTER TABLE t ADD x int, ALGORITHM=INSTANT",
        "ALTER TABLE t ALTER COLUMN a SET INVISIBLE",
        "ALTER TABLE t ADD j json, ADD v vector(5)",
        "ALTER TABLE t ALTER INDEX k INVISIBLE, ADD UNIQUE w ((a + 1))",
        "ALTER TABLE t MODIFY a int DEFAULT 3 VISIBLE",
    ],
    "mariadb": [
        "ALTER IGNORE TABLE t ADD x int",
        "ALTER TABLE t WAIT 5 ADD x int",
        "ALTER TABLE IF EXISTS t ADD COLUMN IF NOT EXISTS a int, ADD COLUMN IF NOT EXISTS x int",
        "ALTER TABLE t DROP COLUMN IF EXISTS q, DROP IF EXISTS b",
        "ALTER TABLE t MODIFY COLUMN IF EXISTS q int, CHANGE IF EXISTS a z int",
        "ALTER TABLE t ADD j json, ADD u uuid",
        "ALTER TABLE t ADD x date DEFAULT DATE'2024-01-01'",
        "ALTER TABLE t RENAME COLUMN IF EXISTS q TO r, DROP a, ADD COLUMN IF NOT EXISTS a int",
        "ALTER TABLE t ADD INDEX IF NOT EXISTS k (a), ADD UNIQUE IF NOT EXISTS u (d)",
        "ALTER ONLINE TABLE t ADD x int NOT NULL DEFAULT 5, LOCK=NONE",
    ],
}


class Database:
    """A database of a test's own, in latin1; the table ``t`` of it as the catalogue has it."""

    def __init__(self, server, kind) -> None:
        self.server = server
        self.mariadb = kind == "mariadb"
        self.name = f"v_ddl_{uuid.uuid4().hex[:10]}"
        self._resources = contextlib.ExitStack()
        server.execute(f"CREATE DATABASE {self.name} CHARACTER SET latin1")
        self._session = self._resources.enter_context(contextlib.closing(server.connect(self.name)))
        self.catalog = self._resources.enter_context(contextlib.closing(connect(MysqlConfig(url=server.address), "v")))
        self.sql("SET sql_mode = ''")

    def sql(self, statement):
        with self._session.cursor() as cursor:
            cursor.execute(statement)

    def table(self):
        name = TableId(self.name, "t")
        return read_tables(self.catalog, [name])[name]

    def parsed(self, statement):
        return parse(statement, self.name, mariadb=self.mariadb)

    def close(self):
        self._resources.close()
        self.server.execute(f"DROP DATABASE {self.name}")


def each(shared, own):
    """Kind of server and statement: those of both, then each one's own."""
    return [(kind, statement) for kind in ("mysql", "mariadb") for statement in (*shared, *own[kind])]


@pytest.fixture(scope="module")
def databases(stack):
    made = {kind: Database(getattr(stack, kind), kind) for kind in ("mysql", "mariadb")}
    yield made
    for database in made.values():
        database.close()


def comparable(definition):
    """With decoded defaults: the server prints some otherwise than they were written."""
    defaults = [constant_default(column, logical(column, OPTIONS), OPTIONS) for column in definition.columns]
    columns = tuple(replace(column, default=None) for column in definition.columns)
    return replace(definition, columns=columns), defaults


@pytest.mark.parametrize("kind", ["mysql", "mariadb"])
def test_tables_whose_names_differ_little_have_each_its_own_columns_and_keys(databases, kind):
    database = databases[kind]
    names = ["Tabelle", "tabelle", "täbelle"]
    for column, name in zip("abc", names, strict=True):
        database.sql(f"CREATE TABLE `{name}` (`{column}1` int, `{column}2` int PRIMARY KEY, `{column}3` int)")
    found = read_tables(database.catalog, [TableId(database.name, name) for name in names])

    assert {table.name: [column.name for column in one.columns] for table, one in found.items()} == {
        name: [f"{column}1", f"{column}2", f"{column}3"] for column, name in zip("abc", names, strict=True)
    }
    assert {table.name: one.primary_key for table, one in found.items()} == {
        name: (f"{column}2",) for column, name in zip("abc", names, strict=True)
    }


@pytest.mark.parametrize(("kind", "title"), each(CREATES, CREATES_OF))
def test_a_table_is_what_its_create_statement_says(databases, kind, title):
    database, statement = databases[kind], {**CREATES, **CREATES_OF[kind]}[title]
    database.sql("DROP TABLE IF EXISTS t")
    database.sql(statement)

    ours = database.parsed(statement).build("latin1")

    real = database.table()
    assert comparable(replace(ours, engine=real.engine)) == comparable(real)


@pytest.mark.parametrize(("kind", "statement"), each(ALTERS, ALTERS_OF))
def test_a_table_is_what_alter_statements_make_of_it(databases, kind, statement):
    database = databases[kind]
    database.sql("DROP TABLE IF EXISTS t")
    database.sql(BEGIN)
    before = database.table()
    database.sql(statement)

    ours = database.parsed(statement).apply(before)

    assert comparable(ours) == comparable(database.table())
