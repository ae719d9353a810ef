#!/bin/bash
# all.sh SET...: what is looked at in a guest, on these sets of filesystems. XTENT_COLUMNS tells on which of them the
# table is run, which is all; with XTENT_COLUMNS= on none. XTENT_CASES: only cases with one of these in their names, with
# commas between.
set -o pipefail
. /payload/.vm/filesystems.sh
. /payload/.vm/servers.sh
. /payload/.vm/sets.sh

make_sets "$@"
status=0
printf 'KERNEL\t%s\n' "$(uname -r | cut -d. -f1,2)"
/payload/works || status=1
if [[ " $* " == *\ nfs\ * ]]; then /payload/servers || status=1; fi
# One driver for each case on a filesystem, the next on the next.
export XTENT_TURNS=1

# column NAME PART: those cases on that filesystem. A name that no case has, or a filesystem that is not there, is no success.
column() {
    local status=0
    XTENT_COLUMNS=$1 /payload/conformance "$2" | tee "/tmp/said-$1" || status=1
    if ! grep "^column $1: " "/tmp/said-$1" | grep -qv ': 0 checks, 0 failed, 0 not'; then
        echo "FAILED no check on $1 of '$2'"
        status=1
    fi
    return "$status"
}

IFS=, read -ra cases <<< "${XTENT_CASES-}"
read -ra columns <<< "${XTENT_COLUMNS-$(cut -f 1 <<< "$XTENT_FILESYSTEMS" | grep -vx xfs2 | tr '\n' ' ')}"
for part in "${cases[@]:-}"; do
    # With the drivers of more than seven at once a guest runs out of memory. Each in a process of its own: user-mode Linux
    # maps the memory of a process in pieces on the host, whose vm.max_map_count ends it with SIGKILL at some 300 MiB.
    running=0
    for name in "${columns[@]}"; do
        if ((running == 7)); then
            wait -n || status=1
            running=$((running - 1))
        fi
        column "$name" "$part" &
        running=$((running + 1))
    done
    for ((; running > 0; running--)); do wait -n || status=1; done
done
# What the kernel has to say of a failure.
((status == 0)) || dmesg | tail -n 40
exit $status
