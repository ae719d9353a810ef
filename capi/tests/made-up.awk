# Makes a header of another version out of ours, for a program that is compiled with it: of an earlier one, whose structs
# that grow have their first four members only (how=shorter), or of a later one, with members that we do not know
# (how=longer).

/^struct .* \{$/ { name = $2; members = 0; dropping = 0 }
name && /^    uint32_t size;$/ { grows = 1 }

# The comment before the fifth member, and all that follows.
grows && how == "shorter" && members >= 4 { dropping = 1 }
grows && /^#define .*_INIT/ {
    sub(/_INIT.*/, "_INIT { sizeof(struct " name ") }")
    if (how == "longer") print "    uint64_t made_up[3];"
    print
    dropping = 1
    next
}
/^};$/ { name = ""; grows = dropping = 0 }
name && /;$/ && !/^ *\*/ { members++ }
!dropping { print }
