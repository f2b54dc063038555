import {
  type CompletedFlag,
  completedFlags,
  flagsWithOptionalValue,
  listLabels,
  takesFiles,
  type Values,
} from "./words.ts";

/** The completion for zsh, in the form of a file that compinit finds in fpath. */
export function zshCompletion(): string {
  const specs = completedFlags.flatMap(specsOf).map((spec) => `    ${quote(spec)} \\`);
  return `#compdef launch_socket_server
# Completes launch_socket_server in zsh. Written by scripts/completions/zsh.ts: \`make fix\` writes it anew.

# The labels of the services that run this program.
_launch_socket_server_labels() {
  local expl
  local -a labels
  labels=(\${(f)"$(sh -c ${quote(listLabels)})"})
  _wanted labels expl label compadd -a labels
}

_launch_socket_server_services() {
  _alternative 'labels:label:_launch_socket_server_labels' 'files:property list:_files -g "*.plist(-.)"'
}

_launch_socket_server() {
  local curcontext=$curcontext ret=1
  local -a state line
  local -A opt_args
  _arguments -C -S -A '-*' \\
${specs.join("\n")}
    '(-):program:->program' \\
    '*::argument:->arguments' && ret=0
  case $state in
    program)
      if (( $+opt_args[${takesFiles}] )); then
        _files && ret=0
      elif [[ $words[CURRENT-1] != (${flagsWithOptionalValue.join("|")}) ]]; then
        _alternative 'commands:program:_command_names -e' 'files:program:_files -g "*(-*)"' && ret=0
      fi
      ;;
    arguments)
      if (( $+opt_args[${takesFiles}] )); then _files && ret=0; else _normal && ret=0; fi
      ;;
  esac
  return ret
}

_launch_socket_server "$@"
`;
}

/** The arguments of _arguments for one flag, each of whose names excludes the others. */
function specsOf({ names, help, value, repeatable }: CompletedFlag): string[] {
  const explanation = `[${help.replace(/[[\]\\]/g, "\\$&")}]`;
  const exclusion = names.length > 1 ? `(${names.join(" ")})` : "";
  if (value === undefined) return names.map((name) => `${exclusion}${name}${explanation}`);
  const form = value.form.replace(/[:[\]\\]/g, "\\$&");
  return names.map(
    (name) =>
      `${repeatable ? "*" : exclusion}${name}=${explanation}${value.optional ? "::" : ":"}${form}:${action(value.values)}`,
  );
}

function action(values: Values): string {
  switch (values.kind) {
    case "words":
      return `(${values.words.join(" ")})`;
    case "labels":
      return "_launch_socket_server_labels";
    case "labels or files":
      return "_launch_socket_server_services";
    case "files":
      return "_files";
    case "users":
      return "_users";
    case "groups":
      return "_groups";
    case "any":
      return " ";
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
