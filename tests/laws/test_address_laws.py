"""Laws of Modbus addresses: a number of a manual, in whichever notation, is one register of one table."""

from hypothesis import given
from hypothesis import strategies as st

from adapters.settings import Table
from mes.config.addresses import Mistake, registers

DIGITS = {Table.DISCRETE: 1, Table.INPUT: 3, Table.HOLDING: 4}


@st.composite
def manual_numbers(draw: st.DrawFn) -> tuple[object, Table, int]:
    """A number as a manual prints it, with its table and the address on the wire."""
    table = draw(st.sampled_from(sorted(DIGITS)))
    register = draw(st.integers(1, 65536))
    digit, notations = DIGITS[table], [f"{DIGITS[table]}{register:05}"]
    notations += [f"{digit}{register:04}"] if register <= 9999 else []
    notations += [f"{digit}{x}{register:0{width}}" for x in "xX" for width in range(1, 7)]
    said = draw(st.sampled_from(notations))
    number = int(said) if said.isdecimal() and draw(st.booleans()) else said
    return number, table, register - 1


@given(printed=manual_numbers(), names_table=st.booleans())
def test_every_notation_of_a_manual_is_its_register(printed: tuple[object, Table, int], names_table: bool) -> None:
    """Five or six digits, or with an x, as a number or in quotes: table and address are those of the manual."""
    number, table, address = printed
    given_table = {"table": table} if names_table else {}

    assert registers({"address": number, **given_table}, "manual") == {"table": table, "address": address} or (
        names_table and registers({"address": number, **given_table}, "manual") == {"address": address}
    )


@given(printed=manual_numbers())
def test_on_the_wire_a_number_of_a_manual_is_refused_with_its_register(printed: tuple[object, Table, int]) -> None:
    """What can be no address of the wire is named with table and address; what can be one is taken as it stands."""
    number, table, address = printed
    found = registers({"address": number}, "wire")
    if isinstance(number, int) and number <= 65535:
        assert found == {"address": number}
    else:
        assert isinstance(found, Mistake)
        assert f"table {table}, address {address};" in found.remedy
