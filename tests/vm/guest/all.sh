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
if [[ ${XTENT_COLUMNS-all} ]]; then
    IFS=, read -ra cases <<< "${XTENT_CASES-}"
    read -ra columns <<< "${XTENT_COLUMNS-}"
    for part in "${cases[@]:-}"; do
        # With the drivers of more at once a guest runs out of memory.
        for ((i = 0; i == 0 || i < ${#columns[@]}; i += 7)); do
            [[ ! -v XTENT_COLUMNS ]] || XTENT_COLUMNS="${columns[*]:i:7}"
            /payload/conformance "$part" | tee /tmp/said || status=1
            # A name that no case has, or a filesystem that is not there, is no success.
            for name in ${XTENT_COLUMNS-}; do
                if ! grep "^column $name: " /tmp/said | grep -qv ': 0 checks, 0 failed, 0 not'; then
                    echo "FAILED no check on $name of '$part'"
                    status=1
                fi
            done
        done
    done
fi
exit $status
