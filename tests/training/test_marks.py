"""Names and numbers of an answer, and those that its notes do not have."""

import pytest

from training.marks import marks, strangers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The hall is closed. Nobody asked Ngozi about it.", {"ngozi"}),
        ("It costs 4,120 and starts at 9:50.", {"4,120", "9:50"}),
        ("- Hye-jin: order the lamp by Friday", {"friday"}),
        ("- Bao: order the lamp\n- Nobody yet: paint it", {"bao"}),
        ("Nothing is decided yet.", set()),
    ],
)
def test_marks_are_numbers_and_capitals_inside_a_sentence(text, expected):
    assert marks(text) == expected


def test_a_name_in_lower_case_in_the_notes_is_no_stranger():
    notes = "[10:02] farouk: i do the 3 lamps\n[10:03] ok"
    assert strangers("It is clear that Farouk does the 3 lamps.", notes) == set()
    assert strangers("It is clear that Miriam does the 4 lamps.", notes) == {"miriam", "4"}


def test_a_day_or_number_in_another_spelling_is_no_stranger():
    notes = "Radek checks the bolts Wed, two evenings, report by 6 Dec."
    assert strangers("It is Wednesday, 2 evenings, and 6 December.", notes) == set()
    assert strangers("It is Thursday, 3 evenings, and 6 March.", notes) == {
        "thursday",
        "3",
        "march",
    }
