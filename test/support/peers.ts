/**
 * The path of a program of the distribution that a test plays with, or null where it is missing: then the test is
 * skipped, and its name or a warning says which package to install. In CI (the environment variable CI is set) it
 * throws instead.
 */
export function peer(command: string, debianPackage: string): string | null {
  const path = Bun.which(command);
  if (path === null && process.env.CI) throw new Error(`CI lacks ${command}: apt-get install ${debianPackage}`);
  return path;
}
