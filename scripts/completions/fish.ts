import {
  completedFlags,
  flagsWithOptionalValue,
  flagsWithValue,
  listLabels,
  takesFiles,
  type Values,
} from "./words.ts";

/** The completion for fish 3.1 and newer. */
export function fishCompletion(): string {
  const flags = completedFlags.map(({ names: [name = "", letter], help, value }) => {
    const short = letter === undefined ? "" : ` -s ${letter.slice(1)}`;
    const values = value && !value.optional ? ` -x${candidates(value.values)}` : "";
    return `complete -c launch_socket_server -n __launch_socket_server_expects_flag -l ${name.slice(2)}${short}${values} -d ${quote(help)}`;
  });
  // fish completes an optional value after = alone, so that the word after such a flag is completed as one of ours.
  const optional = completedFlags.flatMap(({ names, value }) =>
    value?.optional
      ? [`complete -c launch_socket_server -n '__fish_prev_arg_in ${names.join(" ")}'${candidates(value.values)}`]
      : [],
  );
  return `# Completes launch_socket_server in fish. Written by scripts/completions/fish.ts: \`make fix\` writes it anew.

# The program and its arguments so far, one a line; fails where the program is not there yet.
function __launch_socket_server_program
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        switch $words[1]
            case --
                set -e words[1]
                break
            case ${flagsWithValue.join(" ")}
                set -e words[1]
                set -q words[1]; and set -e words[1]
            case ${flagsWithOptionalValue.join(" ")}
                set -e words[1]
                string match -q -- '-*' $words[1]; or set -e words[1]
            case '-?*'
                set -e words[1]
            case '*'
                break
        end
    end
    set -q words[1]; and printf '%s\\n' $words
end

function __launch_socket_server_checks
    string match -q -- '${takesFiles}*' (commandline -opc)
end

function __launch_socket_server_expects_flag
    not __launch_socket_server_program >/dev/null
end

function __launch_socket_server_expects_program
    not __launch_socket_server_checks; and not __launch_socket_server_program >/dev/null
    and not __fish_prev_arg_in ${flagsWithOptionalValue.join(" ")}
end

function __launch_socket_server_expects_argument
    not __launch_socket_server_checks; and __launch_socket_server_program >/dev/null
end

# What the program's own completion says.
function __launch_socket_server_arguments
    complete -C (string join -- ' ' (string escape -- (__launch_socket_server_program)) (commandline -ct))
end

# The labels of the services that run this program.
function __launch_socket_server_labels
    sh -c ${quote(listLabels)}
end

complete -c launch_socket_server -f
complete -c launch_socket_server -n __launch_socket_server_expects_program -a '(__fish_complete_command)'
complete -c launch_socket_server -n __launch_socket_server_expects_argument -a '(__launch_socket_server_arguments)'
complete -c launch_socket_server -n __launch_socket_server_checks -F
${[...flags, ...optional].join("\n")}
`;
}

function candidates(values: Values): string {
  switch (values.kind) {
    case "words":
      return ` -a ${quote(values.words.join(" "))}`;
    case "labels":
      return " -a '(__launch_socket_server_labels)'";
    case "labels or files":
      return " -a '(__launch_socket_server_labels) (__fish_complete_path (commandline -ct))'";
    case "files":
      return " -a '(__fish_complete_path (commandline -ct))'";
    case "users":
      return " -a '(__fish_complete_users)'";
    case "groups":
      return " -a '(__fish_complete_groups)'";
    case "any":
      return "";
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
