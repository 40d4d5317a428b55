import pytest

from mrinb import parameters
from mrinb.errors import MrinbError

CELL = 'profile: str = "quick"  # sizes\nepochs: int = 0\nrate: float = 1.0\n'


def namespace(*cells, **values):
    return {"In": ["", CELL, *cells], "profile": "quick", "epochs": 0, "rate": 1.0, **values}


def test_declared_parameters_are_read():
    assert parameters.read(namespace(), {}) == {"profile": "quick", "epochs": 0, "rate": 1.0}


def test_injected_parameter_replaces_the_default():
    injected = "# Parameters\nepochs = 3\n"
    assert parameters.read(namespace(injected, epochs=3), {})["epochs"] == 3


def test_injected_but_undeclared_parameter_is_named_with_the_nearest():
    with pytest.raises(MrinbError, match=r"unknown parameter 'epoch': did you mean epochs\?"):
        parameters.read(namespace("# Parameters\nepoch = 3\n", epoch=3), {})


def test_assignments_of_other_cells_are_not_parameters():
    assert "other" not in parameters.read(namespace("other = 3", other=3), {})


def test_cells_that_are_not_python_are_passed_over():
    assert parameters.read(namespace("!ls\n%time x"), {})["profile"] == "quick"


@pytest.mark.parametrize(
    ("name", "value", "type_name"),
    [
        ("epochs", "3", "int"),
        ("epochs", True, "int"),
        ("epochs", 1.0, "int"),
        ("rate", "x", "float"),
    ],
)
def test_wrong_types_are_one_line(name, value, type_name):
    with pytest.raises(MrinbError, match=f"parameter {name} = .*type {type_name}") as caught:
        parameters.check(name, value, type_name)
    assert "\n" not in str(caught.value)


def test_a_whole_number_serves_as_a_float():
    assert parameters.check("rate", 2, "float") == 2.0
