"""Reading experiments back: the best trial, exports as editors save them, and reasons for missing results."""

import json
import sqlite3
from pathlib import Path

import pytest
import yaml
from nni_tools import BIN, make_database, stderr

from fbnet_pfld.experiments.nni_jobs import trial_states
from fbnet_pfld.experiments.nni_jobs.finished_trials import read_trials
from fbnet_pfld.experiments.pipeline.config import Config
from fbnet_pfld.latency import LookupTable
from fbnet_pfld.search_space import Architecture, SpaceSpec

PFLD = SpaceSpec.load("pfld")
SMALL = dict(zip(PFLD.labels, ("gh_k3", "gh_k3", "gh_k5", "gh_k5", "gh_k5"), strict=True))
SMALL_US = LookupTable.load("snapdragon625-4t").latency_us(Architecture(PFLD, 106, 112, SMALL))
LARGE = dict(zip(PFLD.labels, ("mb_k5_e2_res", "mb_k5_e2_res", *["mb_k3_e4_res"] * 3), strict=True))

NO_COMMAND = "timeout: failed to run command \u2018fbnet-pfld\u2019: No such file or directory"


def test_results_are_read_under_the_parameters_that_the_trial_had(tmp_path):
    """Two trials listed under each other's parameters, as NNI does; one of them reported twice."""
    make_database(
        tmp_path / "e",
        [
            ("a", 1, {"x.y": 0}, {"default": 9.0, **SMALL}),
            ("b", 0, {"x.y": 1}, {"default": 5.0, **LARGE}),
            ("a", 1, {"x.y": 0}, {"default": -8.0, **SMALL}),
        ],
    )
    a, b = read_trials(str(tmp_path / "e"), Config())
    assert (a.id, a.nme, a.parameters, a.architecture.choices, a.folder) == ("a", 8.0, {"x.y": 1}, SMALL, "/trials/a")
    assert (b.id, b.nme, b.parameters, b.architecture.choices) == ("b", 5.0, {"x.y": 0}, LARGE)
    assert b.architecture.latency.us > a.architecture.latency.us


def test_the_best_within_a_latency_or_a_named_trial(tmp_path, run, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    over = {"default": 130.0, "over_budget": 1, **LARGE}
    make_database(
        tmp_path / "e", [("a", 0, {}, {"default": 9.0, **SMALL}), ("b", 1, {}, {"default": 5.0, **LARGE}), ("c", 2, {}, over)]
    )

    def found(*options):
        assert run("from-experiment", "e", "--json", *options) == 0
        return json.loads(capfd.readouterr().out.splitlines()[-1])["trial"]

    assert (found(), found("--max-us", 2000), found("--trial", "c")) == ("b", "a", "c")
    assert Architecture.load("output/architecture.json").metrics == {}
    before = Path("output/architecture.json").read_bytes()
    for options, message in (
        (("--max-us", 100), f"no trial within 100 us; give at least {SMALL_US:.1f} us, its fastest\n"),
        (("--max-us", 2), "its fastest; did you mean 2 ms, which is 2000 us?"),
        (("--trial", "a", "--max-us", 2000), "--trial and --max-us are both given; give only one of them"),
        (("--trial", "d"), "no finished trial 'd'; allowed: a, b, c"),
    ):
        assert run("from-experiment", "e", *options) == 2
        assert message in capfd.readouterr().err
    assert Path("output/architecture.json").read_bytes() == before


def exported(final: dict) -> str:
    return json.dumps([{"trialJobId": "x", "parameter": {}, "value": json.dumps(final)}])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none", None, "no NNI experiment 'none'"),
        ("e.json", None, "exported trials not found: e.json"),
        ("e.json", "{", "exported trials is not valid JSON: e.json:1"),
        ("e.json", '[{"a": 1}]', "e.json: not a file of nnictl experiment export"),
        ("e.csv", "a,b\n1,2\n", "e.csv:1: column 'trialJobId' is missing; expected exported trials"),
        ("e.csv", "", "e.csv: the file is empty"),
        ("e.csv", "trialJobId,default\nx,2,3\n", "e.csv:2: 3 values for 2 columns"),
        ("e.txt", "a,b\n1,2\n", "no NNI experiment: e.txt is a file; expected an experiment's id or folder, or a .json or"),
        ("e" * 300, None, "no NNI experiment 'eee"),
        ("e.csv", "trialJobId,reward\nx,2\n", "trial x has not reported a block for each of layer_0"),
        ("e.json", '[{"trialJobId": "x", "parameter": {}, "value": "0.5"}]', "trial x has not reported a block for each"),
        ("e.json", "[]", "e.json: no trial has a result; give the experiment's id instead of the file to see why"),
        (
            "e.json",
            exported({"default": 5, **SMALL, "layer_0": "no"}),
            "e.json: trial x: layer_0: block 'no' is not a candidate in search space",
        ),
        ("e.json", exported({"default": "5,1", **SMALL}), "e.json: trial x: default is '5,1'; write a decimal point"),
    ],
)
def test_sources_that_are_none_are_told(tmp_path, monkeypatch, run, capfd, name, content, message):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name).write_text(content)
    assert run("from-experiment", name) == 2
    error = capfd.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not Path("output").exists()


