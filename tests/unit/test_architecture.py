"""Who may import whom, who may do what: read from the code of the product itself."""

import ast
import re
import subprocess
import sys

import pytest

from benchmarks.import_graph import SCRIPT, components
from tests.support.template import ROOT

LAYER = ROOT / "layers/common/enhancer"
USE_CASES = ("enhancer.jobs", "enhancer.billing", "enhancer.accounts", "enhancer.operations")
MODULES = {path.relative_to(LAYER.parent).with_suffix("").as_posix().replace("/", "."): path
           for path in sorted(LAYER.rglob("*.py"))}  # fmt: skip
FUNCTIONS = {f"functions.{path.parent.name}": path for path in sorted((ROOT / "functions").glob("*/app.py"))}
VISION = {f"vision.{path.stem}": path for path in sorted((ROOT / "layers/vision/vision").glob("*.py"))}
PRODUCT = MODULES | FUNCTIONS | VISION
LOCAL = {path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path
         for path in sorted((ROOT / "local").rglob("*.py")) if path.stem != "__init__"}  # fmt: skip
OPS = {f"ops.{path.stem}": path for path in sorted((ROOT / "ops").glob("*.py")) if path.stem != "__init__"}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in (PRODUCT | LOCAL | OPS).items()}
LINES_MAX = 50


