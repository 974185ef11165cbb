# SPDX-License-Identifier: MIT
# edgeinfer.bash - completion of the edgeinfer command for bash 4 and later: verbs, options, their values, files.
#
# It asks the command that is being typed for its help, so that it knows what that release knows, and nothing else.

# _edgeinfer_files WORD [PATTERN]: files, or folders and the files that match the pattern.
_edgeinfer_files() {
    local path
    compopt -o filenames 2>/dev/null
    if [[ -z ${2:-} ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$1")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -d -- "$1")
    while IFS= read -r path; do
        # shellcheck disable=SC2053 # the right side is a pattern
        [[ -f $path && $path == $2 ]] && COMPREPLY+=("$path")
    done < <(compgen -f -- "$1")
}

# _edgeinfer_verbs PROGRAM: the verbs of its summary.
_edgeinfer_verbs() {
    "$1" help 2>/dev/null | while IFS= read -r line; do
        [[ $line == try:* ]] && break
        [[ $line =~ ^\ \ ([a-z-]+)\  ]] && echo "${BASH_REMATCH[1]}"
    done
    echo help
}

# _edgeinfer_value PROGRAM VERB OPTION: what the help calls the option's value; nothing for a flag.
_edgeinfer_value() {
    "$1" "$2" --help-all 2>/dev/null | while IFS= read -r line; do
        [[ ${line:31:1} == [!\ ] ]] || line=${line:0:31} # the left column; a long one has the line to itself
        [[ "$line " =~ ^\ +(-[a-z],\ )?(--[a-z-]+)\ ([^ ]*)\  ]] || continue
        [[ ${BASH_REMATCH[2]} == "$3" || ${BASH_REMATCH[1]%, } == "$3" ]] && echo "${BASH_REMATCH[3]}" && break
    done
}

# _edgeinfer_options PROGRAM VERB: the long options of its help.
_edgeinfer_options() {
    "$1" "$2" --help-all 2>/dev/null | while IFS= read -r line; do
        [[ $line =~ ^\ +(-[a-z],\ )?(--[a-z-]+)\  ]] && echo "${BASH_REMATCH[2]}"
    done
}

# _edgeinfer_complete_value WORD OPTION VALUE: VALUE as the help writes it.
_edgeinfer_complete_value() {
    case $3 in
    *'|'*) mapfile -t COMPREPLY < <(compgen -W "${3//|/ }" -- "$1") ;;
    DIR) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$1") ;;
    FILE)
        case $2 in
        -m | --model | --base | --mmproj) _edgeinfer_files "$1" '*.gguf' ;;
        *) _edgeinfer_files "$1" ;;
        esac ;;
    IDS) [[ $1 == @* ]] && _edgeinfer_files "${1#@}" && COMPREPLY=("${COMPREPLY[@]/#/@}") ;;
    esac
}

_edgeinfer() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local program=${COMP_WORDS[0]/#\~/$HOME} verb=${COMP_WORDS[1]:-} value
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$(_edgeinfer_verbs "$program") --help --version" -- "$word")
        return
    fi
    if [[ $verb == help ]]; then
        ((COMP_CWORD == 2)) && mapfile -t COMPREPLY < <(compgen -W "$(_edgeinfer_verbs "$program")" -- "$word")
        return
    fi
    # bash takes the = of --kv=f16 for a word of its own.
    [[ $word == = ]] && word=
    [[ $previous == = ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}
    [[ ${COMP_WORDS[COMP_CWORD]} == = ]] && previous=${COMP_WORDS[COMP_CWORD - 1]}
    if [[ $previous == -* ]]; then
        value=$(_edgeinfer_value "$program" "$verb" "$previous")
        if [[ -n $value ]]; then
            _edgeinfer_complete_value "$word" "$previous" "$value"
            return
        fi
    fi
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_edgeinfer_options "$program" "$verb")" -- "$word")
    else
        _edgeinfer_files "$word" '*.gguf'
    fi
}

complete -F _edgeinfer edgeinfer
