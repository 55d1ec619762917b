"""What holds for every answer: headers, hosts, and a page that needs nothing from anywhere else."""

import gzip
import re
from pathlib import Path

import msgspec
import pytest

from nodes.ops.console.guard import POLICY, host_in, is_loopback
from nodes.ops.console.page import FOLDER, SECTIONS
from tests.ops.browser import CHEAP, HOST, Place, in_place

FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file())
OWN = [path for path in FILES if "vendor" not in path.parts]


def test_every_answer_tells_the_browser_to_run_nothing_foreign(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        browser = place.browser()
        for path in ("/", "/nodes/scene.1", "/page/js/main.js", "/api/me", "/nonsense"):
            headers = (await browser.get(path)).headers
            assert headers["content-security-policy"] == POLICY, path
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
        assert "unsafe" not in POLICY
        assert "http" not in POLICY

    in_place(tmp_path, work)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7990", "127.0.0.1.evil.example", "", "[", "10.0.0.1"])
def test_a_foreign_name_that_points_here_gets_nothing(tmp_path: Path, host: str) -> None:
    async def work(place: Place) -> None:
        answer = await place.browser(host=host).get("/")
        assert (answer.status, answer.said["code"]) == (421, "not_allowed")

    in_place(tmp_path, work)


@pytest.mark.parametrize("host", [HOST, "localhost:7990", "[::1]:7990", "127.0.0.1", "ops.example"])
def test_known_names_are_let_in(tmp_path: Path, host: str) -> None:
    async def work(place: Place) -> None:
        assert (await place.browser(host=host).get("/")).status == 200

    in_place(tmp_path, work, msgspec.structs.replace(CHEAP, hosts=["Ops.Example"]))


def test_a_console_that_is_not_local_is_called_as_one_likes_unless_it_says_otherwise(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        assert (await place.browser(host="anything:1").get("/")).status == 200

    in_place(tmp_path, work, msgspec.structs.replace(CHEAP, host="10.1.2.3"))


def test_names_in_headers() -> None:
    assert host_in("[::1]:80") == "::1"
    assert host_in("A.B:1") == "a.b"
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example")] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_the_page_is_packed_and_kept_as_long_as_it_is_the_same(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        browser = place.browser()
        plain = await browser.get("/page/js/main.js")
        assert plain.headers["content-type"] == "text/javascript; charset=utf-8"
        packed = await browser.ask("GET", "/page/js/main.js", headers={"accept-encoding": "gzip, br"})
        assert gzip.decompress(packed.body) == plain.body
        assert len(packed.body) < len(plain.body)
        again = await browser.ask("GET", "/page/js/main.js", headers={"if-none-match": plain.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        for section in SECTIONS:
            answer = await browser.get(f"/{section}")
            assert answer.headers["content-type"] == "text/html; charset=utf-8"

    in_place(tmp_path, work)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_the_page_needs_nothing_from_elsewhere_and_nothing_inline(path: Path) -> None:
    text = path.read_text()
    found = set(re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z][^\s\"'`)]*", text)) - {"http://www.w3.org/2000/svg"}
    assert {one for one in found if not one.startswith("//www.w3.org")} == set()
    if path.suffix == ".html":
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", text)
    if path.suffix == ".js":
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
        assert not re.search(r"[\"']style[\"']\s*[:,]|\bstyle:", text), "styles by markup are not let through"


def test_every_module_that_is_imported_and_every_icon_that_is_drawn_exists() -> None:
    icons = set(re.findall(r'symbol id="([^"]+)"', (FOLDER / "icons.svg").read_text()))
    for path in (one for one in OWN if one.suffix == ".js"):
        text = path.read_text()
        for name in re.findall(r'from "(\.[^"]+)"', text):
            assert (path.parent / name).resolve().is_file(), f"{path.name}: {name}"
        assert set(re.findall(r'\bicon\("([a-z-]+)"', text)) <= icons, path.name


def test_every_name_that_is_imported_is_exported() -> None:
    for path in (one for one in OWN if one.suffix == ".js"):
        for names, module in re.findall(r'import \{([^}]+)\} from "(\.[^"]+)"', path.read_text()):
            exported = set(
                re.findall(r"export (?:async )?(?:const|let|function|class) (\w+)", (path.parent / module).read_text())
            )
            wanted = {name.split(" as ")[0].strip() for name in names.split(",") if name.strip()}
            assert wanted <= exported, f"{path.name} from {module}"


def test_the_page_comes_with_the_package() -> None:
    import tomllib

    told = tomllib.loads((FOLDER.parents[3] / "pyproject.toml").read_text())
    patterns = told["tool"]["setuptools"]["package-data"]["nodes.ops.console"]
    packed = {path for pattern in patterns for path in FOLDER.parent.glob(pattern)}
    assert set(FILES) <= packed
