import hashlib
import http.server
import threading

import pytest
import torch

from harness.api import WeightsError, WeightsFile
from harness.scoring.weights import Weights, load_state

CONTENT = bytes(range(256)) * 2000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
NAME = f"net-{DIGEST[:8]}.pth"


@pytest.fixture
def server(monkeypatch):
    """A server on this machine that knows ranges; ``asked`` collects them, ``content`` may be changed."""

    class Handler(http.server.BaseHTTPRequestHandler):
        content = CONTENT
        knows_ranges = True
        asked: list[str] = []

        def do_GET(self):
            asked = self.headers["Range"] or ""
            self.asked.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-") or 0) if self.knows_ranges else 0
            if start > len(self.content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(self.content) - start))
            self.end_headers()
            self.wfile.write(self.content[start:])

        def log_message(self, *args):
            pass

    monkeypatch.setenv("NO_PROXY", "*")
    Handler.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        Handler.url = f"http://127.0.0.1:{running.server_port}/{NAME}"
        yield Handler
        running.shutdown()
        thread.join()


def file(url=""):
    return WeightsFile(name=NAME, sha256=DIGEST[:8], url=url)


def test_a_file_that_the_user_names_may_have_any_name(tmp_path):
    mine = tmp_path / "inception (2).pth"
    mine.write_bytes(CONTENT)
    weights = Weights(tmp_path / "cache", given=(mine,), online=False)
    assert weights.find(file()) == mine


def test_a_folder_and_the_cache_are_searched_by_name(tmp_path):
    (tmp_path / NAME).write_bytes(CONTENT)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert Weights(elsewhere, given=(tmp_path,)).find(file()) == tmp_path / NAME
    assert Weights(tmp_path, given=(elsewhere,)).find(file()) == tmp_path / NAME


def test_a_truncated_or_foreign_file_is_an_error_and_not_a_download(tmp_path, server):
    mine = tmp_path / "mine.pth"
    mine.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match=r"mine\.pth is not net-"):
        Weights(tmp_path / "cache", given=(mine,)).find(file(server.url))
    damaged = tmp_path / NAME
    damaged.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match="is not net-"):
        Weights(tmp_path).find(file(server.url))
    assert server.asked == []


def test_a_path_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(WeightsError, match="no weights at"):
        Weights(tmp_path, given=(tmp_path / "typo.pth",), online=False).find(file())


def test_offline_says_what_to_type(tmp_path):
    with pytest.raises(WeightsError) as caught:
        Weights(tmp_path / "cache", online=False).find(file("https://example.org/x"))
    assert "https://example.org/x" in caught.value.hint
    assert "--weights PATH" in caught.value.hint
    assert str(tmp_path / "cache") in caught.value.hint
    assert Weights(tmp_path / "cache").present(file()) is None


def test_download_is_verified_complete_and_leaves_nothing_else(tmp_path, server):
    found = Weights(tmp_path).find(file(server.url))
    assert found.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == [NAME]
    assert Weights(tmp_path, online=False).find(file(server.url)) == found
    assert server.asked == [""]


def test_download_tells_its_progress(tmp_path, server):
    told = []
    Weights(tmp_path, progress=lambda *step: told.append(step)).find(file(server.url))
    assert told[-1] == (NAME, len(CONTENT), len(CONTENT))


def test_a_download_goes_on_where_it_was_cut(tmp_path, server):
    part = tmp_path / f".{NAME}.part"
    part.write_bytes(CONTENT[:1000])
    assert Weights(tmp_path).find(file(server.url)).read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


def test_a_whole_part_needs_no_download(tmp_path, server):
    (tmp_path / f".{NAME}.part").write_bytes(CONTENT)
    assert Weights(tmp_path).find(file(server.url)).read_bytes() == CONTENT
    assert server.asked == []


@pytest.mark.parametrize("garbage", [b"not the beginning", CONTENT + b"too long"])
def test_a_part_of_something_else_is_started_again(tmp_path, server, garbage):
    (tmp_path / f".{NAME}.part").write_bytes(garbage)
    assert Weights(tmp_path).find(file(server.url)).read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_is_no_trap(tmp_path, server):
    server.knows_ranges = False
    (tmp_path / f".{NAME}.part").write_bytes(CONTENT[:1000])
    assert Weights(tmp_path).find(file(server.url)).read_bytes() == CONTENT


def test_another_file_under_that_address_is_refused_and_removed(tmp_path, server):
    server.content = CONTENT[::-1]
    with pytest.raises(WeightsError, match="is not what it should be"):
        Weights(tmp_path).find(file(server.url))
    assert not (tmp_path / NAME).exists()
    assert not (tmp_path / f".{NAME}.part").exists()


def test_no_network_is_the_users_error(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(WeightsError, match="can't be downloaded"):
        Weights(tmp_path).find(file("http://127.0.0.1:9/nobody"))


def test_two_at_once_download_once(tmp_path, server):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(Weights(tmp_path).find(file(server.url))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [tmp_path / NAME] * 3
    assert len(server.asked) == 1


def test_only_tensors_by_name_are_weights(tmp_path):
    path = tmp_path / NAME
    torch.save({"a": torch.ones(2)}, path)
    assert load_state(path, file())["a"].sum() == 2
    torch.save([1, 2], path)
    with pytest.raises(WeightsError):
        load_state(path, file())
    path.write_bytes(b"garbage")
    with pytest.raises(WeightsError, match="cannot be read"):
        load_state(path, file())
