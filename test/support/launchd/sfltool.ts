import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * sfltool's stand-in: `dumpbtm` calls these property lists disallowed, in the form of public dumps of macOS 13 to 26 (StaffPad's
 * authservice; AdskAccessServiceHost). Others than root are asked for a password there, and get nothing here.
 */
export function placeSfltool(path: string, switchedOff: string[]): void {
  const items = switchedOff.map(
    (plist, index) => ` #${index + 1}:
                 UUID: BE38FF3E-994C-457B-8A21-D647E2A1${77_100 + index}
                 Name: launch_socket_server
       Developer Name: (null)
                 Type: legacy daemon (0x10010)
          Disposition: [enabled, disallowed, visible, notified] (0x9)
                  URL: file://${encodeURI(plist)}
`,
  );
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.txt`, ` Items:\n\n${items.join("\n")}`);
  writeFileSync(path, `#!/bin/sh\n[ "$1" = dumpbtm ] && [ "$(id -u)" = 0 ] && cat ${path}.txt\n`);
  chmodSync(path, 0o755);
}
