"""Downloads from a server on this machine that breaks connections, refuses and changes files."""

import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from mrinb.cli import app
from mrinb.data.convert import fetch, places
from mrinb.data.convert.fetch import Remote, download
from mrinb.errors import MrinbError

CONTENT = bytes(range(256)) * 4096  # 1 MiB


class Server(ThreadingHTTPServer):
    """Files by path; each answer may stop after ``drop`` bytes."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {}
        self.drop = None
        self.drops_left = 0
        self.ranges = True
        self.requests = []
        self.status = 200

    @property
    def home(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        server, asked = self.server, self.headers.get("Range")
        server.requests.append((self.path, asked))
        content = server.files.get(urlsplit(self.path).path)
        if content is None or server.status != 200:
            self.send_response(server.status if content is not None else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start = 0
        if asked and server.ranges and self.headers.get("If-Range", tag) == tag:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked).group(1))
        if start >= len(content) and start:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if not body:
            return
        part = content[start:]
        if server.drop is not None and server.drops_left:
            server.drops_left -= 1
            self.wfile.write(part[: server.drop])
            self.close_connection = True
            return
        self.wfile.write(part)


@pytest.fixture
def server(monkeypatch):
    found = Server()
    thread = threading.Thread(target=found.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    monkeypatch.setattr(fetch, "WAIT_S", 0.0)
    monkeypatch.setattr(fetch, "TRIES", 3)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def remote(server, checksum=True, name="a.h5"):
    server.files[f"/{name}"] = CONTENT
    digits = f"md5:{hashlib.md5(CONTENT).hexdigest()}" if checksum else None
    return Remote(name, f"{server.home}/{name}", len(CONTENT), digits)


@pytest.mark.parametrize("checksum", [True, False])
def test_dropped_connections_are_gone_on_with(tmp_path, server, checksum):
    server.drop, server.drops_left = 200_000, 5
    file = remote(server, checksum)
    assert download([file], tmp_path, progress=False) == (1, 0, [])
    assert (tmp_path / "a.h5").read_bytes() == CONTENT
    starts = [int(asked[6:-1]) for _, asked in server.requests if asked]
    assert len(starts) == 5
    assert starts == sorted(set(starts))
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_a_later_run_goes_on_where_the_first_gave_up(tmp_path, server):
    server.drop, server.drops_left = 300_000, 1
    file = remote(server)

    def refuse(*_):
        raise fetch.requests.ConnectionError("no network")

    get, calls = fetch.requests.get, []

    def once(*arguments, **options):
        calls.append(1)
        return get(*arguments, **options) if len(calls) == 1 else refuse()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch.requests, "get", once)
        done = download([file], tmp_path, progress=False)
    assert (done.fetched, done.kept) == (0, 0)
    assert done.problems[0].startswith("a.h5: could not be fetched")
    assert not (tmp_path / "a.h5").exists()
    part = (tmp_path / ".a.h5.part").stat().st_size
    assert 0 < part < len(CONTENT)
    assert download([file], tmp_path, progress=False) == (1, 0, [])
    assert server.requests[-1][1] == f"bytes={part}-"
    assert (tmp_path / "a.h5").read_bytes() == CONTENT


def test_a_server_without_ranges_begins_anew(tmp_path, server):
    server.ranges = False
    file = remote(server)
    (tmp_path / ".a.h5.part").write_bytes(b"half of another file")
    assert download([file], tmp_path, progress=False) == (1, 0, [])
    assert (tmp_path / "a.h5").read_bytes() == CONTENT


def test_a_file_that_changed_on_the_server_begins_anew(tmp_path, server):
    file = remote(server, checksum=False)
    (tmp_path / ".a.h5.part").write_bytes(b"x" * 1000)
    (tmp_path / ".a.h5.tag").write_text('"the tag of the older file"')
    assert download([file], tmp_path, progress=False) == (1, 0, [])
    assert (tmp_path / "a.h5").read_bytes() == CONTENT


@pytest.mark.parametrize("extra", [0, 10])
def test_a_part_as_long_as_the_file_or_longer(tmp_path, server, extra):
    file = remote(server)
    (tmp_path / ".a.h5.part").write_bytes(CONTENT + b"x" * extra)
    assert download([file], tmp_path, progress=False) == (1, 0, [])
    assert (tmp_path / "a.h5").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing_and_the_rest_is_fetched(tmp_path, server):
    good, bad = remote(server), remote(server, name="b.h5")._replace(checksum="md5:" + "0" * 32)
    done = download([bad, good], tmp_path, progress=False)
    assert (done.fetched, done.kept) == (1, 0)
    assert done.problems == [
        "b.h5: its checksum is not the published one: what came was thrown away"
    ]
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_files_that_are_there_are_kept(tmp_path, server):
    file = remote(server)
    download([file], tmp_path, progress=False)
    server.requests.clear()
    assert download([file], tmp_path, progress=False) == (0, 1, [])
    assert server.requests == []


def test_an_older_file_outlives_a_failed_download(tmp_path, server):
    file = remote(server)
    (tmp_path / "a.h5").write_bytes(b"an older version")
    server.status = 503
    assert download([file], tmp_path, progress=False).problems
    assert (tmp_path / "a.h5").read_bytes() == b"an older version"


def test_a_missing_file_is_not_tried_again(tmp_path, server):
    done = download([Remote("c.h5", f"{server.home}/c.h5")], tmp_path, progress=False)
    assert "404" in done.problems[0]
    assert len(server.requests) == 1


def test_a_disk_without_room_is_said_before(tmp_path):
    huge = Remote("a.h5", "http://127.0.0.1:9/a.h5", 10**18)
    with pytest.raises(MrinbError, match=r"1e\+03 PB|1e\+06 TB|are to be fetched"):
        download([huge], tmp_path, progress=False)


def test_the_list_of_zenodo(server, monkeypatch):
    monkeypatch.setitem(fetch.HOMES, "zenodo", server.home)
    server.files["/8056074"] = (
        b'{"files": [{"key": "M4Raw_train.zip", "size": 12, "checksum": "md5:ab", '
        b'"links": {"self": "http://127.0.0.1/x"}}, {"key": "notes.txt", "size": 1, '
        b'"checksum": "md5:cd", "links": {"self": "http://127.0.0.1/y"}}]}'
    )
    found = fetch.listing(places.offer("m4raw"))
    assert found == [Remote("M4Raw_train.zip", "http://127.0.0.1/x", 12, "md5:ab")]
    said = fetch.describe(places.offer("m4raw"), found)
    assert "1 files, 12 B" in said
    assert "CC BY 4.0" in said


def test_the_list_of_dataverse(server, monkeypatch):
    monkeypatch.setitem(fetch.HOMES, "dataverse", server.home)
    server.files["/datasets/:persistentId/versions/:latest-published/files"] = (
        b'{"data": [{"label": "mp2rageme_001_inv1_te1.h5", "dataFile": {"id": 251145, '
        b'"filesize": 5000000000, "checksum": {"type": "SHA-256", "value": "ab"}}}, '
        b'{"label": "readme.md", "dataFile": {"id": 1, "filesize": 3, "md5": "cd"}}]}'
    )
    found = fetch.listing(places.offer("7T_sag"))
    url = f"{server.home}/access/datafile/251145"
    assert found == [Remote("mp2rageme_001_inv1_te1.h5", url, 5_000_000_000, "sha256:ab")]
    assert server.requests[-1][0].endswith("persistentId=doi%3A10.34894%2FIHZGQM")


@pytest.mark.parametrize(("name", "count"), [("stanford_3d", 19), ("stanford_2d", 89), ("nyu", 98)])
def test_scans_of_mridata_are_those_of_the_papers_lists(server, monkeypatch, name, count):
    monkeypatch.setitem(fetch.HOMES, "mridata", server.home)
    place = places.offer(name)
    first = fetch.splits.table(fetch.splits.SECTION7)
    first = min(first.filename[first.dataset == place.key])
    server.files["/" + first.removesuffix(".h5")] = b"12345"
    found = fetch.listing(place)
    assert len(found) == count
    assert found[0] == Remote(first, f"{server.home}/{first.removesuffix('.h5')}", 5)
    assert found[1].size is None
    assert "at least 5 B" in fetch.describe(place, found)


def test_a_list_with_a_path_for_a_name_is_refused(server, monkeypatch):
    monkeypatch.setitem(fetch.HOMES, "zenodo", server.home)
    server.files["/8056074"] = (
        b'{"files": [{"key": "../../evil.zip", "size": 1, "checksum": "md5:a", '
        b'"links": {"self": "http://127.0.0.1/x"}}]}'
    )
    with pytest.raises(MrinbError, match="not fetched"):
        fetch.listing(places.offer("m4raw"))


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'{"files": [{}]}'])
def test_a_home_that_gives_no_list(server, monkeypatch, answer):
    monkeypatch.setitem(fetch.HOMES, "zenodo", server.home)
    server.files["/8056074"] = answer
    with pytest.raises(MrinbError, match="gave no list of files"):
        fetch.listing(places.offer("m4raw"))


@pytest.mark.parametrize(
    "name", ["fastmri_knee", "fastMRI brain", "skm-tea", "cc-359", "cc-359_ax"]
)
def test_closed_datasets_say_where_to_ask(name):
    with pytest.raises(MrinbError, match=r"cannot be fetched: .* at .*\."):
        fetch.listing(places.offer(name))


def test_every_converter_has_a_place():
    from mrinb.data.convert import CONVERTERS

    assert {c.family for c in CONVERTERS.values()} == set(places.PLACES) - {"fastmri-plus"}


def test_the_annotations_are_those_that_we_have(tmp_path, server, monkeypatch):
    from places import SHARED  # tests/helpers

    folder = SHARED / "fastmri-plus"
    if not folder.exists():
        pytest.skip("the annotations are not here")
    monkeypatch.setitem(fetch.HOMES, "github", server.home)
    for file in fetch.listing(places.offer("fastmri-plus")):
        server.files[urlsplit(file.url).path] = (folder / file.name).read_bytes()
    found = fetch.listing(places.offer("fastmri-plus"))
    assert download(found, tmp_path, progress=False) == (2, 0, [])


def test_the_command_asks_first(tmp_path, server, monkeypatch):
    monkeypatch.setitem(fetch.HOMES, "zenodo", server.home)
    server.files["/8056074"] = (
        b'{"files": [{"key": "a.zip", "size": 1048576, "checksum": "md5:%s", '
        b'"links": {"self": "%s/a.zip"}}]}'
        % (hashlib.md5(CONTENT).hexdigest().encode(), server.home.encode())
    )
    server.files["/a.zip"] = CONTENT
    call = ["data", "fetch", "m4raw", str(tmp_path / "new")]
    refused = CliRunner().invoke(app, call, input="n\n")
    assert refused.exit_code == 1
    assert "1.05 MB" in refused.output
    assert not (tmp_path / "new").exists()
    done = CliRunner().invoke(app, [*call, "--yes"])
    assert done.exit_code == 0
    assert "1 files fetched, 0 were there" in done.output


def test_archives_of_m4raw_that_are_of_use(server, monkeypatch):
    monkeypatch.setitem(fetch.HOMES, "zenodo", server.home)
    names = ["M4Raw_multicoil_train.zip", "M4Raw_GRE.zip", "M4Raw_motion.zip", "README.md"]
    entry = '{"key": "%s", "size": 1, "checksum": "md5:a", "links": {"self": "http://127.0.0.1/"}}'
    listed = ", ".join(entry % name for name in names)
    server.files["/8056074"] = f'{{"files": [{listed}]}}'.encode()
    assert [f.name for f in fetch.listing(places.offer("m4raw"))] == names[:1]
    assert [f.name for f in fetch.listing(places.offer("m4raw_gre"))] == names[1:2]
    with pytest.raises(MrinbError, match=r"no file of use matches 'x\*'; there are M4Raw_multi"):
        fetch.listing(places.offer("m4raw"), "x*")
