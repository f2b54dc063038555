import type { Flag } from "../settings/flag.ts";

/** The flags that write, check and install property lists and look after services; settings of `options.ts` may stand among them. */
export const serviceFlags = {
  printPlist: {
    flag: "print-plist",
    value: "label",
    help: "Print the property list of a service that runs the program like this. The program's path, PATH, the working folder and the user are taken from the shell; stderr says what was taken, and what may surprise. Where there are errors no list is printed.",
  },
  checkPlist: {
    flag: "check-plist",
    value: "file",
    help: "List what launchd or this program would reject or misread in one or more property lists; - is standard input. Exit status 1 for errors, 2 for a file that cannot be read.",
  },
  install: {
    flag: "install",
    value: "label",
    help: "Check, install and start a service: LABEL with the flags of --print-plist, or a file (a path with / or .plist). With sudo it is a daemon, otherwise an agent of this user. A service of that label that does not run launch_socket_server is left alone.",
  },
  uninstall: {
    flag: "uninstall",
    value: "label",
    help: "Stop a service that runs launch_socket_server and remove its property list. Any other is left alone.",
  },
  stop: {
    flag: "stop",
    value: "label",
    help: "Stop a service that runs launch_socket_server and close its port, until --start, the next login or the next start of the Mac.",
  },
  start: {
    flag: "start",
    value: "label",
    help: "Enable and load a service; wait until it runs, unless it starts on demand.",
  },
  restart: {
    flag: "restart",
    value: "label",
    help: "Stop a service's process gracefully and start it again; new clients wait meanwhile, and none is lost.",
  },
  idle: {
    flag: "idle",
    help: "For --stop: end only the process of a service that starts on demand. Its port stays open, and the next connection starts it.",
  },
  status: {
    flag: "status",
    value: "label|pid",
    optional: true,
    help: "Show what runs, or everything about one: addresses, program, connections, what it waits for, why it does not work. Exit status 0 if it runs or waits for a connection, 3 if it does not, 4 if there is no such service; without a value 0.",
  },
  watch: { flag: "watch", help: "For --status: show it again every second." },
  reload: {
    flag: "reload",
    value: "label|pid",
    help: "Replace the program of a running daemon without a gap: a second copy is started from the file as it is now, new connections go to it once it serves, and the old copy ends when its own connections have, after --drain-timeout at most. Two copies must be able to run at once. A changed property list needs --stop and --start. Exit status 1 if the reload failed, 2 if connections were cut.",
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
    help: "The address to serve the ports on; 0.0.0.0 for the whole network.",
  },
  listenPath: {
    flag: "listen-path",
    value: "[name=]path",
    repeatable: "flag",
    help: "Serve a Unix socket at this path, instead of port 80 or in addition to the ports given.",
  },
  listenMode: {
    flag: "listen-mode",
    value: "mode",
    help: "Who may connect to the Unix sockets: their permissions in octal, such as 660. Default: only their owner, who is root for a daemon.",
  },
  user: {
    flag: "user",
    value: "user",
    help: "The user that a daemon's program runs as. Default: the user who called sudo; a root shell has to name one.",
  },
  group: { flag: "group", value: "group", help: "The group that it runs as. Default: the user's own." },
  log: {
    flag: "log",
    value: "file",
    help: "The file for the program's output and ours. Default: LABEL.log in ~/Library/Logs for an agent, or in /Library/Logs for a daemon, where --install creates it.",
  },
  env: {
    flag: "env",
    value: "name=value",
    repeatable: "flag",
    help: "A variable for the program's environment. Every user of the machine can read it in the property list and by launchctl print: keep secrets in a file of mode 0600 that the server reads.",
  },
  onDemand: {
    flag: "on-demand",
    help: "Start on the first connection, not at once. The default with --exit-idle-time.",
  },
  keepRunning: {
    flag: "keep-running",
    help: "Start at once, and again whenever the program ends. The default without --exit-idle-time.",
  },
  loginShell: { flag: "login-shell", help: "Run the program in the user's login shell, for its PATH." },
  replace: {
    flag: "replace",
    help: "For --install: take the place of a service or file of that label that does not run launch_socket_server. Its property list is kept beside the new one as .replaced, and put back if the new one fails.",
  },
  dryRun: { flag: "dry-run", help: "For --install and --uninstall: show what would be done, on any system." },
  json: {
    flag: "json",
    help: "For --check-plist and --status: print JSON; an array for several files or services.",
  },
  portable: {
    flag: "portable",
    help: "For --check-plist: leave out what depends on this machine (users, groups, files, addresses), as always where there is no launchd.",
  },
} as const satisfies Record<string, Flag>;

export type ServiceFlagName = keyof typeof serviceFlags;

/** The texts given on the command line, by flag. */
export type ServiceFlags = Partial<Record<ServiceFlagName, string[]>>;
