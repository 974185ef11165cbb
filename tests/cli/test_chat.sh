#!/bin/sh
# SPDX-License-Identifier: MIT
# test_chat.sh [PROGRAM] - conversations: the JSON lines of a pipe, and a terminal with Ctrl-C, history and commands.
#
# Runs from the root of the tree, on a model that ships. The last line counts; the exit status is 1 when a check failed.

bin=${1:-build/bin/edgeinfer}
model=models/small-world/small-world-Q4_K_M.gguf
here=$(dirname "$0")
. "$here/checks.sh"
trap 'exec 3>&-; rm -rf "$tmp"' EXIT
[ -f "$model" ] || { echo "FAIL: there is no $model; run from the root of the tree"; exit 1; }

# talk CODE NAME ARGS...: the program with the lines on stdin; its exit code.
talk() {
    want=$1 name=$2; shift 2
    checks=$((checks + 1))
    timeout 120 "$bin" chat -m "$model" -q "$@" >"$out" 2>"$err"
    got=$?
    [ $got = "$want" ] || note_failure "$name: exit code $got, expected $want"
}
# at LINE PATH: the value in that line of stdout, which must be one JSON value.
at() { sed -n "$1p" "$out" | awk -v want="$2" -f "$here/json.awk" 2>>"$err"; }
is() { [ "$(at "$1" "$2")" = "$3" ]; } # is LINE PATH VALUE
lines_are() { [ "$(wc -l <"$out")" = "$1" ]; }

# ---------------------------------------------------------------------------------------------- a pipe: turns --
story="Jonas goes to the station. Iris walks to the market."
printf '%s\n' "{\"content\": \"$story Where is Jonas?\"}" '' '{"role": "user", "content": "Where is Iris?"}' |
    talk 0 "two turns"
check "an object for each message" lines_are 2
check "nothing else is said" test ! -s "$err"
check "the first answer" is 1 text "Jonas is in the station."
check "the second answer" is 2 text "Iris is in the market."
check "lines are counted, empty ones as well" is 2 line 3
check "stop_reason" is 1 stop_reason eos
check "messages" is 2 n_messages 4
check "the first turn computes all" is 1 n_cached 0
# Known from before: the prompt of the first turn, and what was sampled, the end of the answer excepted.
known=$(($(at 1 n_prompt) + $(at 1 n_generated) - 1))
check "the second turn computes what is new" is 2 n_cached $known
for key in n_prompt n_generated elapsed_s.tokenize elapsed_s.prefill elapsed_s.decode elapsed_s.total cost.cpu_core_s \
    cost.rss_peak_mib cost.session_mib; do
    check "$key is a number" test -n "$(at 1 $key | grep '^[0-9][0-9.e-]*$')"
done
check "what was not measured is absent" test -z "$(at 1 cost.energy_j)"

printf '{"content": "%s Where is Jonas?"}' "$story" | talk 0 "the last line need not end"
check "it is answered" is 1 text "Jonas is in the station."
: | talk 0 "no line at all"
check "nothing is said" test ! -s "$out"

# ------------------------------------------------------------------------------------------- a pipe: requests --
printf '%s\n' "{\"content\": \"$story Where is Jonas?\", \"stream\": true}" | talk 0 "stream"
check "stream: pieces, and the answer" is 1 delta Jonas
check "stream: the answer is the last line" is '$' text "Jonas is in the station."
check "stream: the pieces are the answer" test "$(sed -n 's/.*"delta":"\(.*\)".*/\1/p' "$out" | tr -d '\n')" = \
    "Jonas is in the station."
whole="{\"messages\": [{\"role\": \"user\", \"content\": \"$story Where is Jonas?\"}, {\"role\": \"assistant\", \
\"content\": \"Jonas is in the station.\"}, {\"role\": \"user\", \"content\": \"Where is Iris?\"}]"
printf '%s\n' "$whole}" "$whole, \"stop\": [\"the m\"]}" "$whole, \"max_tokens\": 2, \"temp\": 0.5, \"seed\": 3}" \
    '{"role": "user", "content": "Where is Jonas?"}' | talk 0 "whole conversations"
check "a whole conversation" is 1 text "Iris is in the market."
check "it replaces the one before" is 2 n_messages 4
check "stop: the text before" is 2 text "Iris is in "
check "stop: stop_reason" is 2 stop_reason string
check "max_tokens" is 3 n_generated 2
check "max_tokens: stop_reason" is 3 stop_reason length
check "settings are of one line" is 4 stop_reason eos
check "only the last token was computed anew" is 2 n_cached $(($(at 2 n_prompt) - 1))
printf '%s\n' '{"role": "system", "content": "x"}' '{"content": "y", "answer": false}' '{"role": "assistant", "content": "z"}' \
    | talk 0 "messages that nobody answers"
check "they are counted" is 3 n_messages 3
check "and not answered" test -z "$(at 1 text)$(at 2 text)$(at 3 text)"
printf '%s\n' "{\"content\": \"$story Where is Jonas?\"}" | talk 0 "options" --stop " station" -s "You know." -n 50
check "--stop" is 1 text "Jonas is in the"
check "--system is a message" is 1 n_messages 3

