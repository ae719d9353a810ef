# Makes a header of another version out of ours, for a program that is compiled with it: of an earlier one, whose structs
# that grow have their first so many members only (members=4), or of a later one, with members that we do not know.

/^struct .* \{$/ { name = $2; n = 0; dropping = 0 }
name && /^    uint32_t size;$/ { grows = 1 }

# The comment before the first member that is too many, and all that follows.
grows && members && n >= members { dropping = 1 }
grows && /^#define .*_INIT/ {
    sub(/_INIT.*/, "_INIT { sizeof(struct " name ") }")
    if (!members) print "    uint64_t made_up[3];"
    print
    dropping = 1
    next
}
/^};$/ { name = ""; grows = dropping = 0 }
name && /;$/ && !/^ *\*/ { n++ }
!dropping { print }
