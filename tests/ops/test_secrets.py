"""No password, key or hash is where somebody could read it."""

import json
from pathlib import Path

from nodes.ops.console.console import AUDIT_FILE, OPERATORS_FILE
from tests.ops.browser import Place, in_place


def test_secrets_are_in_no_answer_no_log_and_no_file(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        said: list[bytes] = []
        admin = place.browser()
        await admin.sign_in("admin", "a wrong guess")
        answer = await admin.sign_in("admin", place.password)
        said.append(answer.body)
        made = await admin.post("/api/operators", {"name": "anna", "role": "viewer"})
        chosen = "a password of my own"
        said.append((await admin.post("/api/password", {"old": place.password, "new": chosen})).body)
        said.append((await admin.post("/api/password", {"old": "another wrong guess", "new": chosen})).body)
        for path in ("/api/me", "/api/operators", "/api/audit", "/api/overview"):
            said.append((await admin.get(path)).body)
        keys = [value for value in admin.cookies.values() if value]
        secrets = [place.password, chosen, made.said["password"], "a wrong guess", "another wrong guess", *keys]
        files = [(tmp_path / name).read_bytes() for name in (OPERATORS_FILE, AUDIT_FILE)]
        logged = json.dumps(place.log.lines, default=str).encode()
        for place_ in (*said, *files, logged):
            assert [secret for secret in secrets if secret.encode() in place_] == []
            assert b"argon2" not in place_ or place_ is files[0], "hashes are in the file of operators only"
        assert all(key not in repr(place.desk.sessions.__dict__) for key in keys), "only hashes of keys are kept"

    in_place(tmp_path, work)
