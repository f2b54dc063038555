/** A program of the system may take so long, in milliseconds: lsof waits for file servers that are gone. */
const patience = 10_000;

/**
 * What a program of the system says on stdout, whatever its exit status; null where it cannot be run, or says nothing in time. The
 * path is whole: root's commands must not be found through a PATH that somebody else may have set.
 */
export async function ask(...command: string[]): Promise<string | null> {
  try {
    const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "ignore", timeout: patience });
    const [text] = await Promise.all([new Response(child.stdout).text(), child.exited]);
    return child.signalCode === null ? text : null;
  } catch {
    return null;
  }
}
