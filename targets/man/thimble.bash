# Completion of thimble for bash: commands and options are what --help says.
_thimble() {
  local word=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W "$(thimble --help 2> /dev/null | sed -n 's/^  \([a-z]\{1,\}\)  .*/\1/p') --help --version" -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(thimble "${COMP_WORDS[1]}" --help 2> /dev/null | sed -n 's/^  \(--[a-z0-9-]*\).*/\1/p')" -- "$word")
  fi
}
complete -o default -F _thimble thimble
