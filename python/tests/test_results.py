"""What comes back: frozen, comparable, hashable, shown, matched and pickled."""

import copy
import enum
import pickle

import pytest

import xtent
from xtent import (
    Ability,
    Capabilities,
    DedupeResult,
    DedupeStatus,
    Destination,
    Extent,
    ExtentFlags,
    Protection,
    Reason,
    Report,
    TreeFailure,
    TreeReport,
    Usage,
    UsageReport,
)

RESULTS = [
    Report(),
    Report(1, 2, 3, Reason.NO_SPACE, 28, Reason.MISALIGNED, 4096),
    Report(destination=Destination.CHANGED, changed_from=0, protection=Protection.UNDO, undo_reserve=65536),
    Report(unkept={"owner", "acls"}, bytes_server=5, stable="snapshot"),
    DedupeResult(DedupeStatus.FAILED, 22, Reason.MISALIGNED),
    DedupeResult(DedupeStatus.DIFFERS, compared=5, shared=4, already_shared=0, differs_at=5),
    Ability(None),
    Ability(False, 95, Reason.FILESYSTEM_CANNOT),
    Capabilities(Ability(True), Ability(False, 18, Reason.DIFFERENT_FILESYSTEM), Ability(None), 4096),
    Extent(0, None, 5, ExtentFlags.HOLE),
    Extent(5, 2**63, 2**64 - 1, ExtentFlags.SHARED | ExtentFlags.ENCODED),
    TreeFailure("a/\udcff\n", 13, Reason.PERMISSION),
    TreeReport(),
    TreeReport(1, 2, 3, 4, 5, 6, 7, 8, [TreeFailure("a", 5, Reason.INPUT_OUTPUT)], Reason.BUSY, {"xattrs"}),
    Usage(),
    Usage(1, 4096, 8192, exclusive=4096, exclusive_most=8192, exact=False),
    UsageReport([Usage(1), Usage(2)], Usage(3), [TreeFailure("a", 5, Reason.INPUT_OUTPUT)]),
]
every_result = pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)


def fields(result: object) -> tuple[object, ...]:
    return tuple(getattr(result, name) for name in type(result).__match_args__)


@every_result
def test_equality_and_hash(result: object) -> None:
    same = type(result)(*fields(result))
    assert same == result and not same != result
    assert hash(same) == hash(result)
    assert result != fields(result)
    assert [other for other in RESULTS if other == result] == [result]


@every_result
def test_copies(result: object) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(result, protocol)) == result
    assert copy.copy(result) == copy.deepcopy(result) == result


@every_result
def test_frozen(result: object) -> None:
    for name in type(result).__match_args__:
        with pytest.raises(AttributeError):
            setattr(result, name, 0)
        with pytest.raises(AttributeError):
            delattr(result, name)
    with pytest.raises(AttributeError):
        setattr(result, "other", 0)


@every_result
def test_repr(result: object) -> None:
    fields = {name: getattr(result, name) for name in type(result).__match_args__}
    shown = [f"{name}={value!r}" for name, value in fields.items()]
    nothing = [f"{name}={value!r}" for name, value in fields.items() if value in (None, 0, "none", (), frozenset(), True)]
    told = [field for field in shown if field not in nothing or field in repr(result)]
    assert repr(result) == f"{type(result).__name__}({', '.join(told)})"


def test_repr_leaves_out_what_is_not_told() -> None:
    assert repr(Report()) == "Report()"
    assert repr(Report(bytes_copied=5, stable="lease")) == "Report(bytes_copied=5, stable='lease')"
    assert repr(TreeFailure("a", 5, Reason.BUSY)) == "TreeFailure(path='a', errno=5, reason=<Reason.BUSY: 38>)"
    shown = "DedupeResult(status=<DedupeStatus.SAME: 'same'>, compared=4, shared=0)"
    assert repr(DedupeResult(DedupeStatus.SAME, compared=4, shared=0)) == shown


def test_match() -> None:
    def told(result: object) -> str:
        match result:
            case Report(reason=None, bytes_copied=n):
                return f"copied {n}"
            case Report(_, _, _, Reason.NO_SPACE):
                return "full"
            case DedupeResult(DedupeStatus.FAILED, errno, reason):
                return f"failed: {errno} {reason and reason.name}"
            case TreeReport(failures=(TreeFailure(path, _, Reason.INPUT_OUTPUT),)):
                return f"damaged: {path}"
        return "else"

    assert [told(result) for result in RESULTS[:6]] == [
        *("copied 0", "full", "copied 0", "copied 0", "failed: 22 MISALIGNED", "else"),
    ]
    assert [told(result) for result in RESULTS if isinstance(result, TreeReport)] == ["else", "damaged: a"]


def test_bytes() -> None:
    assert Report(1, 2, 3).bytes == TreeReport(1, 2, 3).bytes == 6
    assert Report(2**64 - 1, 2).bytes == 2**64 - 1


def test_an_ability_is_true_only_when_it_is_there() -> None:
    assert [bool(Ability(answer)) for answer in (True, False, None)] == [True, False, False]


def test_extents_tell_what_they_are() -> None:
    hole, data = Extent(0, None, 5, ExtentFlags.HOLE), Extent(5, 1, 4, ExtentFlags(0))
    unwritten = Extent(9, 5, 1, ExtentFlags.UNWRITTEN)
    assert [(e.is_hole, e.is_data, e.end) for e in (hole, data, unwritten)] == [
        (True, False, 5),
        (False, True, 9),
        (False, False, 10),
    ]


@pytest.mark.parametrize("reason", Reason)
def test_reasons(reason: Reason) -> None:
    assert Reason(reason.value) is Reason[reason.name] is pickle.loads(pickle.dumps(reason)) is reason
    assert reason.text and not reason.text.endswith(".")
    assert reason != reason.value
    assert Report(reason=reason).reason is reason


def test_enums_are_enums() -> None:
    assert issubclass(Reason, enum.Enum) and issubclass(DedupeStatus, enum.Enum)
    assert issubclass(ExtentFlags, enum.Flag)
    for status in DedupeStatus:
        assert DedupeResult(status).status is status is pickle.loads(pickle.dumps(status))
    assert repr(DedupeStatus.SAME) == "<DedupeStatus.SAME: 'same'>"
    assert {type.__module__ for type in (Reason, DedupeStatus, ExtentFlags, Report)} == {"xtent"}


def test_fields_of_other_types() -> None:
    for wrong in (
        lambda: Report(reason=9),
        lambda: Report("1"),
        lambda: DedupeResult("same"),
        lambda: DedupeResult(Reason.OVERLAP),
        lambda: Extent(0, 0, 0, 1),
        lambda: Capabilities(True, True, True),
        lambda: TreeFailure(b"a", 5, Reason.BUSY),
        lambda: TreeReport(failures=["a"]),
    ):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(OverflowError):
        Report(-1)


def test_version() -> None:
    from importlib.metadata import version

    assert xtent.__version__ == version("xtent")
