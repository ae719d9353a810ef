# What the guests are made of, by the names of Debian packages, and how they are had: by apt, with sources, lists and
# status of its own, so that nothing is installed on this machine. To be sourced.

cache=${XTENT_VM_CACHE:-$(dirname "${BASH_SOURCE[0]}")/../../${CARGO_TARGET_DIR:-target}/vm}
mkdir -p "$cache"
cache=$(realpath "$cache")
debs=$cache/debs

# The kernels by the names that the guests are called by: suite, package.
suite_of() { case $1 in uml) echo bookworm ;; *) echo bookworm-backports ;; esac; }
package_of() { case $1 in uml) echo user-mode-linux ;; *) echo linux-image-cloud-amd64 ;; esac; }
kernels=(uml cloud)

# Programs of the guest. Samba and ksmbd's tools conflict as installed packages: each line is resolved alone.
programs=(
    "dash bash coreutils busybox-static kmod util-linux mount dmsetup python3-minimal libpython3.11-stdlib libgcc-s1"
    "xfsprogs btrfs-progs e2fsprogs f2fs-tools nilfs-tools fuse3 bindfs nfs-common nfs-kernel-server rpcbind"
    "samba samba-vfs-modules cifs-utils"
    "ksmbd-tools"
    "ocfs2-tools"
)
# What comes with these and is never run.
unneeded="libcephfs2 librados2 libgfapi0 libgfrpc0 libgfxdr0 libglusterfs0 librdmacm1x python3-samba libperl5.36 perl
perl-modules-5.36 libdpkg-perl dpkg procps psmisc lsof passwd adduser debconf perl-base tdb-tools samba-dsdb-modules
libpython3.11 python3 python3-pip gcc-12-base ucf init-system-helpers sysvinit-utils lsb-base libcups2"

# QEMU 7.2 of bookworm emulates cmpxchg16b wrongly, and Linux 6.12 falls over it: the one of backports is unpacked.
qemu=(qemu-system-x86 qemu-system-common qemu-system-data seabios)
qemu_libraries=(libfdt1 libslirp0 libpmem1 libndctl6 libdaxctl1 libaio1 liburing2 libpixman-1-0 libpng16-16 libglib2.0-0
    libseccomp2 libibverbs1 librdmacm1 libnl-3-200 libnl-route-3-200 libjpeg62-turbo libkmod2 libnuma1 libcapstone4
    libsasl2-2 libgnutls30 libvdeplug2)

# apt_for SUITE TOOL ARGUMENTS...: on the mirror that this machine is set up with.
apt_for() {
    local suite=$1 tool=$2 dir=$apt/$1
    shift 2
    mkdir -p "$dir"/{sources,lists/partial,archives/partial}
    if ! [[ -s $dir/sources/it.sources ]]; then
        local uri
        uri=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/*.sources 2> /dev/null || true)
        [[ $uri ]] || uri=$(awk '$1 == "deb" {for (i = 2; i <= NF; i++) if ($i ~ /^[a-z]+:\/\//) {print $i; exit}}' /etc/apt/sources.list)
        printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' \
            "$uri" "$suite" > "$dir/sources/it.sources"
        : > "$dir/status"
    fi
    "$tool" -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$dir/sources" -o Dir::State::lists="$dir/lists" \
        -o Dir::State::status="$dir/status" -o Dir::Cache="$dir/archives" -o APT::Install-Recommends=false \
        -o APT::Sandbox::User=root -qq "$@"
}
