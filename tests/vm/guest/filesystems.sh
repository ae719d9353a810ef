# To be sourced in a guest: makes, mounts and lists filesystems for the tests.

# offer NAME TYPE DIRECTORY [BENEATH]: adds a line to XTENT_FILESYSTEMS, and to XTENT_BENEATH if the files are kept in a
# directory of another one (tests/src/filesystems.rs).
XTENT_FILESYSTEMS= XTENT_BENEATH= XTENT_SKIPPED=
export XTENT_FILESYSTEMS XTENT_BENEATH XTENT_SKIPPED
offer() {
    chmod 777 "$3"
    XTENT_FILESYSTEMS+="$1"$'\t'"$2"$'\t'"$3"$'\n'
    [[ -z ${4:-} ]] || XTENT_BENEATH+="$1"$'\t'"$4"$'\n'
}
skipped() { XTENT_SKIPPED+="$1"$'\t'"$2"$'\n'; }

module() { modprobe -q "$@" 2> /dev/null; }
known() { grep -qw "$1" /proc/filesystems || { module "$1" && grep -qw "$1" /proc/filesystems; }; }

# make_and_mount TYPE DEVICE DIRECTORY [ARGUMENTS OF MKFS...]
make_and_mount() {
    local type=$1 device=$2 dir=$3
    shift 3
    mkdir -p "$dir"
    known "$type" || return
    module crc32c_generic
    case $type in
        xfs | btrfs | f2fs | nilfs2) "mkfs.$type" -q -f "$@" "$device" ;;
        ext4) mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1 "$@" "$device" ;;
        ocfs2)
            module ocfs2_stackglue
            module ocfs2_stack_o2cb
            echo y | mkfs.ocfs2 -q -F -M local --fs-feature-level=max-features -b 4096 -C 4096 -N 2 "$@" "$device"
            ;;
    esac > /tmp/mkfs 2>&1 || { cat /tmp/mkfs && return 1; }
    mount -t "$type" "$device" "$dir"
}

# overlay DIRECTORY UPPER [LOWER [OPTIONS]]: of directories on these filesystems.
overlay() {
    local lower=${3:-$2}/lower-${1##*/} upper=$2/upper-${1##*/} work=$2/work-${1##*/}
    module overlay
    mkdir -p "$lower" "$upper" "$work" "$1"
    mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work${4:+,$4}" "$1"
}
