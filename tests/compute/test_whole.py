import pytest

from mrinb.compute.whole import written
from mrinb.errors import MrinbError


def test_a_file_takes_its_place_only_when_all_went_well(tmp_path):
    path = tmp_path / "new" / "page.html"
    with written(path) as part:
        part.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"
    for error, told in ((OSError(28, "No space left on device"), MrinbError), (KeyError, KeyError)):
        with pytest.raises(told), written(path) as part:
            part.write_text("second")
            raise error
        assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "page.html"
    with pytest.raises(MrinbError, match=r"page\.html: cannot be written"), written(path):
        pass
