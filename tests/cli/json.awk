# SPDX-License-Identifier: MIT
# json.awk - read one JSON value from stdin; fail when it is none; print the value named by `want` (as cost.session_mib,
# or tensors.0.name), strings without their quotes, everything else as it is written.

function fail(why) { print "json: " why " at " substr(text, 1, 40) > "/dev/stderr"; failed = 1; exit 1 }
function blanks() { sub(/^[ \t\r\n]+/, "", text) }
function take(regex, why) {
    blanks()
    if (!match(text, "^(" regex ")")) fail(why)
    taken = substr(text, 1, RLENGTH)
    text = substr(text, RLENGTH + 1)
    return taken
}
function value(path,    first, key, i, raw) {
    blanks()
    first = substr(text, 1, 1)
    if (first == "{") {
        take("[{]", "object")
        blanks()
        if (substr(text, 1, 1) == "}") { take("[}]", "end"); return "{}" }
        do {
            key = take("\"([^\"\\\\]|\\\\.)*\"", "key")
            take(":", "colon")
            value(path (path == "" ? "" : ".") substr(key, 2, length(key) - 2))
        } while (take("[,}]", "comma or brace") == ",")
        return "{}"
    }
    if (first == "[") {
        take("[[]", "array")
        blanks()
        if (substr(text, 1, 1) == "]") { take("[]]", "end"); found(path ".length", 0); return "[]" }
        i = 0
        do { value(path "." i); i++ } while (take("[],]", "comma or bracket") == ",")
        found(path ".length", i)
        return "[]"
    }
    if (first == "\"") {
        raw = take("\"([^\"\\\\]|\\\\.)*\"", "string")
        if (raw ~ /[\001-\037]/) fail("control character in a string")
        raw = substr(raw, 2, length(raw) - 2)
    } else {
        raw = take("true|false|null|-?(0|[1-9][0-9]*)([.][0-9]+)?([eE][-+]?[0-9]+)?", "value")
    }
    found(path, raw)
    return raw
}
function found(path, raw) { if (path == want) { hit = 1; print raw } }

{ text = text $0 "\n" }
END {
    if (failed) exit 1
    value("")
    blanks()
    if (text != "") fail("more than one value")
    if (want != "" && !hit) exit 2
}
