"""The Python face of the table. The protocol, and what a driver is, stand in driver.rs."""

import contextlib
import fcntl
import os
import signal
import sys
from urllib.parse import unquote_to_bytes

import xtent

TO_END = 2**64 - 1
DESTINATION = {None: 0, **{word: i + 1 for i, word in enumerate(xtent.Destination)}}
PROTECTION = {None: 0, **{way: i + 1 for i, way in enumerate(xtent.Protection)}}
STATUS = {
    xtent.DedupeStatus.NOT_REACHED: 0,
    xtent.DedupeStatus.SAME: 1,
    xtent.DedupeStatus.DIFFERS: 2,
    xtent.DedupeStatus.FAILED: 3,
}
CHOICES = ("sparse", "cache", "server")
WORDS = ("verb", "undo", "atomic", "measure", "blocks", *CHOICES)
ANSWER = {None: 0, True: 1, False: 2}

# Each a number, and whether it is ours to close.
slots = []


def open_all(words):
    for number, ours in slots:
        if ours and number >= 0:
            os.close(number)
    slots.clear()
    for word in words:
        if word.startswith("="):
            slots.append((int(word[1:]), False))
            continue
        flags, path = word.split(":", 1)
        try:
            slots.append((os.open(unquote_to_bytes(path), int(flags)), True))
        except OSError as error:
            slots.append((-error.errno, True))
    return "opened " + " ".join(str(number) for number, _ in slots)


def prepare(number, byte):
    """Set the position, and take a lock on one byte: which kind, or "-"."""
    try:
        os.lseek(number, 3, os.SEEK_SET)
    except OSError:
        pass
    try:
        writes = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        fcntl.lockf(number, (fcntl.LOCK_EX if writes else fcntl.LOCK_SH) | fcntl.LOCK_NB, 1, byte)
    except OSError:
        return "-"
    return "w" if writes else "r"


def set_alarms(on):
    """A signal every millisecond, to a handler that does nothing."""
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.001 if on else 0, 0.001 if on else 0)


def position(number):
    try:
        return os.lseek(number, 0, os.SEEK_CUR)
    except OSError:
        return -1


def code(reason):
    return 0 if reason is None else reason.value


def known(number):
    return "-" if number is None else number


def status(error=None):
    if error is None:
        return " errno=0 reason=0"
    return f" errno={error.errno} reason={code(error.reason)}"


def report_words(report, value, error=None):
    return status(error) + (
        f" value={value} bytes={report.bytes} copied={report.bytes_copied} cloned={report.bytes_cloned}"
        f" hole={report.bytes_hole} server={report.bytes_server} fallback={code(report.fallback)} alignment={report.alignment or 0}"
        f" end={report.errno or 0},{code(report.reason)}"
        f" dest={DESTINATION[report.destination]},{report.changed_from or 0},{changed_to(report)}"
        f" prot={PROTECTION[report.protection]}"
    )


def target(result):
    numbers = [
        STATUS[result.status],
        result.errno or 0,
        code(result.reason),
        result.compared,
        known(result.shared),
        known(result.already_shared),
        known(result.differs_at),
    ]
    return " t=" + ",".join(map(str, numbers))


def ability(found):
    return f"{ANSWER[found.answer]},{found.errno or 0},{code(found.reason)}"


def changed_to(report):
    if report.destination is not xtent.Destination.CHANGED:
        return 0
    return TO_END if report.changed_to is None else report.changed_to


def move(verb, call, **options):
    slot, offset = call["to"][0]
    options |= {name: call[name] for name in CHOICES if name in call}
    try:
        report = verb(
            call["src"], slots[slot][0], call["len"], src_offset=call["src_off"], dst_offset=offset, **options
        )
    except OSError as error:
        return report_words(error.report, "-", error) + kept(error)
    return report_words(report, 0 if verb is xtent.clone_range else report.bytes) + kept(None)


def kept(error):
    number = getattr(error, "undo_fd", None)
    if number is None:
        return " kept=-"
    with open(number, "rb") as file:
        return f" kept={os.fstat(file.fileno()).st_size}"


def clone(call):
    options = {word: call[word] for word in ("undo", "atomic") if word in call}
    if "scratch" in call:
        options["scratch_dir"] = slots[call["scratch"]][0]
    return move(xtent.clone_range, call, keep_undo="keep" in call, **options)


def dedupe(call):
    targets = [(slots[slot][0], offset) for slot, offset in call["to"]]
    options = {"measure": call.get("measure") != "no", "blocks": call.get("blocks") == "yes"}
    options["cache"] = call.get("cache", "keep")
    results = xtent.dedupe_range(call["src"], targets, call["len"], src_offset=call["src_off"], **options)
    return "".join(map(target, results))


