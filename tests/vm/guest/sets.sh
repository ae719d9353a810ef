# To be sourced in a guest, behind filesystems.sh and servers.sh: the sets of filesystems, and where the tests find what
# they need.

# share SERVER TYPE: a directory of that filesystem, which the server gives away under the filesystem's name.
share() {
    mkdir -p "/m/$2/$1" "/m/$1/$2"
    mount --bind "/m/$2/$1" "/m/$1/$2"
    chmod 777 "/m/$1/$2"
}

make_sets() {
    local set type disk
    for set in "$@"; do case $set in
    local)
        make_and_mount xfs "$SCRATCH1" /m/xfs -m reflink=1 && offer xfs xfs /m/xfs
        make_and_mount xfs "$SCRATCH2" /m/xfs2 -m reflink=1 && offer xfs2 xfs /m/xfs2
        make_and_mount btrfs "$SCRATCH3" /m/btrfs && offer btrfs btrfs /m/btrfs
        make_and_mount ext4 "$SCRATCH4" /m/ext4 && offer ext4 ext4 /m/ext4
        mkdir -p /m/tmpfs && mount -t tmpfs tmpfs /m/tmpfs && offer tmpfs tmpfs /m/tmpfs
        overlay /m/overlay /m/xfs && offer overlay overlay /m/overlay
        ;;
    more)
        for type in ocfs2 f2fs nilfs2; do
            known $type || continue
            case $type in ocfs2) disk=$SCRATCH5 ;; f2fs) disk=$SCRATCH6 ;; nilfs2) disk=$SCRATCH7 ;; esac
            make_and_mount $type "$disk" /m/$type && offer $type $type /m/$type
        done
        overlay /m/overlay-btrfs /m/btrfs && offer overlay-btrfs overlay /m/overlay-btrfs
        overlay /m/overlay-ext4 /m/ext4 && offer overlay-ext4 overlay /m/overlay-ext4
        overlay /m/overlay-mixed /m/xfs /m/ext4 && offer overlay-mixed overlay /m/overlay-mixed
        overlay /m/overlay-metacopy /m/xfs /m/xfs metacopy=on,redirect_dir=on &&
            offer overlay-metacopy overlay /m/overlay-metacopy
        module fuse
        mkdir -p /m/fuse /m/xfs/beneath && bindfs /m/xfs/beneath /m/fuse && offer fuse fuse /m/fuse /m/xfs/beneath
        ;;
    nfs)
        for type in xfs btrfs ext4; do share nfs $type; done
        serve_nfs /m/nfs/{xfs,btrfs,ext4}
        for type in xfs btrfs ext4; do
            mount_nfs 4.2 $type /m/nfs4.2-$type && offer nfs4.2-$type nfs /m/nfs4.2-$type /m/nfs/$type
        done
        mount_nfs 4.1 xfs /m/nfs4.1 nosharecache && offer nfs4.1 nfs /m/nfs4.1 /m/nfs/xfs
        mount_nfs 3 xfs /m/nfs3 nosharecache && offer nfs3 nfs /m/nfs3 /m/nfs/xfs
        ;;
    samba)
        for type in btrfs ext4; do share samba $type; done
        serve_samba /m/samba/{btrfs,ext4}
        for type in btrfs ext4; do
            mount_smb 1445 $type /m/samba-$type && offer smb-samba-$type smb /m/samba-$type /m/samba/$type
        done
        ;;
    ksmbd)
        known ksmbd; modprobe -n ksmbd || continue
        for type in xfs ext4; do share ksmbd $type; done
        serve_ksmbd /m/ksmbd/{xfs,ext4}
        for type in xfs ext4; do
            mount_smb 445 $type /m/ksmbd-$type && offer smb-ksmbd-$type smb /m/ksmbd-$type /m/ksmbd/$type
        done
        ;;
    esac; done
}

export TMPDIR=/m/tmpfs XTENT_DRIVERS=/payload/drivers PYTHONPATH=/payload/drivers LD_LIBRARY_PATH=/payload/drivers
export XTENT_PYTHON=/usr/bin/python3
