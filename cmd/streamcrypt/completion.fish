# Completion of streamcrypt for fish: streamcrypt completion fish | source
complete -c streamcrypt -f -a '(
    set -l words (commandline -opc)
    $words[1] __complete -- $words[2..-1] (commandline -ct) 2>/dev/null
)'
