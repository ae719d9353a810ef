"""Whether files in a directory can be cloned: says so, and why not; the exit status is 0 if they can.

    can_clone.py DIRECTORY
"""

import sys
import tempfile

import xtent

directory = sys.argv[1]
with tempfile.TemporaryFile(dir=directory) as src, tempfile.TemporaryFile(dir=directory) as dst:
    ability = xtent.probe(src, dst).clone
if not ability:
    print(f"Clones do not work in the build directory: {ability.reason.text}.")
sys.exit(0 if ability else 1)
