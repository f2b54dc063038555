import type { Inspection } from "./inspection.ts";

/** The last letters of a word that says that the value is one: API_KEY, apiKey, DBPASSWORD. */
const secret = /(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|KEY)(_|$)/i;

/**
 * Variables that look as if they hold a secret. A daemon's plist has to be readable by everybody, and launchctl print shows
 * the environment of the system's jobs to every user.
 */
export function checkSecrets(inspection: Inspection): void {
  for (const [name, value] of Object.entries(inspection.environment)) {
    // A path is where a secret should be.
    if (!secret.test(name) || value === "" || value.startsWith("/") || /_(FILE|PATH)$/i.test(name)) continue;
    inspection.note(
      `EnvironmentVariables.${name}`,
      "it looks like a secret, and every user of this machine can read the plist and what launchctl print shows",
      "put it into a file of mode 0600 that the server reads",
    );
  }
}
