#!/bin/bash
# all.sh SET...: what is looked at in a guest, on these sets of filesystems.
. /payload/.vm/filesystems.sh
. /payload/.vm/servers.sh
. /payload/.vm/sets.sh

make_sets "$@"
status=0
printf 'KERNEL\t%s\n' "$(uname -r | cut -d. -f1,2)"
/payload/works || status=1
if [[ " $* " == *\ nfs\ * ]]; then /payload/servers || status=1; fi
# One driver for each case on a filesystem, the next on the next.
XTENT_TURNS=1 XTENT_COLUMNS=${XTENT_COLUMNS-"xfs btrfs ext4 tmpfs overlay"} /payload/conformance || status=1
exit $status