RUN, WAIT, FAIL = ["RUNNING"], ["WAITING"], ["WAITING", "RUNNING", "FAILED"]

# trials without a result, standard error of some, and the end of the message
FAILURES = {
    "command not on the PATH": (
        {"a": FAIL, "b": FAIL, "c": FAIL},
        {"b": NO_COMMAND.encode() + b"\n"},
        f": no trial has a result: 3 failed; trial b ended with '{NO_COMMAND}' (FOLDER/trials/b/trial.stderr): the command is "
        f"not on the PATH of the trials; before nnictl create, run: export PATH={BIN}:$PATH",
    ),
    "said by sh": ({"a": FAIL}, {"a": b"/bin/sh: 1: fbnet-pfld: not found\n"}, f"run: export PATH={BIN}:$PATH"),
    "said by bash": ({"a": FAIL}, {"a": b"bash: line 1: fbnet-pfld: command not found\n"}, f"run: export PATH={BIN}:$PATH"),
    "a mistake of the user": (
        {"a": FAIL, "b": FAIL},
        {"a": b"1\n", "b": b"first\nfbnet-pfld: data root not found: data\n \n"},
        "2 failed; trial b ended with 'fbnet-pfld: data root not found: data' (FOLDER/trials/b/trial.stderr)",
    ),
    "a killed one says nothing": (
        {"a": FAIL, "b": FAIL},
        {"a": b"10 %\r20 %\rsaid\n", "b": b""},
        "trial a ended with 'said' (FOLDER/trials/a/trial.stderr)",
    ),
    "nobody says anything": (
        {"b": FAIL},
        {"b": b""},
        ": no trial has a result: 1 failed; FOLDER/trials/b/trial.stderr of trial b is empty or not on this machine",
    ),
    "on another machine": ({"b": FAIL}, {}, "FOLDER/trials/b/trial.stderr of trial b is empty or not on this machine"),
    "long, and no text": (
        {"b": FAIL},
        {"b": b"\xff" + 400 * b"x" + b"\n"},
        f"trial b ended with '\ufffd{299 * 'x'}' (FOLDER/trials/b/trial.stderr)",
    ),
    "some still run": (
        {"a": FAIL, "b": RUN, "c": WAIT},
        {"a": b"oops\n"},
        "1 failed, 1 running, 1 waiting; trial a ended with 'oops' (FOLDER/trials/a/trial.stderr)",
    ),
    "all run": ({"a": RUN, "b": WAIT}, {}, ": no trial has a result: 1 running, 1 waiting"),
    "none reports": (
        {"a": [*RUN, "SUCCEEDED"], "b": [*RUN, "USER_CANCELED"], "c": [*RUN, "SYS_CANCELED"]},
        {},
        ": no trial has a result: 1 ended without a result, 2 canceled",
    ),
    "resumed": ({"a": [*FAIL, "RUNNING"]}, {}, ": no trial has a result: 1 running"),
    "none has begun": ({}, {}, ": no trial of the experiment has started; see NNI's log e/log"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_an_experiment_without_a_result_says_why(tmp_path, monkeypatch, run, capfd, name):
    monkeypatch.chdir(tmp_path)
    others, said, message = FAILURES[name]
    make_database(Path("e"), [], others)
    for trial, content in said.items():
        stderr(Path("e"), trial, content)
    assert run("from-experiment", "e") == 2
    error = capfd.readouterr().err
    assert error.startswith("fbnet-pfld: e: no trial ")
    assert error.endswith(message.replace("FOLDER", str(tmp_path / "e")) + "\n")
    assert error.count("\n") == 1
    assert not Path("output").exists()


def test_trials_without_a_result_are_counted_beside_the_others(tmp_path, run, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    make_database(Path("e"), [("good", 0, {}, {"default": 9.0, **SMALL})], {"b": FAIL, "c": RUN, "bad": FAIL})
    file = stderr(Path("e"), "bad", b"Traceback\nValueError: no\n")
    assert run("from-experiment", "e", "--json") == 0
    said = capfd.readouterr()
    found = json.loads(said.out.splitlines()[-1])
    assert (found["trial"], found["trials"], found["without_result"]) == ("good", 1, {"failed": 2, "running": 1})
    assert "1 rated trials, 0 over the budget, 2 failed, 1 running" in " ".join(said.out.split())
    assert said.err == f"trials without a result: 2 failed, 1 running; trial bad ended with 'ValueError: no' ({file})\n"


def test_trials_of_a_stopped_experiment_do_not_run(tmp_path, monkeypatch, refused):
    """The manager was killed, so its trials are still recorded as running."""
    monkeypatch.chdir(tmp_path)
    known = {"e": {"status": "STOPPED", "logDir": str(tmp_path)}}
    monkeypatch.setattr(trial_states.Experiments, "get_all_experiments", lambda self: known)
    monkeypatch.setattr(trial_states, "update_experiment", lambda: None)
    make_database(Path("e"), [], {"a": RUN, "b": WAIT, "c": FAIL})
    refused("from-experiment", "e", words=["e: no trial has a result: 1 cut off, 1 not begun, 1 failed; "])


def test_all_over_the_budget_is_told(tmp_path, monkeypatch, refused, run):
    monkeypatch.chdir(tmp_path)
    make_database(Path("e"), [("a", 0, {}, {"default": 130.0, "over_budget": 1, **LARGE})])
    refused("from-experiment", "e", words=["e: all 1 trials are over their budget, and none is rated", "such as --trial a"])
    assert run("from-experiment", "e", "--trial", "a") == 0


def of_something_else(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute("create table songs (title text)")


def without_json(file: Path) -> None:
    file.parent.rmdir()
    make_database(file.parents[1], [("a", 0, {}, {"default": 9.0, **SMALL})])
    with sqlite3.connect(file) as connection:
        connection.execute("update MetricData set data = 'spoilt'")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: file.write_text("no data base, though long enough to be one"), "cannot be read as NNI's database"),
        (Path.touch, "cannot be read as NNI's database"),
        (of_something_else, "cannot be read as NNI's database: no such table"),
        (without_json, "its database does not hold trials in NNI's format"),
    ],
)
def test_a_database_that_is_none_is_told(tmp_path, refused, make, message):
    (tmp_path / "e/db").mkdir(parents=True)
    make(tmp_path / "e/db/nni.sqlite")
    refused("from-experiment", tmp_path / "e", words=[f"{tmp_path}/e", message])


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace(",", ";").encode() if text.startswith("trialJobId") else text.encode(),
        lambda text: (text + "\n\n").encode(),
    ],
    ids=["BOM", "UTF-16", "CRLF", "semicolons", "blank lines"],
)
@pytest.mark.parametrize("kind", ["json", "csv"])
def test_exports_are_read_as_editors_save_them(tmp_path, run, monkeypatch, capfd, kind, change):
    monkeypatch.chdir(tmp_path)
    trials = {
        "x": {"default": 9.25, "over_budget": 0, **SMALL},
        "y": {"default": 130.5, "over_budget": 1, **LARGE},
        "z": {"default": 7.5, "over_budget": 0, **LARGE},
    }
    given = {"finetune.learning_rate": 0.005, "finetune.schedule": "cosine"}
    if kind == "json":
        text = json.dumps(
            [{"trialJobId": trial, "parameter": given, "value": json.dumps(final)} for trial, final in trials.items()], indent=1
        )
    else:
        rows = [{"trialJobId": trial, **given, **final, "sequence": 1} for trial, final in trials.items()]
        text = "\n".join(",".join(map(str, row)) for row in [rows[0].keys(), *(row.values() for row in rows)]) + "\n"
    Path(f"e.{kind}").write_bytes(change(text))
    assert run("from-experiment", f"e.{kind}", "--json") == 0
    found = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert (found["trial"], found["nme"], found["choices"], found["parameters"]) == ("z", 7.5, LARGE, given)
    config = yaml.safe_load(Path("output/config.yaml").read_text())
    assert config == {"finetune": {"learning_rate": 0.005, "schedule": "cosine"}}
