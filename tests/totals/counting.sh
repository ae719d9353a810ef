# What the scripts that check things share: run a step, show it, count it, and close with the totals. To be sourced, from
# the top of the tree.

passed=0 failed=0 skipped=0
failures=() skips=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM HUP

# show NAME CMD...: runs it, shows its output and keeps it in $log, and says how long it took. The status is CMD's.
show() {
    local begun=$SECONDS status
    printf '\n== %s\n' "$1"
    "${@:2}" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    printf '== %s: %d s\n' "$1" $((SECONDS - begun))
    return "$status"
}

fail() {
    failed=$((failed + 1))
    failures+=("$1")
}

# check NAME CMD...: one that passes or fails as a whole.
check() {
    if show "$@"; then passed=$((passed + 1)); else fail "$1"; fi
}

# need NAME CMD...: preparation. It is no test, but its failure is one.
need() {
    show "$@" || fail "$1"
    note_skips "$1"
}

# suite NAME FORMAT CMD...: one that counts its tests itself.
suite() {
    local name=$1 format=$2 status p f s
    show "$name" "${@:3}"
    status=$?
    read -r p f s < <(awk -f "tests/totals/$format.awk" "$log")
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    if ((f > 0)); then
        failures+=("$name: $f tests")
    elif ((status != 0)); then
        fail "$name: exit status $status"
    elif ((p == 0)); then
        fail "$name: ran no test"
    fi
    note_skips "$name"
}

# The reasons: `SKIP name: reason` of ours, SKIPPED of pytest -rs, `test name ... ignored, reason` of libtest.
note_skips() {
    local line
    while IFS= read -r line; do skips+=("$1: $line"); done < <(sed -nE \
        -e 's/^SKIP //p' -e 's/^SKIPPED (\[[0-9]+\] )?//p' -e 's/^test (.*) \.\.\. ignored(, )?/\1: ignored \2/p' "$log")
}

# totals: what was skipped and why, what failed, and one line of counts. Its status is whether all passed.
totals() {
    printf '\n== totals\n'
    ((${#skips[@]} == 0)) || printf 'skipped  %s\n' "${skips[@]}"
    ((${#failures[@]} == 0)) || printf 'failed   %s\n' "${failures[@]}"
    echo "$passed passed, $failed failed, $skipped skipped"
    ((failed == 0))
}
