# Completes launch_socket_server in fish. Written by scripts/completions/fish.ts: `make fix` writes it anew.

# The program and its arguments so far, one a line; fails where the program is not there yet.
function __launch_socket_server_program
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        switch $words[1]
            case --
                set -e words[1]
                break
            case --socket-name --tcp-address --socket-path --route --proxy-protocol --connect-timeout --stop-timeout --drain-timeout --max-connections --tcp-keepalive --idle-timeout --exit-idle-time --listen --log-level --print-plist --check-plist --install --uninstall --stop --start --restart --reload --port --address --listen-path --listen-mode --user --group --log --env
                set -e words[1]
                set -q words[1]; and set -e words[1]
            case --status
                set -e words[1]
                string match -q -- '-*' $words[1]; or set -e words[1]
            case '-?*'
                set -e words[1]
            case '*'
                break
        end
    end
    set -q words[1]; and printf '%s\n' $words
end

function __launch_socket_server_checks
    string match -q -- '--check-plist*' (commandline -opc)
end

function __launch_socket_server_expects_flag
    not __launch_socket_server_program >/dev/null
end

function __launch_socket_server_expects_program
    not __launch_socket_server_checks; and not __launch_socket_server_program >/dev/null
    and not __fish_prev_arg_in --status
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
    sh -c 'grep -ls launch_socket_server ~/Library/LaunchAgents/*.plist /Library/LaunchAgents/*.plist /Library/LaunchDaemons/*.plist | sed "s|.*/||; s|[.]plist\\$||" | sort -u'
end

complete -c launch_socket_server -f
complete -c launch_socket_server -n __launch_socket_server_expects_program -a '(__fish_complete_command)'
complete -c launch_socket_server -n __launch_socket_server_expects_argument -a '(__launch_socket_server_arguments)'
complete -c launch_socket_server -n __launch_socket_server_checks -F
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l help -s h -d 'Show this help; also -h'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l version -s V -d 'Show the version; also -V'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l socket-name -x -d 'The socket\'s key under Sockets in the plist, or its name in systemd'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l tcp-address -x -d 'Relay to the program at HOST:PORT, [IPv6]:PORT or :PORT'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l socket-path -x -a '(__fish_complete_path (commandline -ct))' -d 'Relay to the program at this Unix socket'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l route -x -d 'Relay the socket of that name to a target of its own; with nothing after the =, to a generated path, which the program finds in LAUNCH_PROGRAM_SOCKET_PATH_<name>'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l pass-sockets -d 'Do not relay: become the program, with the sockets at descriptor 3 and up and LISTEN_FDS set'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l proxy-protocol -x -a 'v1 v2' -d 'Send the program each client\'s address by the PROXY protocol, v1 or v2'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l connect-timeout -x -d 'How long a client waits for the program to listen'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l stop-timeout -x -d 'How long a stop may take before the program is killed; transfers get at most half of it'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l drain-timeout -x -d 'How long a reload lets the old copy\'s connections go on before it stops that copy; 0 for until they end'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l max-connections -x -d 'How many connections may be open; more wait in the kernel'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l tcp-keepalive -x -d 'Probe a silent TCP peer after this long; 0 for never'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l idle-timeout -x -d 'Close a connection on which nothing moves for this long; 0 for never'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l exit-idle-time -x -d 'Stop the program and exit after this long without a connection; the next one starts both'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l exit-idle-at-rest -d 'For --exit-idle-time: connections at rest do not count'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l listen -x -d 'Bind HOST:PORT or a Unix path directly, without launchd or systemd; for trying things out'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l log-level -x -a 'error warn info debug' -d 'How much goes to stderr: error, warn, info, or debug with a line for each connection'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l print-plist -x -a '(__launch_socket_server_labels)' -d 'Print the property list of a service that runs the program like this'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l check-plist -x -a '(__fish_complete_path (commandline -ct))' -d 'List what launchd or this program would reject or misread in one or more property lists; - is standard input'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l install -x -a '(__launch_socket_server_labels) (__fish_complete_path (commandline -ct))' -d 'Check, install and start a service: LABEL with the flags of --print-plist, or a file (a path with / or .plist)'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l uninstall -x -a '(__launch_socket_server_labels)' -d 'Stop a service that runs launch_socket_server and remove its property list'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l stop -x -a '(__launch_socket_server_labels)' -d 'Stop a service that runs launch_socket_server and close its port, until --start, the next login or the next start of the Mac'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l start -x -a '(__launch_socket_server_labels)' -d 'Enable and load a service; wait until it runs, unless it starts on demand'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l restart -x -a '(__launch_socket_server_labels)' -d 'Stop a service\'s process gracefully and start it again; new clients wait meanwhile, and none is lost'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l idle -d 'For --stop: end only the process of a service that starts on demand'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l status -d 'Show what runs, or everything about one: addresses, program, connections, what it waits for, why it does not work'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l watch -d 'For --status: show it again every second'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l reload -x -a '(__launch_socket_server_labels)' -d 'Replace the program of a running daemon without a gap: a second copy is started from the file as it is now, new connections go to it once it serves, and the old copy ends when its own connections have, after --drain-timeout at most'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l port -x -d 'For --print-plist and --install: the port to serve'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l address -x -d 'The address to serve the ports on; 0.0.0.0 for the whole network'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l listen-path -x -a '(__fish_complete_path (commandline -ct))' -d 'Serve a Unix socket at this path, instead of port 80 or in addition to the ports given'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l listen-mode -x -d 'Who may connect to the Unix sockets: their permissions in octal, such as 660'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l user -x -a '(__fish_complete_users)' -d 'The user that a daemon\'s program runs as'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l group -x -a '(__fish_complete_groups)' -d 'The group that it runs as'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l log -x -a '(__fish_complete_path (commandline -ct))' -d 'The file for the program\'s output and ours'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l env -x -d 'A variable for the program\'s environment'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l on-demand -d 'Start on the first connection, not at once'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l keep-running -d 'Start at once, and again whenever the program ends'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l login-shell -d 'Run the program in the user\'s login shell, for its PATH'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l replace -d 'For --install: take the place of a service or file of that label that does not run launch_socket_server'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l dry-run -d 'For --install and --uninstall: show what would be done, on any system'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l json -d 'For --check-plist and --status: print JSON; an array for several files or services'
complete -c launch_socket_server -n __launch_socket_server_expects_flag -l portable -d 'For --check-plist: leave out what depends on this machine (users, groups, files, addresses), as always where there is no launchd'
complete -c launch_socket_server -n '__fish_prev_arg_in --status' -a '(__launch_socket_server_labels)'