# --------------------------------------------------------------------------------------------- a pipe: errors --
printf '%s\n' "{\"content\": \"$story\", \"answer\": false}" 'nonsense' '["a"]' '{"role": "user"}' '{"content": 5}' \
    '{"content": "a\u0000b"}' '{"content": "x", "max_tokens": 0}' '{"content": "x", "stream": "yes"}' \
    '{"messages": []}' '{"messages": [{"content": "x"}]}' '{"messages": [{"role": "user", "content": "x"}], "temperature": 1}' \
    '{"content": "x", "stop": [""]}' '{"content": "\\u0000"} x' >"$tmp/lines"
printf '{"content": "a\0b"}\n{"content": "Where is Jonas?"}\n' >>"$tmp/lines"
talk 1 "lines that are wrong" <"$tmp/lines"
n=2
while read -r text; do
    check "line $n says \"$text\"" is $n error.message "$text"
    check "line $n has its number" is $n line $n
    check "line $n changes nothing" is $n n_messages 1
    n=$((n + 1))
done <<'END'
not JSON at byte 0 of the line
the line is JSON, but not an object
a message needs a text as its content
a message needs a text as its content
a message may not hold a NUL character
expected a whole number from 1 to 2147483647
expected true or false
expected an array of at least one message
a message needs a role, as \"user\"
not a member that goes with \"messages\"
stop[0] is empty
not JSON at byte 23 of the line
a message may not hold a NUL character
END
check "an error says where" is 11 error.where temperature
check "an error says what to do" is 2 error.hint 'a line is an object, as {\"content\": \"Hello\"}'
check "and the conversation goes on" is $n text "Jonas is in the station."
printf '%s\n' "{\"content\": \"$story $story $story\"}" '{"content": "Hello"}' | talk 1 "a context that is full" -c 24
check "full: status" is 1 error.status EINF_E_CTX_FULL
check "full: both numbers" test -n "$(at 1 error.message | grep 'has [0-9]* tokens, the context 24$')"
check "full: the message is not kept" is 1 n_messages 0
check "full: a shorter one is answered" test -n "$(at 2 stop_reason)"

# A host that waits for each answer before it asks again: nothing is held back in buffers.
mkfifo "$tmp/ask" "$tmp/tell"
"$bin" chat "$model" -q <"$tmp/ask" >"$tmp/tell" 2>"$err" &
pid=$!
exec 3>"$tmp/ask" 4<"$tmp/tell"
: >"$out"
for name in Jonas Iris; do
    echo "{\"content\": \"$story Where is $name?\"}" >&3
    read -r line <&4 && printf '%s\n' "$line" >>"$out"
done
check "lock-step: the first answer" is 1 text "Jonas is in the station."
check "lock-step: the second" is 2 line 2
kill -TERM $pid; wait $pid
check "SIGTERM while waiting: 5" test $? = 5
exec 3>&- 4<&-
# SIGINT in an answer: what there is comes, as an answer, and then the end.
echo '{"content": "Hello", "stream": true}' >"$tmp/lines"
"$bin" chat "$model" -q --ignore-eos -c 100000 <"$tmp/lines" >"$out" 2>"$err" &
pid=$!
for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; [ "$(wc -l <"$out")" -gt 20 ] && break; done
kill -INT $pid; wait $pid
check "SIGINT in an answer: 5" test $? = 5
check "SIGINT in an answer: the part of it" is '$' stop_reason cancelled
check "SIGINT in an answer: is a message" is '$' n_messages 2

# ---------------------------------------------------------------------------------------------- options, files --
echo '{}' >"$tmp/object"
echo '{{ nonsense(' >"$tmp/template"
refuse 2 "expected NAME=JSON" chat "$model" --var thinking
refuse 2 'which is not JSON' chat "$model" --var thinking=maybe
refuse 2 "is not a JSON array of tools" chat "$model" --tools "$tmp/object"
refuse 3 "$tmp/template" chat "$model" --template "$tmp/template"
refuse 1 "cannot open" chat "$model" --tools "$tmp/none"
printf '%s' '{% for m in messages %}{{ m.content }} {{ place }}{% endfor %} Where is Jonas?' >"$tmp/template"
printf '%s\n' '{"content": "Jonas goes to the"}' | talk 0 "--template, --var" --template "$tmp/template" \
    --var 'place="garden."' -n 20
check "--template, --var" test "$(at 1 n_prompt)" -gt 8
"$bin" run "$model" -q -p "$story Where is Jonas?" --var x=1 --stop " station" >"$out" 2>"$err"
check "run --var --stop" test "$(cat "$out")" = "Jonas is in the"

