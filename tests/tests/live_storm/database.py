"""The program whose database is copied, and the one that looks at the copies.

usage: database.py write DATABASE wal|delete      writes until its input ends; says "ready" first
       database.py check                          answers each line, the path of a copy, with "ok" or what is wrong
"""

import os
import sqlite3
import sys
import threading

ACCOUNTS, TOTAL = 2000, 2_000_000


def write(path: str, journal: str) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    [[mode]] = database.execute(f"pragma journal_mode={journal}")
    assert mode == journal
    # Checkpoints as often as they come in a large database under load.
    database.execute("pragma wal_autocheckpoint=50")
    # What the kernel has is what the copier sees; this storm cuts no power.
    database.execute("pragma synchronous=off")
    database.execute("create table account (id integer primary key, balance integer, note text)")
    database.execute("create table transfer (id integer primary key, source integer, target integer)")
    database.execute("create index by_balance on account (balance)")
    database.execute("begin")
    rows = ((i, TOTAL // ACCOUNTS, "x" * 200) for i in range(ACCOUNTS))
    database.executemany("insert into account values (?, ?, ?)", rows)
    database.execute("commit")
    print("ready", flush=True)

    end = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), end.set()), daemon=True).start()
    number = 0
    while not end.is_set():
        number += 1
        database.execute("begin immediate")
        for step in range(1 + number % 20):
            source, target = (number * 7919 + step) % ACCOUNTS, (number * 104729 + step * 31) % ACCOUNTS
            database.execute("update account set balance = balance - 1 where id = ?", [source])
            database.execute("update account set balance = balance + 1 where id = ?", [target])
            database.execute("insert into transfer (source, target) values (?, ?)", [source, target])
        database.execute("commit")
        end.wait(0.001)
    print(number, flush=True)
    # Without the checkpoint and clean-up of an orderly end.
    os._exit(0)


def check(path: str) -> str:
    database = sqlite3.connect(path)
    try:
        [[verdict]] = database.execute("pragma integrity_check(1)")
        if verdict != "ok":
            return verdict.replace("\n", " ")
        [[total]] = database.execute("select sum(balance) from account")
        if total != TOTAL:
            return f"the accounts hold {total}"
        return "ok"
    except sqlite3.DatabaseError as error:
        return f"{type(error).__name__}: {error}"
    finally:
        database.close()


if sys.argv[1] == "write":
    write(sys.argv[2], sys.argv[3])
else:
    for line in sys.stdin:
        print(check(line.rstrip("\n")), flush=True)
