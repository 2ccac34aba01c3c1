"""``connect run FILE`` that believes every connector its own, whatever its consumer group would say."""

import sys
from typing import Any

from connect.cli import worker
from connect.cli.main import main
from connect.runtime.membership import Alone


def lie(*_: Any, **__: Any) -> Alone:
    return Alone()


if __name__ == "__main__":
    worker.GroupMembership = lie  # type: ignore[misc, assignment] - it lies
    main(["run", sys.argv[1]])
