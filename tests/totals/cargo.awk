# libtest: "test result: ok. 5 passed; 0 failed; 1 ignored; ..." once for each binary, and the SKIP lines of
# xtent_tests::skip: "SKIP test: reason" came from a test that libtest counts as passed, "SKIP test/part: reason" from
# one that did the rest.
/^test result: / {
    for (i = 2; i <= NF; i++) {
        if ($i ~ /^passed/) passed += $(i - 1)
        if ($i ~ /^failed/) failed += $(i - 1)
        if ($i ~ /^ignored/) skipped += $(i - 1)
    }
}
/^SKIP / {
    skipped++
    sub(/:.*/, "")
    if ($0 !~ /\//) passed--
}
END { print passed + 0, failed + 0, skipped + 0 }
