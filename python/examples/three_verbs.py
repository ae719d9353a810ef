"""Clone a file, or say why not and copy it; then dedupe the two.

usage: three_verbs.py SOURCE DESTINATION
"""

import sys

import xtent


def main() -> None:
    with open(sys.argv[1], "rb") as src, open(sys.argv[2], "xb+") as dst:
        try:
            report = xtent.clone_range(src, dst)
            print(f"cloned {report.bytes_cloned} bytes")
        except OSError as refusal:
            print(f"not cloned: {refusal}")
            report = xtent.copy_range(src, dst)
            print(f"copied {report.bytes_copied} bytes, left {report.bytes_hole} as holes")

        try:
            [result] = xtent.dedupe_range(src, [(dst, 0)])
        except OSError as refusal:
            print(f"not deduped: {refusal}")
            return
        if result.reason:
            print(f"not deduped: {result.reason.text}")
        else:
            print(f"deduped: {result.shared} bytes are shared now, {result.already_shared} were before")


main()
