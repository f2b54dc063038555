import { existsSync } from "node:fs";
import type { Address } from "./address.ts";
import { log } from "./log.ts";
import { type Exit, Program } from "./program/program.ts";
import { makeSocketFolder, type SocketFolder } from "./program/socket-path.ts";
import type { Target } from "./proxy/target.ts";
import type { ProgramCommand } from "./settings/command-line.ts";
import type { RouteSetting } from "./settings/routes.ts";

/**
 * One running copy of the program: its process, the folder of the paths that were generated for it, and the targets that it
 * serves, one for each route. There is one copy, and for the time of a reload two. Without a program (`-`) it is the targets alone.
 */
export class Copy {
  private constructor(
    readonly program: Program | null,
    readonly targets: readonly Target[],
    readonly folder: SocketFolder | null,
  ) {}

  /**
   * Makes the folder, below the environment's TMPDIR where that is possible, and starts `command` with the environment and what tells
   * it the paths. Throws a UserError when that fails; nothing is left then.
   */
  static start(
    command: ProgramCommand | null,
    routes: RouteSetting[],
    environment: Record<string, string | undefined>,
  ): Copy {
    const generated = routes.filter(({ target }) => target === null).map(fileName);
    const folder =
      generated.length === 0 ? null : makeSocketFolder(environment.TMPDIR, generated, (line) => log.info(line));
    const addressOf = (route: RouteSetting): Address =>
      route.target ?? { kind: "unix", path: folder?.path(fileName(route)) ?? "" };
    const variables = routes.flatMap((route) => {
      const address = addressOf(route);
      return route.variable !== null && address.kind === "unix" ? [[route.variable, address.path]] : [];
    });
    try {
      const program = command && Program.start(command, { ...environment, ...Object.fromEntries(variables) });
      const targets = routes.map((route) => ({
        address: addressOf(route),
        isGone: () => route.target === null && folder?.isGone() === true,
        hasCrashed: () => program?.crashed === true,
      }));
      return new Copy(program, targets, folder);
    } catch (error) {
      folder?.remove();
      throw error;
    }
  }

  /** Resolves when the program has ended; never where there is none. */
  get ended(): Promise<Exit> {
    return this.program?.exited ?? new Promise(() => {});
  }

  /** Whether the program has made its sockets. */
  get hasSockets(): boolean {
    return this.targets.every(({ address }) => address.kind === "tcp" || existsSync(address.path));
  }

  /** Removes the folder; may be called twice. */
  remove(): void {
    this.folder?.remove();
  }
}

function fileName({ socket }: RouteSetting): string {
  return socket ?? "socket";
}
