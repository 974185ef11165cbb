# SPDX-License-Identifier: MIT
# edgeprof.bash - completion of the edgeprof command for bash 4 and later: verbs, options, files; behind run's options the
# command, completed as it would be by itself.
#
# It asks the command that is being typed for its help, so that it knows what that release knows, and nothing else.

_edgeprof_verbs() {
    "$1" help 2>/dev/null | while IFS= read -r line; do
        [[ $line == try:* ]] && break
        [[ $line =~ ^\ \ ([a-z]+)\  ]] && echo "${BASH_REMATCH[1]}"
    done
    echo help
}

# _edgeprof_options PROGRAM VERB: "--name VALUE" and "-n VALUE" of its help, one to a line; no VALUE for a flag.
_edgeprof_options() {
    "$1" "$2" --help 2>/dev/null | while IFS= read -r line; do
        [[ "${line:0:31} " =~ ^\ +(-[a-z],\ )?(--[a-z-]+)\ ([^ ]*)\  ]] || continue
        echo "${BASH_REMATCH[2]} ${BASH_REMATCH[3]}"
        [[ -n ${BASH_REMATCH[1]} ]] && echo "${BASH_REMATCH[1]%, } ${BASH_REMATCH[3]}"
    done
}

# _edgeprof_value_of OPTION: what its value is called, among the lines on stdin.
_edgeprof_value_of() {
    local name value
    while read -r name value; do [[ $name == "$1" ]] && echo "$value"; done
}

# _edgeprof_command_at PROGRAM: where the command of `run` begins among COMP_WORDS; 0: not yet.
_edgeprof_command_at() {
    local options i word
    options=$(_edgeprof_options "$1" run)
    for ((i = 2; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        [[ $word == -- ]] && echo $((i + 1)) && return
        [[ $word != -* ]] && echo "$i" && return
        [[ -n $(_edgeprof_value_of "$word" <<<"$options") ]] && i=$((i + 1))
    done
    echo 0
}

_edgeprof() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local program=${COMP_WORDS[0]/#\~/$HOME} verb=${COMP_WORDS[1]:-} value at
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$(_edgeprof_verbs "$program") --help --version" -- "$word")
        return
    fi
    if [[ $verb == help ]]; then
        ((COMP_CWORD == 2)) && mapfile -t COMPREPLY < <(compgen -W "$(_edgeprof_verbs "$program")" -- "$word")
        return
    fi
    if [[ $verb == run ]]; then
        at=$(_edgeprof_command_at "$program")
        if ((at > 0)); then
            if ((at == COMP_CWORD)); then
                mapfile -t COMPREPLY < <(compgen -c -- "$word")
            elif declare -F _command_offset >/dev/null; then
                _command_offset "$at"
            else
                compopt -o filenames 2>/dev/null
                mapfile -t COMPREPLY < <(compgen -f -- "$word")
            fi
            return
        fi
    fi
    if [[ $previous == -* && $previous != -- ]]; then
        value=$(_edgeprof_options "$program" "$verb" | _edgeprof_value_of "$previous")
        if [[ -n $value ]]; then
            case $value in
            FILE) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
            DIR) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
            esac
            return
        fi
    fi
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_edgeprof_options "$program" "$verb" | grep -o -e '^--[a-z-]*')" -- "$word")
    elif [[ $verb == replay || $verb == report ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}

complete -F _edgeprof edgeprof
