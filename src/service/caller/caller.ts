/** How this process was called, and by whom. */
export interface Caller {
  argv0: string;
  environment: Record<string, string | undefined>;
  folder: string;
  /** The home folder that an agent of this user has its files in. */
  home: string;
  uid: number;
  /** Whether this system has launchd, so that a job can run here. */
  jobsRunHere: boolean;
  /** Whether stdout is a terminal, and whether it is to show colours. */
  terminal: boolean;
  colour: boolean;
}

/** Where a command's words go, a line or more at a time: its result to `print`, what is said beside it to `tell`. */
export interface Output {
  print: (text: string) => void;
  tell: (text: string) => void;
}

/** The person who called sudo; undefined where root has nobody behind it, and for who is not root. */
export function sudoUser({ uid, environment }: Pick<Caller, "uid" | "environment">): string | undefined {
  const { SUDO_USER } = environment;
  return uid === 0 && SUDO_USER && SUDO_USER !== "root" ? SUDO_USER : undefined;
}