def under(name, *packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def part(prefix):
    return sorted(name for name in PRODUCT if under(name, prefix))


def typing_only(tree):
    """The nodes below ``if TYPE_CHECKING:``."""
    guarded = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {id(inner) for block in guarded for statement in block.body for inner in ast.walk(statement)}


def imports(name, *, at_run_time=True):
    """The modules that a module imports; ``from a import b`` counts as ``a.b`` where that is a module of ours."""
    tree, found = TREES[name], set()
    skipped = typing_only(tree) if at_run_time else set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative import"
            module = node.module or ""
            found |= {
                inner if (inner := f"{module}.{alias.name}") in TREES else module for alias in node.names
            }
    return found - {"__future__"}


def ours(name, **more):
    return {found for found in imports(name, **more) if under(found, "enhancer", "vision", "functions")}


def offenders(names, allowed, **more):
    return {
        name: bad
        for name in names
        if (bad := {used for used in ours(name, **more) if not under(used, *allowed)})
    }


def test_the_domain_imports_the_standard_library_and_itself():
    """Rules know no library and no outside system, not even as a type."""
    for name in part("enhancer.domain"):
        for used in imports(name, at_run_time=False):
            assert under(used, "enhancer.domain") or used.partition(".")[0] in sys.stdlib_module_names, (
                name,
                used,
            )


def test_the_domain_has_no_clock_no_chance_and_no_input():
    """Time, ids and files are arguments."""
    for name in part("enhancer.domain"):
        assert not imports(name) & {
            "os",
            "time",
            "random",
            "secrets",
            "socket",
            "pathlib",
            "uuid",
            "subprocess",
        }, name
        assert not re.search(r"\b(datetime\.now|utcnow|open\()", PRODUCT[name].read_text("utf-8")), name


def test_adapters_import_the_domain_and_each_other():
    """An adapter knows the rules and its outside system, no use case and no HTTP."""
    allowed = ("enhancer.domain", "enhancer.adapters", "enhancer.telemetry")
    assert offenders(part("enhancer.adapters"), allowed, at_run_time=False) == {}


def test_use_cases_import_the_domain_and_get_adapters_as_arguments():
    """At run time a use case knows rules, other use cases and the log; adapters appear only as types."""
    names = [name for package in USE_CASES for name in part(package)]
    assert {name.rpartition(".")[0] for name in names} >= set(USE_CASES)
    allowed = ("enhancer.domain", "enhancer.telemetry", *USE_CASES)
    assert offenders(names, allowed) == {}
    assert offenders(names, (*allowed, "enhancer.adapters"), at_run_time=False) == {}


def test_use_cases_import_no_outside_library():
    """What the product does is told in the standard library's words."""
    for name in (name for package in USE_CASES for name in part(package)):
        foreign = {used for used in imports(name) if not under(used, "enhancer")}
        assert {used.partition(".")[0] for used in foreign} <= sys.stdlib_module_names, name


def test_api_imports_rules_use_cases_and_the_types_it_shows():
    """HTTP knows errors, who is calling, and what it turns into JSON; of the adapters only a limit's state."""
    allowed = ("enhancer.api", "enhancer.domain", "enhancer.runtime", "enhancer.snapshots", "enhancer.telemetry",
               "enhancer.adapters.dynamodb.rates", *USE_CASES)  # fmt: skip
    assert offenders(part("enhancer.api"), allowed, at_run_time=False) == {}
    for name in part("enhancer.api"):
        for node in ast.walk(TREES[name]):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("enhancer.adapters"):
                assert [alias.name for alias in node.names] == ["RateState"], name


def test_functions_import_the_api_use_cases_and_the_runtime():
    """A handler parses, calls and answers; the model's own function also knows pixels and the vision layer.

    The call-backs' functions check signatures that only their adapters know; the development sign-in, which is in no
    layer, is its own use case.
    """
    allowed = ("enhancer.api", "enhancer.runtime", "enhancer.domain", "enhancer.telemetry", *USE_CASES)
    further = {
        "functions.upscale": (
            "enhancer.adapters.images.compression",
            "enhancer.adapters.images.pixels",
            "vision",
        ),
        "functions.debug_login": ("enhancer.adapters.dynamodb.accounts",),
        "functions.provider_webhook": ("enhancer.adapters.predictors.replicate_webhook",),
        "functions.stripe_webhook": ("enhancer.adapters.stripe.webhook",),
    }
    for name in FUNCTIONS:
        assert offenders([name], allowed + further.get(name, ()), at_run_time=False) == {}


def test_the_vision_layer_knows_only_the_domain():
    """The network is independent of storage, money and HTTP."""
    assert offenders(part("vision"), ("enhancer.domain", "vision"), at_run_time=False) == {}


def test_the_runtime_is_at_the_top_and_settings_at_the_bottom():
    """Settings know the names of things and nothing else; the runtime imports what it builds, and settings."""
    assert offenders(["enhancer.settings"], ("enhancer.domain",), at_run_time=False) == {}
    assert ours("enhancer.telemetry", at_run_time=False) == set()
    built = ("enhancer.adapters", "enhancer.domain", "enhancer.settings", "enhancer.telemetry",
             "enhancer.jobs.deps", "enhancer.jobs.callbacks", "enhancer.billing.deps")  # fmt: skip
    assert offenders(["enhancer.runtime"], built) == {}


def circles(graph):
    """Groups of nodes that reach each other; empty where the arrows all run one way."""
    return [sorted(group) for group in components(graph) if len(group) > 1]


def test_no_modules_import_each_other_in_a_circle():
    """Every arrow runs down, also those that only types need."""
    assert circles({name: ours(name, at_run_time=False) & PRODUCT.keys() - {name} for name in PRODUCT}) == []


def test_no_modules_of_the_local_stack_import_each_other_in_a_circle():
    """The same holds beside the product."""
    assert circles({name: imports(name, at_run_time=False) & LOCAL.keys() - {name} for name in LOCAL}) == []


def test_the_operators_commands_are_imported_by_nobody_and_not_in_circles():
    """They stand above the product and the local stack, and know their own map."""
    assert circles({name: imports(name, at_run_time=False) & OPS.keys() - {name} for name in OPS}) == []
    assert not {
        name for name in LOCAL if any(under(used, "ops") for used in imports(name, at_run_time=False))
    }
    words = ast.get_docstring(ast.parse((ROOT / "ops/__init__.py").read_text("utf-8"))) or ""
    assert {f"ops.{name}" for name in re.findall(r"^``([a-z_]+)``", words, re.MULTILINE)} == set(OPS)


def test_no_packages_import_each_other_in_a_circle():
    """The same for the folders of the house: who stands above whom is the same for all their files."""
    graph: dict[str, set[str]] = {}
    for name in PRODUCT:
        here = ".".join(name.split(".")[:2])
        used = {".".join(other.split(".")[:2]) for other in ours(name, at_run_time=False) & PRODUCT.keys()}
        graph.setdefault(here, set()).update(used - {here})
    assert circles(graph) == []


def test_no_scripts_of_the_page_import_each_other_in_a_circle():
    """The page's modules, too; a script that is loaded later counts like any other."""
    scripts = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "web/js").glob("*.js"))}
    graph = {name: set(SCRIPT.findall(text)) - {name} for name, text in scripts.items()}
    assert sum(len(found) for found in graph.values()) > len(scripts)
    assert circles(graph) == []


def test_each_package_opens_with_its_map():
    """One line per module in the package's docstring, so that a newcomer sees what is where."""
    for init in sorted(LAYER.rglob("__init__.py")):
        words = ast.get_docstring(ast.parse(init.read_text("utf-8"))) or ""
        named = set(re.findall(r"^``?([a-z_]+)``?\s", words, re.MULTILINE))
        there = {path.stem for path in init.parent.glob("*.py")} | {
            path.parent.name for path in init.parent.glob("*/__init__.py")
        }
        assert named == there - {"__init__"}, init


