import type { Flag } from "../settings/flag.ts";

/** The flags that write, check and install property lists and look after services; settings of `options.ts` may stand among them. */
export const serviceFlags = {
  printPlist: {
    flag: "print-plist",
    value: "label",
    help: "Print the property list of a service that runs the program like this, with what it needs of here: the program's path, its folder in PATH, this folder, the user. What was taken and what may surprise goes to stderr; where there are errors no list is printed.",
  },
  checkPlist: {
    flag: "check-plist",
    value: "file",
    help: "List what launchd or this program would reject or misread in a property list, or several; - is standard input. Exit 1 for errors, 2 if one is unreadable.",
  },
  install: {
    flag: "install",
    value: "label",
    help: "Check, install and start a service: LABEL with the flags of --print-plist, or a file (a path with / or .plist). With sudo a daemon, else an agent of this user. What is there under that label and does not run launch_socket_server is left alone.",
  },
  uninstall: {
    flag: "uninstall",
    value: "label",
    help: "Stop a service that runs launch_socket_server and remove its property list. Any other is left alone.",
  },
  stop: {
    flag: "stop",
    value: "label",
    help: "Stop a service that runs launch_socket_server and close its port, until --start or the next login or start of the Mac.",
  },
  start: { flag: "start", value: "label", help: "Enable and load it again, and wait until it runs." },
  restart: {
    flag: "restart",
    value: "label",
    help: "End its process in order and start it again; new clients wait meanwhile, and none is lost.",
  },
  idle: {
    flag: "idle",
    help: "For --stop: end only the process of a service that starts on demand. Its port stays open, and the next connection starts it.",
  },
  status: {
    flag: "status",
    value: "label|pid",
    optional: true,
    help: "Show what runs, or all of one: addresses, program, connections, what it waits for. Exit 0 if it runs or waits for a connection, 3 if it does not, 4 if there is no such service; without a value 0.",
  },
  watch: { flag: "watch", help: "For --status: again each second." },
  reload: {
    flag: "reload",
    value: "label|pid",
    help: "Replace the program of a running daemon without a gap: another copy is started from the file as it is now, new connections go to it once it serves, and the old one ends when its own are over, after --drain-timeout at most. Two copies must be able to run at once. A changed property list takes --stop and --start. Exit 1 if not switched, 2 if connections were cut.",
  },
  port: {
    flag: "port",
    value: "[name=]port",
    default: "80",
    repeatable: "flag",
    help: "For --print-plist and --install: the port to serve. A name is the socket's key under Sockets.",
  },
  address: {
    flag: "address",
    value: "address",
    default: "127.0.0.1",
    repeatable: "flag",
    help: "The address to serve them on; 0.0.0.0 for the whole network.",
  },
  listenPath: {
    flag: "listen-path",
    value: "[name=]path",
    repeatable: "flag",
    help: "Serve a Unix socket at this path, in place of port 80 or beside the ports given.",
  },
  listenMode: {
    flag: "listen-mode",
    value: "mode",
    help: "Who may connect to the Unix sockets: their permissions in octal, such as 660. Default: their owner alone, who is root in a daemon.",
  },
  user: {
    flag: "user",
    value: "user",
    help: "The user that a daemon's program runs as. Default under sudo: who called it; a root shell has to say.",
  },
  group: { flag: "group", value: "group", help: "The group; without it the user's own." },
  log: {
    flag: "log",
    value: "file",
    help: "The file for the program's output and ours. Default: LABEL.log in an agent's ~/Library/Logs, or in /Library/Logs for a daemon, where --install makes it.",
  },
  env: {
    flag: "env",
    value: "name=value",
    repeatable: "flag",
    help: "A variable of the program's environment. Every user of the machine may read it in the property list and in launchctl print: let the server read secrets from a file of mode 0600.",
  },
  onDemand: { flag: "on-demand", help: "Start with the first connection, not at once." },
  keepRunning: {
    flag: "keep-running",
    help: "Start at once, and again whenever the program ends. The default without --exit-idle-time.",
  },
  loginShell: { flag: "login-shell", help: "Run the program in the user's login shell, for its PATH." },
  replace: {
    flag: "replace",
    help: "For --install: take the place of a service or file of that label that is not ours. The property list that was there is kept beside it as .replaced, and put back when the new one fails.",
  },
  dryRun: { flag: "dry-run", help: "For --install and --uninstall: show what would be done, on any system." },
  json: {
    flag: "json",
    help: "For --check-plist and --status: for programs to read; an array for several files or services.",
  },
  portable: {
    flag: "portable",
    help: "For --check-plist: leave out what is so on this machine alone (users, groups, files, addresses), as is done wherever there is no launchd.",
  },
} as const satisfies Record<string, Flag>;

export type ServiceFlagName = keyof typeof serviceFlags;

/** The texts given on the command line, by flag. */
export type ServiceFlags = Partial<Record<ServiceFlagName, string[]>>;
