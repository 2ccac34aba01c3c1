"""What types there are: the built-in ones by heart, the database's own ones from its catalog."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOMAIN_DEPTH = 64  # domains over domains; the server makes no cycle, a broken catalog might


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """One row of ``pg_type``, as far as values depend on it.

    Attributes:
        oid: Its OID, which columns name.
        schema: Its namespace.
        name: Its name.
        typtype: b base, c composite, d domain, e enum, m multirange, p pseudo, r range.
        element_oid: The element of an array type, 0 for others.
        base_oid: What a domain is made of, with ``base_typmod``; 0 for others.
        base_typmod: Length, precision or scale that the domain sets; -1 for none.
        delimiter: What stands between elements in the text of arrays of this type.
        toastable: Whether values may be stored out of line, so that an UPDATE can leave them out (F22).
        labels: An enum's labels in sort order.
    """

    oid: int
    schema: str
    name: str
    typtype: str = "b"
    element_oid: int = 0
    base_oid: int = 0
    base_typmod: int = -1
    delimiter: str = ","
    toastable: bool = True
    labels: tuple[str, ...] = ()


class TypeCatalog(Mapping[int, TypeInfo]):
    """OID → type. Immutable; a fresh one knows all built-in types without a server."""

    def __init__(self, types: Iterable[TypeInfo] = ()) -> None:
        self._types: dict[int, TypeInfo] = dict(_BUILT_IN)
        self._types.update((info.oid, info) for info in types)

    def __getitem__(self, oid: int) -> TypeInfo:
        return self._types[oid]

    def __iter__(self) -> Iterator[int]:
        return iter(self._types)

    def __len__(self) -> int:
        return len(self._types)

    @classmethod
    def from_rows(cls, rows: Iterable[tuple[Any, ...]]) -> TypeCatalog:
        """The catalog of a database from the rows of ``CATALOG_SQL``, as psycopg gives them."""
        return cls(TypeInfo(*(*row[:-1], tuple(row[-1] or ()))) for row in rows)

    def with_types(self, types: Iterable[TypeInfo]) -> TypeCatalog:
        """This catalog and these types, which replace those of the same OID (F28)."""
        own = (info for oid, info in self._types.items() if _BUILT_IN.get(oid) is not info)
        return TypeCatalog((*own, *types))

    def with_type_message(self, oid: int, schema: str, name: str) -> TypeCatalog:
        """This catalog and a type of which only the log's Type message is known, since it was dropped meanwhile.

        A domain comes under the name of its base type (types.md A2): a built-in one makes a domain over it. What the
        catalog knows already is kept.
        """
        if oid in self._types:
            return self
        base = _BUILT_IN_BY_NAME.get(name, 0) if schema == "pg_catalog" else 0
        return self.with_types([TypeInfo(oid, schema, name, "d" if base else "b", base_oid=base)])

    def root(self, oid: int, typmod: int) -> tuple[TypeInfo | None, int]:
        """The type under all domains, with the typmod that holds for it; None for a type that nobody knows.

        A column of a domain has no typmod of its own: the domain's counts (types.md A2).
        """
        info = self._types.get(oid)
        for _ in range(_DOMAIN_DEPTH):
            if info is None or info.typtype != "d":
                break
            typmod = info.base_typmod
            info = self._types.get(info.base_oid)
        return info, typmod


# Types of tables (every table has one) are left out unless some column is of them; there can be very many.
CATALOG_SQL: Final = """
SELECT t.oid::int8,
       n.nspname::text,
       t.typname::text,
       t.typtype::text,
       CASE WHEN t.typcategory = 'A' AND t.typlen = -1 THEN t.typelem ELSE 0 END::int8,
       t.typbasetype::int8,
       t.typtypmod,
       t.typdelim::text,
       t.typlen = -1 AND t.typstorage <> 'p',
       (SELECT array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
          FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_type element ON element.oid = t.typelem AND t.typcategory = 'A'
  LEFT JOIN pg_catalog.pg_class c ON c.oid = coalesce(nullif(t.typrelid, 0), element.typrelid)
 WHERE t.oid >= 10000
   AND t.typisdefined
   AND (c.oid IS NULL OR c.relkind = 'c' OR t.oid IN (SELECT a.atttypid FROM pg_catalog.pg_attribute a))
"""

# OID, name, OID of the array type (0: none); read from PostgreSQL 15 and 18, whose built-in types are the same.
_FIXED: Final = """
16 bool 1000 | 18 char 1002 | 19 name 1003 | 20 int8 1016 | 21 int2 1005 | 22 int2vector 1006 | 23 int4 1007
24 regproc 1008 | 26 oid 1028 | 27 tid 1010 | 28 xid 1011 | 29 cid 1012 | 30 oidvector 1013 | 600 point 1017
601 lseg 1018 | 603 box 1020 | 628 line 629 | 700 float4 1021 | 701 float8 1022 | 718 circle 719 | 774 macaddr8 775
790 money 791 | 829 macaddr 1040 | 1033 aclitem 1034 | 1082 date 1182 | 1083 time 1183 | 1114 timestamp 1115
1184 timestamptz 1185 | 1186 interval 1187 | 1266 timetz 1270 | 2202 regprocedure 2207 | 2203 regoper 2208
2204 regoperator 2209 | 2205 regclass 2210 | 2206 regtype 2211 | 2950 uuid 2951 | 3220 pg_lsn 3221 | 3615 tsquery 3645
3642 gtsvector 3644 | 3734 regconfig 3735 | 3769 regdictionary 3770 | 4089 regnamespace 4090 | 4096 regrole 4097
4191 regcollation 4192 | 5069 xid8 271
"""
_TOASTABLE: Final = """
17 bytea 1001 | 25 text 1009 | 114 json 199 | 142 xml 143 | 194 pg_node_tree 0 | 602 path 1019 | 604 polygon 1027
650 cidr 651 | 869 inet 1041 | 1042 bpchar 1014 | 1043 varchar 1015 | 1560 bit 1561 | 1562 varbit 1563
1700 numeric 1231 | 1790 refcursor 2201 | 2970 txid_snapshot 2949 | 3361 pg_ndistinct 0 | 3402 pg_dependencies 0
3614 tsvector 3643 | 3802 jsonb 3807 | 4072 jsonpath 4073 | 4600 pg_brin_bloom_summary 0
4601 pg_brin_minmax_multi_summary 0 | 5017 pg_mcv_list 0 | 5038 pg_snapshot 5039
"""
_RANGES: Final = """
3904 int4range 3905 | 3906 numrange 3907 | 3908 tsrange 3909 | 3910 tstzrange 3911 | 3912 daterange 3913
3926 int8range 3927
"""
_MULTIRANGES: Final = """
4451 int4multirange 6150 | 4532 nummultirange 6151 | 4533 tsmultirange 6152 | 4534 tstzmultirange 6153
4535 datemultirange 6155 | 4536 int8multirange 6157
"""


def _built_in(table: str, typtype: str, *, toastable: bool) -> Iterator[TypeInfo]:
    for entry in table.replace("|", "\n").strip().splitlines():
        oid, name, array_oid = entry.split()
        delimiter = ";" if name == "box" else ","
        yield TypeInfo(int(oid), "pg_catalog", name, typtype, delimiter=delimiter, toastable=toastable)
        if array_oid != "0":
            yield TypeInfo(int(array_oid), "pg_catalog", f"_{name}", element_oid=int(oid))


_BUILT_IN: Final[dict[int, TypeInfo]] = {
    info.oid: info
    for table, typtype, toastable in (
        (_FIXED, "b", False),
        (_TOASTABLE, "b", True),
        (_RANGES, "r", True),
        (_MULTIRANGES, "m", True),
    )
    for info in _built_in(table, typtype, toastable=toastable)
}
_BUILT_IN_BY_NAME: Final = {info.name: oid for oid, info in _BUILT_IN.items()}
