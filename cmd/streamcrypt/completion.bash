# Completion of streamcrypt for bash: source <(streamcrypt completion bash)
_streamcrypt() {
    local line=${COMP_LINE:0:COMP_POINT} words candidate
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    # bash replaces only the part behind the last colon or equals sign; inside
    # quotation marks it replaces the whole word, without the marks.
    local last=${words[-1]} kept
    kept=${last%"${last##*[:=]}"}
    [[ $last == [\'\"]* ]] && kept=
    COMPREPLY=()
    while IFS= read -r candidate; do
        COMPREPLY+=("${candidate#"$kept"}")
    done < <("${words[0]}" __complete -- "${words[@]:1}" 2>/dev/null)
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/:=] ]] && compopt -o nospace
}
complete -F _streamcrypt streamcrypt
