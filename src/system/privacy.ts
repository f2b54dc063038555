/**
 * The folder on the way to the absolute `path` that macOS keeps background jobs out of with EPERM, whatever its permissions, until they are given
 * Full Disk Access (TCC, since macOS 10.15); null where there is none. sudo changes nothing. `homes` is where users have their folders.
 */
export function protectedFolder(path: string, homes = "/Users"): string | null {
  if (!path.startsWith(`${homes}/`)) return null;
  const [folder] = path.slice(homes.length).match(protectedFolders) ?? [];
  return folder === undefined ? null : `${homes}${folder}`;
}

/**
 * iCloud Drive is `Mobile Documents`, other cloud storage `CloudStorage`; the file systems of Macs take upper and lower case for the same.
 */
const protectedFolders = /^\/[^/]+\/(Desktop|Documents|Downloads|Library\/(Mobile Documents|CloudStorage))(?=\/|$)/i;

/** Why a file in such a folder cannot be used and what to do, as the end of a sentence. */
export function explainProtection(path: string): string {
  return `macOS keeps background jobs out of ${protectedFolder(path)}, where ${path} is; move it elsewhere, or give the job Full Disk Access`;
}
