import io

from rich.console import Console

from connect.local.progress import Bars, Lines


def test_lines_say_when_a_download_starts_and_ends():
    said = []

    with Lines(said.append).bar("Kafka 4.3.1", 45_000_000) as advance:
        advance(45_000_000)

    assert said == ["Kafka 4.3.1: downloading 45 MB", "Kafka 4.3.1: downloaded"]


def test_bars_on_a_terminal_show_title_and_size():
    screen = io.StringIO()
    bars = Bars(Console(file=screen, force_terminal=True, width=120))

    with bars.bar("Kafka 4.3.1", 45_000_000) as advance:
        advance(45_000_000)
    bars.say("ready")

    assert "Kafka 4.3.1" in screen.getvalue()
    assert "45.0/45.0 MB" in screen.getvalue()
    assert screen.getvalue().endswith("ready\n")
