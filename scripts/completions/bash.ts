import {
  completedFlags,
  flagsWithOptionalValue,
  flagsWithValue,
  listLabels,
  takesFiles,
  type Values,
} from "./words.ts";

/**
 * The completion for bash 3.2 (macOS's) and newer, which needs no bash-completion; where that is there, it completes the
 * arguments of the program.
 */
export function bashCompletion(): string {
  const cases = completedFlags.flatMap(({ names, value }) =>
    value ? [`      ${names.join(" | ")}) ${reply(value.values)} ;;`] : [],
  );
  const flags = completedFlags.flatMap(({ names }) => names);
  return `# shellcheck shell=bash
# Completes launch_socket_server in bash. Written by scripts/completions/bash.ts: \`make fix\` writes it anew.

_launch_socket_server_reply() {
  local word
  COMPREPLY=()
  while IFS= read -r word; do
    COMPREPLY+=("$word")
  done
}

# The labels of the services that run this program.
_launch_socket_server_labels() {
  ${listLabels}
}

_launch_socket_server_files() {
  # bash 3.2 has no compopt, and adds no slash to a folder then.
  type compopt >/dev/null 2>&1 && compopt -o filenames
  _launch_socket_server_reply < <(compgen -f -- "$1")
}

# A service is named by its label or its property list.
_launch_socket_server_services() {
  case $cur in
    */*) _launch_socket_server_files "$cur" ;;
    *) _launch_socket_server_reply < <(
      compgen -W "$(_launch_socket_server_labels)" -- "$cur"
      compgen -f -X '!*.plist' -- "$cur"
    ) ;;
  esac
}

_launch_socket_server() {
  local line=$COMP_LINE index word rest
  local words=() starts=()
  COMPREPLY=()
  # bash 4 and newer split words at "=" and ":" too: what has no blank between belongs together.
  for ((index = 0; index <= COMP_CWORD; index++)); do
    word=\${COMP_WORDS[index]}
    rest=\${line#"\${line%%[![:space:]]*}"}
    if [ "$index" -eq 0 ] || [ "$rest" != "$line" ]; then
      words+=("$word")
      starts+=("$index")
    else
      words[\${#words[@]} - 1]+=$word
    fi
    line=\${rest#"$word"}
  done

  local last=$((\${#words[@]} - 1)) flag='' program='' files=''
  local cur=\${words[last]}
  for ((index = 1; index < last; index++)); do
    case \${words[index]} in
      ${takesFiles} | ${takesFiles}=*) files=yes ;;
    esac
    case \${words[index]} in
      --)
        program=$((index + 1))
        break
        ;;
      ${flagsWithValue.join(" | ")})
        index=$((index + 1))
        [ "$index" -lt "$last" ] || flag=\${words[last - 1]}
        ;;
      ${flagsWithOptionalValue.join(" | ")})
        case \${words[index + 1]} in -*) continue ;; esac
        index=$((index + 1))
        [ "$index" -lt "$last" ] || flag=\${words[last - 1]}
        ;;
      -?*) ;;
      *)
        program=$index
        break
        ;;
    esac
  done

  if [ -n "$files" ] && [ -z "$flag" ]; then
    case $cur in -*) ;; *)
      _launch_socket_server_files "$cur"
      return
      ;;
    esac
  fi
  if [ -n "$program" ] && [ "$program" -lt "$last" ]; then
    if type _comp_command_offset >/dev/null 2>&1; then
      _comp_command_offset "\${starts[program]}"
    elif type _command_offset >/dev/null 2>&1; then
      _command_offset "\${starts[program]}"
    else
      _launch_socket_server_files "$cur"
    fi
    return
  fi
  if [ -z "$program$flag" ]; then
    case $cur in
      --*=*)
        flag=\${cur%%=*}
        cur=\${cur#*=}
        ;;
      -*)
        _launch_socket_server_reply < <(compgen -W "${flags.join(" ")}" -- "$cur")
        return
        ;;
    esac
  fi
  if [ -n "$flag" ]; then
    case $flag in
${cases.join("\n")}
    esac
    return
  fi
  # The program, which may be a path too.
  case $cur in
    */*) _launch_socket_server_files "$cur" ;;
    *) _launch_socket_server_reply < <(compgen -c -- "$cur" | sort -u) ;;
  esac
}

complete -F _launch_socket_server launch_socket_server
`;
}

function reply(values: Values): string {
  const from = (command: string) => `_launch_socket_server_reply < <(${command} -- "$cur")`;
  switch (values.kind) {
    case "words":
      return from(`compgen -W "${values.words.join(" ")}"`);
    case "labels":
      return from('compgen -W "$(_launch_socket_server_labels)"');
    case "labels or files":
      return "_launch_socket_server_services";
    case "files":
      return '_launch_socket_server_files "$cur"';
    case "users":
      return from("compgen -u");
    case "groups":
      return from("compgen -g");
    case "any":
      return ":";
  }
}
