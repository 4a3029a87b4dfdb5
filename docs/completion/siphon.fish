# fish completion for siphon: the candidates come from `siphon complete`.

function __siphon_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in (timeout (math (set -q SIPHON_PATIENCE; and echo $SIPHON_PATIENCE; or echo 1) + 2) $words[1] complete -- $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path "$current"
            case :directories
                __fish_complete_directories "$current"
            case '*'
                echo $line
        end
    end
end

complete -c siphon -f -a '(__siphon_complete)'
