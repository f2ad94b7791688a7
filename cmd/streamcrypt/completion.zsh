#compdef streamcrypt
# Completion of streamcrypt for zsh: source <(streamcrypt completion zsh)
_streamcrypt() {
    local -a candidates
    candidates=("${(@f)$("${words[1]}" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    candidates=("${(@)candidates:#}")
    compadd -Q -S '' -- "${(@)candidates:#*[^/:=]}"
    compadd -Q -- "${(@)candidates:#*[/:=]}"
}
if [[ "${funcstack[1]}" == _streamcrypt ]]; then
    _streamcrypt "$@"
else
    compdef _streamcrypt streamcrypt
fi
