"""The built-in transforms by the word that names them in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from connect.transforms import filter as filter_
from connect.transforms import mask, projection, python, route

if TYPE_CHECKING:
    from collections.abc import Callable

    from connect.api.transform import Transform
    from connect.config.fields import Model
    from connect.transforms.facts import Facts


class Builtin(NamedTuple):
    """The options of a transform, and what makes it for one table or topic."""

    options: type[Model]
    build: Callable[[Any, Facts], Transform]


BUILTIN: Final = {
    "filter": Builtin(filter_.Condition, filter_.build),
    "route": Builtin(route.Target, route.build),
    "keep": Builtin(projection.Fields, projection.keep),
    "drop": Builtin(projection.Fields, projection.drop),
    "rename": Builtin(projection.Names, projection.rename),
    "mask": Builtin(mask.Masks, mask.mask),
    "python": Builtin(python.Call, python.build),
}
