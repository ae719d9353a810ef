# To be sourced in a guest: servers of NFS and SMB, and their mounts, over the guest's own loopback.

# serve_nfs DIRECTORY...
serve_nfs() {
    # The grace period in which nobody gets locks, else 50 seconds.
    module lockd nlm_grace_period=3 nlm_timeout=3
    for name in nfsd nfsv4 nfsv3 auth_rpcgss rpcsec_gss_krb5; do module $name; done
    mount -t rpc_pipefs rpc /var/lib/nfs/rpc_pipefs
    mount -t nfsd nfsd /proc/fs/nfsd
    mkdir -p /run/rpcbind /export
    mount -t tmpfs export /export
    : > /var/lib/nfs/etab > /var/lib/nfs/rmtab
    local options=rw,no_root_squash,no_subtree_check,insecure dir number=0
    echo "/export *($options,fsid=0)" > /etc/exports
    for dir in "$@"; do
        number=$((number + 1))
        mkdir -p "/export/${dir##*/}"
        mount --bind "$dir" "/export/${dir##*/}"
        echo "/export/${dir##*/} *($options,fsid=$number)" >> /etc/exports
    done
    rpcbind -w 2> /dev/null || rpcbind
    echo 10 > /proc/fs/nfsd/nfsv4leasetime
    echo 10 > /proc/fs/nfsd/nfsv4gracetime
    exportfs -ra
    rpc.mountd
    # So many as tests/tests/servers.rs tells why.
    rpc.nfsd 64
    echo Y > /proc/fs/nfsd/v4_end_grace 2> /dev/null
}

# mount_nfs VERSION EXPORT DIRECTORY [OPTIONS]
mount_nfs() {
    mkdir -p "$3"
    local path=/$2
    [[ $1 == 3 ]] && path=/export/$2
    mount -t nfs -o "vers=$1,nolock,hard${4:+,$4}" "127.0.0.1:$path" "$3"
}

# serve_samba DIRECTORY...: on port 1445.
serve_samba() {
    module cifs
    mkdir -p /var/lib/samba/private /run/samba /var/log/samba /var/cache/samba /etc/samba
    {
        echo '[global]
        workgroup = WORKGROUP
        netbios name = GUEST
        disable netbios = yes
        smb ports = 1445
        server role = standalone
        load printers = no
        printing = bsd
        disable spoolss = yes
        passdb backend = smbpasswd:/etc/samba/smbpasswd'
        for dir in "$@"; do
            printf '[%s]\npath = %s\nread only = no\nguest ok = yes\n' "${dir##*/}" "$dir"
            [[ $(stat -f -c %T "$dir") == btrfs ]] && echo 'vfs objects = btrfs'
        done
    } > /etc/samba/smb.conf
    printf 'secret\nsecret\n' | smbpasswd -s -a root > /dev/null 2>&1
    smbd -D
    wait_for_port 1445
}

# serve_ksmbd DIRECTORY...: on port 445.
serve_ksmbd() {
    module ksmbd
    module cifs
    mkdir -p /etc/ksmbd /run/ksmbd
    {
        printf '[global]\nnetbios name = GUEST\nserver min protocol = SMB2_10\nworkgroup = WORKGROUP\n'
        for dir in "$@"; do
            printf '[%s]\npath = %s\nread only = no\nbrowseable = yes\nguest ok = yes\n' "${dir##*/}" "$dir"
        done
    } | tee /etc/ksmbd/ksmbd.conf > /etc/ksmbd/smb.conf
    : > /etc/ksmbd/ksmbdpwd.db
    ksmbd.adduser -c /etc/ksmbd/ksmbd.conf -i /etc/ksmbd/ksmbdpwd.db -a -p secret root > /dev/null 2>&1 ||
        ksmbd.adduser -a root -p secret > /dev/null 2>&1
    ksmbd.mountd -c /etc/ksmbd/ksmbd.conf -u /etc/ksmbd/ksmbdpwd.db || ksmbd.mountd
    wait_for_port 445
}

wait_for_port() {
    local i hex
    hex=$(printf ':%04X ' "$1")
    for ((i = 0; i < 600; i++)); do
        grep -q "$hex" /proc/net/tcp /proc/net/tcp6 2> /dev/null && return
        sleep 0.1
    done
    return 1
}

# mount_smb PORT SHARE DIRECTORY [OPTIONS]: locks are kept by the client alone, for the server's are mandatory, and who
# looks at a file that its caller has locked would be refused. Nor does it keep files open after they are closed, or answer
# from what it knows: the tests look at the server's side, too.
mount_smb() {
    mkdir -p "$3"
    mount -t cifs "//127.0.0.1/$2" "$3" -o "username=root,password=secret,vers=3.1.1,nobrl,closetimeo=0,actimeo=0,port=$1${4:+,$4}"
}
