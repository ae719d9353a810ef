#!/bin/bash
# cuts.sh N [SEED [TYPE...]]: so many power cuts on each of these filesystems; on XFS, and on btrfs. xfs-exchange is XFS
# with ranges that are exchanged, from Linux 6.10 on.
. /payload/.vm/filesystems.sh
status=0
cuts=$1 seed=${2:-1}
shift 2 2> /dev/null || shift
(($# > 0)) || set -- xfs btrfs
for type in "$@"; do
    known ${type%-exchange}
    /payload/power_cut "$SCRATCH1" $type --cuts "$cuts" --seed "$seed" || status=1
done
exit $status
