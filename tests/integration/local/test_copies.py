"""Environments of a function in the emulator are copies of its first one, and as separate as on AWS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local import build

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="copies are made on Linux only")

PROGRAM = """
import io, json, os, sys, time, zipfile
from local.corrections import correct_all
correct_all()
from ministack.core import lambda_runtime as runtime
from ministack.services import lambda_svc as service

def worker(code, **variables):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("app.py", code)
        archive.writestr("beside.py", "")
    config = {"FunctionName": act, "Runtime": "python3.13", "Handler": "app.handler", "Timeout": 60,
              "FunctionArn": "arn:aws:lambda:eu-central-1:000000000000:function:" + act,
              "Role": "arn:aws:iam::000000000000:role/r", "Environment": {"Variables": variables}}
    return runtime.Worker(act, config, out.getvalue())

def call(one, **event):
    answer = one.invoke(event, "request")
    return answer.get("result", answer.get("error")), answer.get("log", "")

def originals():
    return service.invalidate_worker.__closure__[0].cell_contents._originals

def tell(*said):
    told.append(said)
"""
CODE = """
import os, random, sys, time, uuid
IMPORTED = uuid.uuid4().hex
sys.stderr.write("imported\\n")
CALLS = []
def handler(event, context):
    sys.stderr.write(event.get("say", ""))
    if event.get("sleep"):
        time.sleep(600)
    if event.get("die"):
        sys.stderr.flush()
        os._exit(3)
    CALLS.append(1)
    import beside
    return {"pid": os.getpid(), "imported": IMPORTED, "calls": len(CALLS), "chance": random.random(),
            "stream": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"], "root": os.environ["LAMBDA_TASK_ROOT"],
            "here": os.getcwd(), "path": sys.path, "beside": beside.__file__, "greeting": os.environ.get("GREETING"),
            "variables": sorted(os.environ), "file": os.path.exists(__file__), "open": len(os.listdir("/proc/self/fd"))}
"""


ACTS = {
    "twice": "one, two = worker(CODE), worker(CODE)\nfor each in (one, two, one): tell(*call(each))",
    "changed": """
for each in (worker(CODE), worker(CODE, GREETING="hello"), worker(CODE + "# changed"), worker(CODE + "# changed")):
    tell(*call(each))
""",
    "outlived": """
one = worker(CODE)
for each in (one, worker(CODE, GREETING="hello"), one):
    tell(*call(each))
""",
    "threads": """
CODE += "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
for each in (worker(CODE), worker(CODE)):
    tell(*call(each))
""",
    "dies": "one = worker(CODE)\ntell(*call(one))\ntell(*call(one, die=True))\ntell(*call(one))",
    "killed": """
one = worker(CODE)
tell(*call(one))
original = originals()[act]
original._process.kill(); original._process.wait()
tell(*call(one)); tell(*call(worker(CODE)))
""",
    "deleted": """
one = worker(CODE)
call(one)
process = originals()[act]._process
service.invalidate_worker(act)
tell(process.poll() is not None, act in originals())
""",
    "late": """
read = runtime.Worker._read_stderr
def late(self):
    for line in self._proc.stderr:
        time.sleep(0.1)
        self._stderr_queue.put(line.rstrip("\\n"))
runtime.Worker._read_stderr = late
BUSY = CODE + "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()"
for code in (CODE, BUSY):
    one = worker(code)
    for say in ("a\\nb\\n", "", "c\\u2028d", "e\\x1ef\\n"):
        tell(*call(one, say=say))
    tell(*call(one, say="last words\\n", die=True))
two = worker(CODE)
two.config["Timeout"] = 3
tell(*call(two, say="too slow\\n", sleep=True))
runtime.Worker._read_stderr = read
""",
    "broken": """
for each in (worker("import a_library_that_is_in_no_layer"), worker("import a_library_that_is_in_no_layer")):
    try:
        each.invoke({}, "request")
    except RuntimeError as no:
        tell(str(no))
