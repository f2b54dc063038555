import { repository } from "../package.json";

/** Where the project lives: the one value, of package.json, from which all that prints an address takes it. */
export { repository };

/** `OWNER/NAME`: what GitHub's programs and Homebrew call it. */
export const project = repository.split("/").slice(-2).join("/");

/** Where a release's files can be had. */
export function downloadsOf(version: string): string {
  return `${repository}/releases/download/v${version}`;
}