# ------------------------------------------------------------------------------------------------- a terminal --
# terminal ARGS...: the program on a pseudo-terminal; what is written to 3 is typed, $out is the screen. Its exit status
# goes to a file: script(1) may end before the last line of the screen has reached it. Ctrl-C reaches the shell that
# script(1) starts, $SHELL or sh, as well; one without a trap, dash among them, would end before it writes the status.
terminal() {
    mkfifo "$tmp/keys"
    : >"$out"
    rm -f "$tmp/status"
    chat="trap : INT; $bin chat $model $*; echo \$? >$tmp/status"
    TERM=xterm timeout 120 script -qefc "$chat" "$out" <"$tmp/keys" >/dev/null 2>&1 &
    pid=$!
    exec 3>"$tmp/keys"
    rm "$tmp/keys"
}
# within COMMAND...: within twenty seconds the command says yes.
within() {
    for i in $(seq 200); do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}
# shows TEXT: the screen comes to show the text, behind what was there when something was last typed.
screen_has() { case $(tail -c +$((seen + 1)) "$out" | tr -d '\r') in *"$1"*) ;; *) return 1 ;; esac }
shows() { within screen_has "$1"; }
press() { seen=$(wc -c <"$out"); printf '%b' "$1" >&3; }
# A line is typed when the prompt is there: before that the terminal is still in the mode in which Ctrl-D is no key.
prompted() { test "$(tail -c 2 "$out")" = "> "; }
type_in() { within prompted; press "$1"; }
ends() { within test -s "$tmp/status"; exec 3>&-; wait $pid; test "$(cat "$tmp/status")" = "$1"; }
if timeout 20 script -qefc true /dev/null </dev/null >/dev/null 2>&1; then # needs util-linux and a pseudo-terminal
    : >"$err"; seen=0
    terminal
    check "a prompt" shows "> "
    type_in "$story Where is Jonas?\n"
    check "an answer" shows "Jonas is in the station."
    type_in "Where is Iris?\n"
    check "a second answer" shows "Iris is in the market."
    type_in "/undo\n"
    check "/undo" shows "(took back: Where is Iris?)"
    type_in "/cost\n"
    check "/cost" shows "2 answers"
    type_in "/udno\n"
    check "a command that is not there" shows "did you mean /undo?"
    type_in "/clear\nhalf a li"
    check "/clear" shows "(forgotten)"
    sleep 0.3
    press "\003"
    check "Ctrl-C clears the line" shows "^C"
    press "\033[A\033[A\033[A" # up: /clear, /udno, /cost
    check "history" shows "/cost"
    press "\n"
    check "history: the line is taken" shows "0 messages"
    type_in "/undo\n"
    check "nothing to take back" shows "(there is no question to take back)"
    type_in "$story\\\\\nWhere is Jonas?\n"
    check "a line that goes on" shows "... "
    check "two lines are one message" shows "Jonas is in the station."
    type_in "\"\"\"$story\nWhere is Iris?\"\"\"\n"
    check "a block" shows "Iris is in the market."
    type_in "/cost\n"
    check "they were two messages" shows "4 messages"
    type_in "/save $tmp/kept\n"
    check "/save" shows "(saved: $tmp/kept and"
    type_in "/clear\n/load $tmp/kept\n"
    check "/load" shows "(loaded: 4 messages)"
    type_in "/retry\n"
    check "it goes on" shows "Iris is in the market."
    type_in "/cost\n"
    check "nothing was computed but the last token" shows "prompt of 60 tokens, 59 of them known"
    rm "$tmp/kept.state"
    type_in "/load $tmp/kept\n"
    check "/load without the state" shows "there is no state that fits"
    type_in "/load $model\n"
    check "/load of something else" shows "not a saved conversation"
    type_in "/cost\n"
    check "and the conversation is as it was" shows ", 4 messages"
    check "what was saved is a line for the pipe" test "$("$bin" chat "$model" -q <"$tmp/kept" 2>&1 | grep -c error)" = 0
    type_in "/system Be \303\274bung.\n/system\n"
    check "/system" shows "the conversation goes on under it"
    check "/system without a text" shows "$(printf 'Be \303\274bung.')"
    type_in "\004"
    check "Ctrl-D ends" ends 0

    seen=0
    terminal --ignore-eos -c 100000 -q
    check "quiet: a prompt" shows "> "
    type_in "Hello\n"
    sleep 1
    press "\003"
    check "Ctrl-C stops the answer" shows "(stopped; what there is stays in the conversation"
    type_in "/cost\n"
    check "the part of the answer is kept" shows ", 2 messages"
    type_in "/undo\n"
    check "/undo takes the part back" shows "(took back: Hello)"
    type_in "again\n"
    sleep 1
    press "\003"
    check "and again" shows "(stopped; what there is"
    type_in "/quit\n"
    check "/quit" ends 0

    seen=0
    terminal -c 24
    type_in "$story $story\n"
    check "a full context: the numbers" shows "tokens, the context 24"
    check "a full context: what to do" shows "start with -c 48"
    type_in "/cost\n"
    check "a full context: the message is taken back" shows "0 messages"
    type_in "\004"
    check "a full context: the end" ends 0
else
    skip "script(1) is not installed, or there is no pseudo-terminal: nothing was tried on one"
fi

finish
