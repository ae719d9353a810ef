# A closing line "N passed, N failed, N skipped"; where there is none, pytest's, as in
# "=== 1 failed, 7 passed, 2 skipped, 1 xfailed, 1 error in 0.12s ===". The last one counts.
/^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {
    closing = 1
    passed = $1; failed = $3; skipped = $5
}
!closing && /^(=+ )?[0-9]+ (passed|failed|errors?|skipped|deselected|xfailed|xpassed|warnings?)[, ].*in [0-9.]+s/ {
    passed = failed = skipped = 0
    for (i = 2; i <= NF; i++) {
        if ($i ~ /^(passed|xpassed)/) passed += $(i - 1)
        if ($i ~ /^(failed|errors?)/) failed += $(i - 1)
        if ($i ~ /^(skipped|xfailed)/) skipped += $(i - 1)
    }
}
END { print passed + 0, failed + 0, skipped + 0 }