""",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each act tells; all are played in one process with the emulator's Lambda, each by a function of its own."""
    scratch = tmp_path_factory.mktemp("copies")
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(build.ROOT),
        "EMULATOR_PYTHON": str(build.bare_interpreter()),
        "EMULATOR_LAYERS": str(scratch),
        "GATEWAY_PORT": "1",
        "STATE_DIR": str(scratch / "aws"),
        "TMPDIR": str(scratch),
    }
    program = (
        f"{PROGRAM}\nall_told = {{}}\nfor act, what in {ACTS!r}.items():\n    all_told[act] = told = []\n"
    )
    program += f"    CODE = {CODE!r}\n    exec(what)\nprint(json.dumps(all_told))\nruntime.reset()\n"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_copies_share_the_import_and_nothing_else(told: dict[str, Any]) -> None:
    """Imported once; process, memory, folder, log stream and chance are each one's own, and calls find their own."""
    (first, said), (second, said_again), (third, silent) = told["twice"]
    assert first["imported"] == second["imported"] == third["imported"]
    assert [first["calls"], second["calls"], third["calls"]] == [1, 1, 2]
    assert third["pid"] == first["pid"] != second["pid"]
    for name in ("stream", "root", "here", "chance", "beside"):
        assert first[name] != second[name], name
    for one in (first, second):
        assert one["here"] == one["root"] == os.path.dirname(one["beside"])  # noqa: PTH120
        assert one["path"].count(one["root"]) == 1
        assert "EMULATOR_COPIES" not in one["variables"]
    assert first["open"] == second["open"]
    assert (said, said_again, silent) == ("imported", "imported", "")


def test_copies_keep_the_files_of_an_original_that_is_gone(told: dict[str, Any]) -> None:
    """A function reads its own files for as long as it runs, whatever is deployed meanwhile."""
    found = [answer["file"] for answer, _ in told["outlived"]]
    assert found == [True, True, True]


def test_another_configuration_is_imported_anew(told: dict[str, Any]) -> None:
    """So is other code; nobody gets what belonged to an earlier one."""
    seen = [one for one, _ in told["changed"]]
    assert len({one["imported"] for one in seen}) == 3
    assert [one["greeting"] for one in seen] == [None, "hello", None, None]


def test_a_function_with_threads_is_not_copied(told: dict[str, Any]) -> None:
    """A copy would wait for ever for what they hold: each environment imports by itself."""
    (first, said), (second, _) = told["threads"]
    assert first["imported"] != second["imported"]
    assert first["pid"] != second["pid"]
    assert said == "imported"


def test_an_environment_that_dies_is_replaced_by_a_new_copy(told: dict[str, Any]) -> None:
    """Its caller is told, the next one served."""
    (first, _), (death, _), (next_one, _) = told["dies"]
    assert death == "Worker process died"
    assert next_one["imported"] == first["imported"]
    assert (next_one["calls"], next_one["pid"] != first["pid"]) == (1, True)


def test_an_original_that_was_killed_is_started_anew(told: dict[str, Any]) -> None:
    """Its copies go on."""
    (first, _), (again, _), (other, _) = told["killed"]
    assert (again["pid"], again["calls"]) == (first["pid"], 2)
    assert other["imported"] != first["imported"]


def test_a_deleted_function_leaves_no_original(told: dict[str, Any]) -> None:
    """Nor does one whose configuration changed."""
    assert told["deleted"] == [[True, False]]


def test_an_import_that_fails_is_told_with_its_traceback(told: dict[str, Any]) -> None:
    """Each time anew."""
    assert ["a_library_that_is_in_no_layer" in said for (said,) in told["broken"]] == [True, True]


def test_every_line_belongs_to_the_call_that_wrote_it(told: dict[str, Any]) -> None:
    """However late it arrives, also of one that dies or takes too long; who says nothing waits for nothing."""
    said = [said for _, said in told["late"]]
    ways = ["imported\na\nb", "", "c\u2028d", "e\x1ef", "last words"]
    assert said == [*ways, *ways, "imported\ntoo slow"]
