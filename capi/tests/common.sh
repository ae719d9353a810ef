# What the scripts of these tests share: results, the tools they need, and the library. To be sourced, with $work set to a
# temporary directory and $root to the top of the tree.

log=$work/log
: >"$log"

die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

result() { # PASS, FAIL or SKIP; name; why
    echo "$1 $2${3:+: $3}" >>"$log"
}

# expect NAME COMMAND...: passes when the command does; else says what it printed.
expect() {
    local name=$1 said
    shift
    if said=$("$@" 2>&1 </dev/null); then
        result PASS "$name"
    else
        result FAIL "$name" "exit status $?: $(tail -n 20 <<<"$said")"
        return 1
    fi
}

# get PACKAGE: installs it, which root can. Else $why says why not.
get() {
    local get="apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=1 -o Acquire::http::Timeout=20"
    why="package $1 is missing"
    command -v apt-get >/dev/null || return
    [ "$(id -u)" = 0 ] || { why="$why, and only root can install it"; return 1; }
    why="$why, and apt-get cannot install it"
    export DEBIAN_FRONTEND=noninteractive
    $get install -y --no-install-recommends "$1" >/dev/null 2>&1 && return
    $get update >/dev/null 2>&1
    $get install -y --no-install-recommends "$1" >/dev/null 2>&1
}

# have PROGRAM PACKAGE: whether a program is there, after installing its package if need be. Else $why says why it is not.
have() {
    command -v "$1" >/dev/null || get "$2" && command -v "$1" >/dev/null
}

# The directory with libxtent.so and libxtent.a, built if XTENT_LIBRARY_DIR names none.
library() {
    if [ -z "${XTENT_LIBRARY_DIR:-}" ]; then
        cargo build --release --quiet --manifest-path "$root/Cargo.toml" -p xtent-capi || die "cargo build failed"
        XTENT_LIBRARY_DIR=$(cargo metadata --no-deps --format-version 1 --manifest-path "$root/Cargo.toml" |
            sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/release
    fi
    [ -e "$XTENT_LIBRARY_DIR/libxtent.so" ] || die "no library in $XTENT_LIBRARY_DIR"
}

# A program that stands in a document: header_program and readme_program print it.
header_program() {
    sed -n '/^ \* A program$/,/^ \* It is built/s/^ \*     //p' "$root/include/xtent.h" | must_have_main
}
readme_program() {
    sed -n '/^```c$/,/^```$/{/^```/d;p}' "$root/README.md" | must_have_main
}
must_have_main() {
    local program
    program=$(cat)
    grep -q 'int main' <<<"$program" || die "no C program in the document"
    echo "$program"
}

# closing: what did not pass, and one line of counts. Its status is whether all passed.
closing() {
    grep -v -e '^PASS ' -e '^SKIP ' "$log"
    grep '^SKIP ' "$log"
    echo "$(count PASS) passed, $(count FAIL) failed, $(count SKIP) skipped"
    [ "$(count FAIL)" = 0 ] && [ "$(count PASS)" -gt 0 ]
}
count() { grep -c "^$1 " "$log"; }
