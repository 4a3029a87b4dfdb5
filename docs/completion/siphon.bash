# shellcheck shell=bash
# bash completion for siphon: the candidates come from `siphon complete`.

_siphon() {
  local line=${COMP_LINE:0:COMP_POINT} words word breaks cur prefix candidate
  # Split at blanks alone: bash itself also splits at ":", "=" and "@", which are inside of our words.
  read -ra words <<<"$line"
  [[ $line != *[[:space:]] ]] || words+=("")
  word=${words[-1]}
  # What bash replaces is only what is behind the last of its own breaks; of these, it takes "@" along.
  cur=$word
  breaks=${COMP_WORDBREAKS//[^:=@]/}
  [[ -z $breaks ]] || cur=${word##*["$breaks"]}
  prefix=${word%"$cur"}
  if [[ $prefix == *@ ]]; then cur=@$cur prefix=${prefix%@}; fi
  COMPREPLY=()
  while IFS= read -r candidate; do
    candidate=${candidate%%$'\t'*}
    case $candidate in
      :files) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur") && compopt -o filenames ;;
      :directories) mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "$cur") && compopt -o filenames ;;
      *)
        candidate=${candidate#"$prefix"}
        [[ -n $candidate ]] || continue
        COMPREPLY+=("$candidate")
        # There is more to write behind these.
        [[ $candidate != *[/:] ]] || compopt -o nospace
        ;;
    esac
  done < <(timeout $((${SIPHON_PATIENCE:-1} + 2)) "${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
}

complete -F _siphon siphon
