/**
 * The folder on the way to `path` that macOS keeps background jobs out of with EPERM, whatever its permissions, until they are given Full Disk
 * Access (TCC, since macOS 10.15); null where there is none. sudo changes nothing.
 */
export function protectedFolder(path: string): string | null {
  const [folder] = path.match(protectedFolders) ?? [];
  return folder ?? null;
}

/** iCloud Drive is `Mobile Documents`, other cloud storage `CloudStorage`. */
const protectedFolders =
  /^\/Users\/[^/]+\/(Desktop|Documents|Downloads|Library\/(Mobile Documents|CloudStorage))(?=\/|$)/;

/** Why a file in such a folder cannot be used and what to do, as the end of a sentence. */
export function explainProtection(path: string): string {
  return `macOS keeps background jobs out of ${protectedFolder(path)}, where ${path} is; move it elsewhere, or give the job Full Disk Access`;
}
