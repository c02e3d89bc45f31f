"""``data prepare``: a stopped run resumes, no user file is replaced, and the command itself."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import cv2
import psutil
import pytest
from source_faces import PEOPLE, contents, ibug, pts, view, wflw, write

from fbnet_pfld.evaluators import LandmarkDataset
from fbnet_pfld.evaluators.data.prepare import PrepareOptions, prepare
from fbnet_pfld.search_space import InputError

OPTIONS = PrepareOptions("ibug", test_fraction=0.4)


def stop_after(count: int):
    def progress(done: int, total: int) -> None:
        if done >= count:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopped_run_goes_on_and_ends_as_an_unbroken_one(workers, tmp_path):
    src, out, work = ibug(tmp_path / "src", PEOPLE), tmp_path / "out", tmp_path / "out.preparing"
    options = PrepareOptions("ibug", size=48, copies=2, test_fraction=0.4)
    write(src / "zoe_0.pts", "")
    whole = prepare(src, tmp_path / "whole", options)
    with pytest.raises(KeyboardInterrupt):
        prepare(src, out, options, workers, stop_after(3))
    assert not out.exists()
    assert not list(work.rglob("list.txt"))
    done = (work / "done.jsonl").read_text()
    assert done.count("\n") == 3
    (work / "done.jsonl").write_text(done[:-20])  # as after a kill
    before = {path: path.stat().st_mtime_ns for path in sorted(work.rglob("*ann*.jpg"))}
    with pytest.raises(InputError, match=r"out.preparing holds an unfinished data set with another seed \(0, now 1\); use"):
        prepare(src, out, PrepareOptions("ibug", size=48, copies=2, test_fraction=0.4, seed=1))
    seen = []
    assert prepare(src, out, options, workers, lambda done, total: seen.append((done, total))) == whole
    assert seen == [(count, 6) for count in range(2, 7)]
    assert contents(out) == contents(tmp_path / "whole")
    assert before
    assert all((out / path.relative_to(work)).stat().st_mtime_ns == at for path, at in before.items())
    assert not work.exists()


def test_other_annotations_are_no_continuation(tmp_path):
    src = ibug(tmp_path / "src", PEOPLE)
    options = PrepareOptions("ibug", test_fraction=0.4)
    with pytest.raises(KeyboardInterrupt):
        prepare(src, tmp_path / "out", options, progress=stop_after(2))
    write(src / "cleo_0.pts", pts(view(68, 77)))
    with pytest.raises(InputError, match="another selection"):
        prepare(src, tmp_path / "out", options)


def test_a_killed_run_leaves_no_processes_and_goes_on(tmp_path):
    src, out, pids = ibug(tmp_path / "src", PEOPLE), tmp_path / "out", tmp_path / "pids"
    options = PrepareOptions("ibug", size=48, test_fraction=0.4)

    def kill(done: int, total: int) -> None:
        if done == 2:
            pids.write_text(" ".join(str(child.pid) for child in multiprocessing.active_children()))
            os.kill(os.getpid(), signal.SIGKILL)

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # a fork would wait for threads that it lacks
    process = multiprocessing.get_context("fork").Process(target=prepare, args=(src, out, options, 2, kill))
    process.start()
    cv2.setNumThreads(threads)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    workers = [int(pid) for pid in pids.read_text().split()]
    assert len(workers) == 2
    end = time.monotonic() + 10
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in workers):
        assert time.monotonic() < end
        time.sleep(0.05)
    prepare(src, out, options, 2)
    prepare(src, tmp_path / "whole", options)
    assert contents(out) == contents(tmp_path / "whole")


def test_nothing_of_the_users_is_replaced(tmp_path):
    src, out = ibug(tmp_path / "src", PEOPLE), tmp_path / "out"
    write(out / "mine.txt", "years of work")
    with pytest.raises(InputError, match="a prepared data set with --overwrite"):
        prepare(src, out, PrepareOptions("ibug"), overwrite=True)
    assert (out / "mine.txt").read_text() == "years of work"
    (out / "mine.txt").unlink()
    prepare(src, out, OPTIONS)
    old = contents(out)
    with pytest.raises(InputError, match="is not empty; give .*--overwrite"):
        prepare(src, out, OPTIONS)
    assert contents(out) == old
    prepare(src, out, PrepareOptions("ibug", test_fraction=0.4, copies=1), overwrite=True)
    assert set(contents(out)) > set(old)
    write(tmp_path / "new.preparing" / "mine.txt", "more work")
    with pytest.raises(InputError, match="new.preparing already exists; move it, or give another OUT"):
        prepare(src, tmp_path / "new", OPTIONS)
    assert contents(tmp_path / "new.preparing") == {"mine.txt": b"more work"}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ibug(Path("src"), PEOPLE)
    write(Path("src/zoe_0.pts"), "")
    write(Path("list.txt"), "bob\nzoe\n")
    wflw(Path("wflw"), test=())
    Path("empty").mkdir()
    return tmp_path


def test_the_command_prepares_and_tells_what_it_left_out(place, run, capfd):
    assert run("data", "prepare", "--format", "ibug", "src", "out", "--test_fraction", "0.4", "--copies", "1", "--json") == 0
    shown = capfd.readouterr()
    assert shown.err == ""
    assert "skipped: annotation is empty" in shown.out
    assert "src/zoe_0.pts:1" in shown.out
    record = json.loads(shown.out.splitlines()[-1])
    assert record["train"]["pictures"] == 2 * record["train"]["faces"]
    for split in ("train", "test"):
        assert len(LandmarkDataset("out", split, num_points=68)) == record[split]["pictures"]
    assert not Path("out.preparing").exists()


# fault -> arguments, content of the one-line message
FAULTS = {
    "format": (("src", "out", "--format", "pts"), ("unknown format 'pts'; allowed: bbox106, ibug, jd106, lapa, pfld98,",)),
    "no source": (("none", "out", "--format", "ibug"), ("source not found: none; give a folder with *.pts files",)),
    "other source": (
        ("src", "out", "--format", "lapa"),
        ("src has nothing of format 'lapa' among its 13 files; give a folder", "landmarks/*.txt"),
    ),
    "one side only": (
        ("wflw", "out", "--format", "wflw"),
        ("no face for testing among 3 faces of 3 identities, split by the source's own lists;",),
    ),
    "few identities": (
        ("src", "out", "--format", "ibug"),
        ("no face for testing among 6 faces of 4 identities, split by fraction 0.1; use",),
    ),
    "no share": (("src", "out", "--format", "ibug", "--test-fraction", "1"), ("--test-fraction is 1; must be",)),
    "both splits": (
        ("src", "out", "--format", "ibug", "--test-fraction", "0.4", "--test-list", "list.txt"),
        ("--test-list and --test-fraction are both given; give only one",),
    ),
    "no list": (("src", "out", "--format", "ibug", "--test-list", "none.txt"), ("test list not found: none.txt",)),
    "unknown name": (
        ("src", "out", "--format", "ibug", "--test-list", "list.txt"),
        ("list.txt:2: 'zoe' is neither an identity",),
    ),
    "no expression": (("src", "out", "--format", "ibug", "--identity", "("), ("--identity: '(' is not a regular expression",)),
    "no group": (("src", "out", "--format", "ibug", "--identity", "a"), ("--identity: 'a' has 0 groups; it must have one",)),
    "no match": (("src", "out", "--format", "ibug", "--identity", "(ann)"), ("'(ann)' does not match 'bob_0';",)),
    "in the way": (("src", "src", "--format", "ibug", "--overwrite"), ("src is not empty; give",)),
    "in the source": (
        ("src", "src/deep/out", "--format", "ibug"),
        ("src/deep/out is inside the source src; give a folder outside it",),
    ),
    "around the source": (("src", ".", "--format", "ibug"), (". is not empty",)),
    "source is a file": (("list.txt", "out", "--format", "ibug"), ("list.txt is a file; give a folder with *.pts files",)),
    "empty source": (("empty", "out", "--format", "ibug"), ("empty has nothing of format 'ibug' among its 0 files; give",)),
    "no rule": (("src", "out", "--format", "ibug", "--exif", "no"), ("--exif is 'no'; must be apply or ignore",)),
    "no kind of image": (
        ("src", "out", "--format", "ibug", "--image-suffix", "pts"),
        ("--image-suffix is 'pts'; must be one of .jpg, ",),
    ),
    "kind that is not there": (
        ("src", "out", "--format", "ibug", "--image-suffix", ".jpg"),
        ("--image-suffix .jpg: src has no image with this suffix",),
    ),
    "kind of listed images": (
        ("wflw", "out", "--format", "wflw", "--image-suffix", ".jpg"),
        ("--image-suffix is given, but lists of format 'wflw' name every image with its suffix",),
    ),
    "list that is none": (
        ("src", "out", "--format", "ibug", "--test-list", "src/bob_0.png"),
        ("test list cannot be read: src/bob_0.png is a PNG image",),
    ),
    "on a file": (("src", "list.txt", "--format", "ibug"), ("list.txt is a file; give a new folder",)),
    "beneath a file": (("src", "list.txt/out", "--format", "ibug", "--test-fraction", "0.4"), ("cannot write list.txt/out",)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_one_line_and_change_nothing(place, refused, fault):
    arguments, named = FAULTS[fault]
    refused("data", "prepare", *arguments, words=named)


def test_a_source_without_any_usable_face_is_an_error_that_says_why(tmp_path):
    src = ibug(tmp_path / "src", ("a_0", "b_0"))
    for file in src.glob("*.png"):
        file.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"no face remains for training: image cannot be decoded \(2, such as .*a_0.pts"):
        prepare(src, tmp_path / "out", PrepareOptions("ibug", test_fraction=0.5))
    for file in src.glob("*.pts"):
        file.write_text("")
    with pytest.raises(InputError, match=r"no usable face: annotation is empty \(2, such as .*a_0.pts:1\)"):
        prepare(src, tmp_path / "out", PrepareOptions("ibug"))
    assert [path.name for path in tmp_path.iterdir()] == ["src"]


def test_what_is_made_waits_until_the_other_side_is_mended(tmp_path):
    src, test = ibug(tmp_path / "src", ("a_0", "b_0", "c_0")), tmp_path / "test.txt"
    test.write_text("a\n")
    whole = (src / "a_0.png").read_bytes()
    (src / "a_0.png").write_bytes(b"no picture")
    options = PrepareOptions("ibug", test_list=test)
    with pytest.raises(InputError, match="no face remains for testing"):
        prepare(src, tmp_path / "out", options)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out.preparing").rglob("*.jpg")}
    assert len(made) == 2
    (src / "a_0.png").write_bytes(whole)
    assert prepare(src, tmp_path / "out", options)["test"]["faces"] == 1
    kept = {
        tmp_path / "out.preparing" / path.relative_to(tmp_path / "out"): path.stat().st_mtime_ns
        for path in (tmp_path / "out").rglob("*.jpg")
    }
    assert made.items() < kept.items()


def test_a_replaced_set_is_gone_and_so_is_what_only_an_unfinished_one_has(tmp_path):
    src = ibug(tmp_path / "src", ("a_0", "b_0", "c_0"))
    for seed in (0, 1):
        prepare(src, tmp_path / "out", PrepareOptions("ibug", test_fraction=0.4, seed=seed), overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "src"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "left_out.csv",
        "prepared.json",
        "test_data",
        "train_data",
    ]


def test_an_interrupted_command_says_how_to_go_on(place, run, capfd, monkeypatch):
    from fbnet_pfld.evaluators.data import prepare as package

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(package, "prepare", interrupted)
    assert run("data", "prepare", "--format", "ibug", "src", "out") != 0
    assert "out.preparing; run the same command again" in capfd.readouterr().err
