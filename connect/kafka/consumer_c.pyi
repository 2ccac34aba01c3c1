from typing import Any

def take(
    messages: list[Any], assigned: dict[Any, Any], raw: type, records: list[Any], next_offsets: dict[Any, int]
) -> tuple[int, int]: ...