def test_nothing_imports_what_is_only_for_laptops_and_tests():
    """Local tools, tests and benchmarks are never part of what runs."""
    for name in PRODUCT:
        foreign = {
            used
            for used in imports(name, at_run_time=False)
            if under(used, "local", "ops", "tests", "benchmarks")
        }
        assert not foreign, name
        assert not under(name, "functions") or not {
            used for used in imports(name) if under(used, "functions")
        }, name


def test_only_settings_reads_the_environment():
    """One module knows names of settings; elsewhere `os` is not used to read them."""
    readers = {name for name, path in PRODUCT.items()
               if re.search(r"\b(environ|getenv|getenvb)\b", path.read_text("utf-8"))}  # fmt: skip
    assert readers == {"enhancer.settings"}


def test_only_the_runtime_builds_clients():
    """Clients are built once, with their time-outs, in one place."""
    assert {name for name in PRODUCT if "boto3" in imports(name)} == {"enhancer.runtime"}
    builders = {name for name in PRODUCT for node in ast.walk(TREES[name])
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("boto3.client", "boto3.resource",
                                                                             "boto3.Session")}  # fmt: skip
    assert builders == {"enhancer.runtime"}


def broad(handler):
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(one is None or ast.unparse(one) in ("Exception", "BaseException") for one in caught)


def test_only_the_frame_catches_everything():
    """There is a last net under requests, under each job of a sweep and each owner of a closing; nowhere else."""
    nets = {name for name in PRODUCT for node in ast.walk(TREES[name])
            if isinstance(node, ast.ExceptHandler) and broad(node)}  # fmt: skip
    assert nets == {"enhancer.api.http.app", "enhancer.operations.sweep", "enhancer.operations.quota_reset"}


def test_no_handler_has_a_try():
    """Errors are raised by use cases and told by the frame."""
    assert [
        name for name in FUNCTIONS if any(isinstance(node, ast.Try) for node in ast.walk(TREES[name]))
    ] == []


def test_no_decision_is_made_on_the_text_of_an_error():
    """Errors are told apart by class and code."""
    assert [name for name, path in PRODUCT.items() if re.search(r"str\((exc|error|failed|problem|refused)\)",
                                                                path.read_text("utf-8"))] == []  # fmt: skip


def test_functions_fit_on_a_screen():
    """No function has more than fifty lines."""
    long = {f"{name}.{node.name}": length for name, tree in TREES.items() for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            and (length := (node.end_lineno or 0) - node.lineno + 1) > LINES_MAX}  # fmt: skip
    assert long == {}


def test_every_module_and_every_public_name_says_what_it_is():
    """A docstring on each module, class and public function of the layer."""
    for name in MODULES:
        assert ast.get_docstring(TREES[name]), name
        for node in TREES[name].body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{name}.{node.name}"


def tracked():
    """The files of the repository that are text, tracked or about to be."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in listed.split("\0"):
        path = ROOT / name
        if name and path.is_file() and path.suffix not in (".woff2", ".avif", ".jpg", ".png", ".webp"):
            yield path


def test_nothing_is_left_to_do_in_the_code():
    """No open ends are marked anywhere; what is missing is written down where work is planned."""
    words = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")) + r")\b")
    marked = [str(path.relative_to(ROOT)) for path in tracked()
              if path.suffix in (".py", ".yaml", ".js", ".css", ".html", ".sh") and "vendor" not in path.parts
              and words.search(path.read_text("utf-8"))]  # fmt: skip
    assert marked == []


REGISTRIES = [
    "pypi" + ".org", "pythonhosted" + ".org", "registry.npm" + "js.org", "files.pythonhosted" + ".org",
    "docker" + ".io", "ghcr" + ".io", "quay" + ".io", "public.ecr" + ".aws", "index-" + "url", "extra-index-" + "url",
]  # fmt: skip


@pytest.mark.parametrize("host", REGISTRIES)
def test_no_file_names_a_package_registry(host):
    """Where packages come from is the business of each machine's configuration."""
    shown = re.compile(r"(?<![\w-])" + re.escape(host))
    named = [str(path.relative_to(ROOT)) for path in tracked()
             if shown.search(path.read_text("utf-8", errors="ignore"))]  # fmt: skip
    assert named == []