def extents(call):
    found = xtent.extents(call["src"], call["src_off"], call["len"])
    return "".join(f" x={e.logical},{e.physical or 0},{e.length},{e.flags.value}" for e in found)


def shared_bytes(call):
    return f" value={xtent.shared_bytes(call['src'], slots[call['to'][0][0]][0])}"


def probe(call):
    found = xtent.probe(call["src"], slots[call["to"][0][0]][0])
    return (
        f" copy={ability(found.copy)} clone={ability(found.clone)} dedupe={ability(found.dedupe)}"
        f" alignment={found.alignment or 0}"
    )


def answer(call):
    verb = call["verb"]
    if verb == "clone_range":
        return clone(call)
    if verb in ("copy_range", "clone_or_copy_range"):
        return move(getattr(xtent, verb), call)
    looks = {"dedupe_range": dedupe, "extents": extents, "shared_bytes": shared_bytes, "probe": probe}[verb]
    try:
        return status() + looks(call)
    except OSError as error:
        return status(error)


KEPT = ["mode", "owner", "times", "xattrs", "acls", "destination"]


def bits(unkept):
    return sum(1 << KEPT.index(name) for name in unkept)


def file(words):
    """A verb that takes paths."""
    call = {"to": []}
    for word in words:
        key, value = word.split("=", 1)
        if key in ("src", "to", "scratch"):
            value = unquote_to_bytes(value)
        if key == "to":
            call["to"].append(value)
        else:
            call[key] = value
    verb = getattr(xtent, call["verb"])
    if call["verb"] == "dedupe_files":
        try:
            return "done" + status() + "".join(map(target, verb(call["src"], call["to"])))
        except OSError as error:
            return "done" + status(error)
    with contextlib.ExitStack() as held:
        return "done" + made(verb, call, held)


def opened(held, path):
    number = os.open(path, os.O_RDONLY)
    held.callback(os.close, number)
    return number


def made(verb, call, held):
    src, dst = call["src"], call["to"][0]
    options = {"replace": "replace" in call, "durable": "durable" in call}
    if call.get("by") == "directory":
        options["src_dir_fd"], options["dst_dir_fd"] = (opened(held, os.path.dirname(path)) for path in (src, dst))
        src, dst = os.path.basename(src), os.path.basename(dst)
    elif call.get("by") == "open":
        src = opened(held, src)
    if call["verb"].endswith("_tree"):
        return tree(verb, src, dst, options)
    options["follow_symlinks"] = "follow" in call
    options["preserve"] = [name for bit, name in enumerate(KEPT) if int(call["preserve"]) >> bit & 1]
    options["stable"] = call.get("stable", "none")
    if "scratch" in call:
        options["scratch_dir"] = opened(held, call["scratch"])
    try:
        report = verb(src, dst, **options)
        said = report_words(report, 0)
    except OSError as error:
        report = error.report
        said = report_words(report, "-", error)
    return f"{said} unkept={bits(report.unkept)} stable={report.stable}"


def tree(verb, src, dst, options):
    try:
        report = verb(src, dst, **options)
    except OSError as error:
        at = error.filename
        if isinstance(at, int) or at == src:
            at = b""
        elif isinstance(src, bytes):
            at = os.path.relpath(at, src)
        return status(error) + f" at={os.fsdecode(at)}"
    return status() + (
        f" files={report.files} directories={report.directories} links={report.links} specials={report.specials}"
        f" bytes={report.bytes} copied={report.bytes_copied} cloned={report.bytes_cloned} hole={report.bytes_hole}"
        f" fallback={code(report.fallback)} vanished={report.vanished} failures={len(report.failures)}"
        f" lost={bits(report.unkept)}"
    )


def parse(words):
    call = {"to": []}
    for word in words:
        key, value = word.split("=", 1)
        if key == "to":
            call["to"].append(tuple(map(int, value.split(","))))
        else:
            call[key] = value if key in WORDS else int(value)
    call["src"] = slots[call["src"]][0]
    if call["len"] == TO_END:
        call["len"] = None
    return call


def call_one(words):
    call = parse(words)
    locks = [prepare(number, byte) for byte, (number, _) in enumerate(slots)]
    if "uid" in call:
        os.seteuid(call["uid"])
    set_alarms("alarms" in call)
    said = answer(call)
    set_alarms(False)
    if "uid" in call:
        os.seteuid(0)
    positions = ",".join(str(position(number)) for number, _ in slots)
    return f"done{said} pos={positions} locks={','.join(locks)}"


for line in sys.stdin:
    words = line.split()
    print({"open": open_all, "call": call_one, "file": file}[words[0]](words[1:]), flush=True)
