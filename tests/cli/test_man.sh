#!/bin/sh
# SPDX-License-Identifier: MIT
# test_man.sh [PROGRAM] - the manual page says of every verb and option what the help says: the help is made from the
# table of options, and so cannot be wrong.
#
# Every verb has an entry and a line in the synopsis. Every option of a verb has an entry with the same letter and the
# same value, either in a section that is "Of" this verb or of every verb, or which names the verb. Nothing else has.

bin=${1:-build/bin/edgeinfer}
here=$(dirname "$0")
man=docs/edgeinfer.1
tab=$(printf '\t')
. "$here/checks.sh"

expect 0 "help" help
verbs=$(awk '/^verbs:/ { on = 1; next } /^try:/ { exit } on && /^  [a-z]/ { print $1 }' "$out")
check "help lists verbs" at_least "$(echo "$verbs" | wc -l)" 6
grep -o '[0-9] [a-z]' "$out" | cut -c1 | sort -u >"$tmp/codes"

# ------------------------------------------------------------------------------------ the page as plain lines --
# "SECTION<tab>HEADER<tab>TEXT" for each entry (.TP), roff taken away: sections are the titles of .SH and .SS.
awk '
function plain(s) {
    gsub(/\\f[BIR]/, "", s); gsub(/\\/, "", s); sub(/^\.(BR|BI|B|I|RI|IR) /, "", s)
    gsub(/ ?", ?" ?/, ", ", s); gsub(/"/, "", s); gsub(/  +/, " ", s); sub(/ $/, "", s)
    return s
}
function flush() { if (header != "") print section "\t" header "\t" text; header = text = "" }
/^\.S[HS] / { flush(); section = plain(substr($0, 5)); next }
/^\.TP/ { flush(); expects = 1; next }
expects { header = plain($0); expects = 0; next }
{ text = text " " plain($0) }
END { flush() }' "$man" >"$tmp/entries"
check "the page has entries" at_least "$(wc -l <"$tmp/entries")" 40
sed -n '/^\.SH SYNOPSIS/,/^\.SH DESCRIPTION/p' "$man" >"$tmp/synopsis"

# ------------------------------------------------------------------------------------------ verbs, options --
: >"$tmp/options"
for verb in $verbs; do
    expect 0 "$verb --help" "$verb" --help
    check "$verb --help: 40 lines at most" at_most "$(wc -l <"$out")" 40
    check "$verb --help: 110 columns at most" test -z "$(awk 'length > 110' "$out")"
    check "$verb --help: examples" out_has "  edgeinfer $verb"
    check "$verb --help: exit codes" out_has "exit codes: 0 done"
    check "$verb --help: stderr is empty" test ! -s "$err"
    check "the synopsis has $verb" grep -qF "edgeinfer $verb" "$tmp/synopsis"
    check "the page has an entry for $verb" grep -q "^VERBS$tab$verb$tab" "$tmp/entries"
    cp "$out" "$tmp/help"
    expect 0 "help $verb" help "$verb"
    check "help $verb is $verb --help" cmp -s "$out" "$tmp/help"
    expect 0 "$verb --help-all" "$verb" --help-all
    cp "$out" "$tmp/help"
    # The left column of the options, "-c, --ctx N": 29 characters behind two blanks, or a line of its own.
    awk '/^options:/ { on = 1; next } /^$/ { on = 0 }
         on { print substr($0, 32, 1) == " " || length < 32 ? substr($0, 3, 29) : $0 }' "$tmp/help" |
        sed 's/^ *//; s/ *$//; /^$/d' >"$tmp/left"
    check "$verb --help: options" at_least "$(wc -l <"$tmp/left")" 6
    while read -r option; do
        echo "$option" >>"$tmp/options"
        awk -F '\t' -v verb="$verb" -v option="$option" '
            $2 == option && ($1 == "Of every verb" || $1 " " $3 ~ "(^|[^a-z-])" verb "([^a-z-]|$)") { found = 1 }
            END { exit !found }' "$tmp/entries"
        check "the page has \"$option\" for $verb" test $? = 0
    done <"$tmp/left"
done
echo "--version" >>"$tmp/options"
sort -u "$tmp/options" >"$tmp/in_help"
awk -F '\t' '$2 ~ /^-/ { print $2 }' "$tmp/entries" | sort -u >"$tmp/in_man"
comm -13 "$tmp/in_help" "$tmp/in_man" >"$out"; : >"$err"
check "the page has no other options" test ! -s "$out"
awk -F '\t' '$2 ~ /^-/ { print $2 }' "$tmp/entries" | sort | uniq -d >"$out"
check "the page has each option once" test ! -s "$out"
{ sed 's/\\-/-/g' "$man" | grep -o -e '--[a-z][a-z-]*' | sort -u; } >"$tmp/named"
grep -o -e '--[a-z][a-z-]*' "$tmp/in_help" | sort -u | comm -13 - "$tmp/named" >"$out"
check "the page names no option that is not there" test ! -s "$out"
awk -F '\t' '$1 ~ /^Of / { print $1 }' "$tmp/entries" | sed 's/^Of //; s/ and /, /; s/, /\n/g' | sort -u |
    { echo "$verbs" | sort -u >"$tmp/verbs"; comm -23 - "$tmp/verbs"; } | grep -v -x -e 'every verb' -e 'the command' >"$out"
check "sections name verbs that are there" test ! -s "$out"
awk -F '\t' '$1 == "VERBS" && $2 ~ /^[a-z]+$/ { print $2 }' "$tmp/entries" | grep -vx help | sort -u | comm -13 "$tmp/verbs" - >"$out"
check "the page has no other verbs" test ! -s "$out"

# --------------------------------------------------------------------------------- exit status, environment --
while read -r code; do
    check "the page has exit code $code" grep -q "^EXIT STATUS$tab$code$tab" "$tmp/entries"
done <"$tmp/codes"
check "the help has six exit codes or more" at_least "$(wc -l <"$tmp/codes")" 6
for name in $(cat cli/env.c cli/env.h | grep -o 'EINF_[A-Z_]*' | grep -v -e '_H$' -e 'EINF_CPU_$' | sort -u); do
    check "the page has $name" grep -q "$name" "$man"
done
if command -v groff >/dev/null 2>&1; then
    groff -t -man -ww -z "$man" >"$out" 2>&1
    check "groff has no complaint" test ! -s "$out"
fi
finish
