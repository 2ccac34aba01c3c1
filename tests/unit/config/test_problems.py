"""What is said of names that nobody knows."""

from connect.config.problems import nearest


def test_of_hundreds_of_names_none_of_which_is_near_some_are_named():
    told = nearest("zzz", [f"public.module_{n:03}" for n in range(300)])
    assert told.endswith("public.module_019 and 280 more")


def test_of_a_few_names_all_are_named():
    assert nearest("zzz", ["b", "a"]) == "known are a, b"
