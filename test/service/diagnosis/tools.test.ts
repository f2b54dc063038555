import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isSwitchedOff, readSwitchedOff } from "../../../src/service/diagnosis/background-items.ts";
import { isDiskFull, readFree } from "../../../src/service/diagnosis/disk.ts";
import { ask } from "../../../src/service/tool.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tools-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** In the form of public dumps of macOS 13 to 26 (StaffPad's authservice; AdskAccessServiceHost). */
const dump = `========================
 Records for UID -2 : FFFFEEEE-DDDD-CCCC-BBBB-AAAAFFFFFFFE
========================

 Items:

 #1:
                 UUID: 5DE2BC10-F63F-41F1-A4DB-4AF1506ED6E8
                 Name: Example Ltd
                 Type: developer (0x20)
          Disposition: [disabled, allowed, visible, not notified] (0x2)
           Identifier: Example Ltd
                  URL: (null)
  Embedded Item Identifiers:
    #1: 16.com.example.off

 #2:
                 UUID: BE38FF3E-994C-457B-8A21-D647E2A177A3
                 Name: launch_socket_server
       Developer Name: (null)
                 Type: legacy daemon (0x10010)
          Disposition: [enabled, disallowed, visible, notified] (0x9)
           Identifier: 16.com.example.off
                  URL: file:///Library/LaunchDaemons/com.example%20off.plist
      Executable Path: /usr/local/sbin/launch_socket_server

 #3:
                 UUID: BE38FF3E-994C-457B-8A21-D647E2A177A4
                 Name: launch_socket_server
                 Type: legacy daemon (0x10010)
          Disposition: [enabled, allowed, visible, notified] (0xb)
           Identifier: 16.com.example.on
                  URL: file:///Library/LaunchDaemons/com.example.on.plist
`;

test("readSwitchedOff finds the property lists that somebody has switched off", async () => {
  expect(readSwitchedOff(dump)).toEqual(["/Library/LaunchDaemons/com.example off.plist"]);
  expect(readSwitchedOff("Authentication failed")).toEqual([]);
  const tool = join(folder, "sfltool");
  await Bun.write(`${tool}.txt`, dump);
  await Bun.write(tool, `#!/bin/sh\n[ "$*" = dumpbtm ] && cat ${tool}.txt\n`);
  await chmod(tool, 0o755);
  expect(await isSwitchedOff("/Library/LaunchDaemons/com.example off.plist", tool)).toBe(true);
  expect(await isSwitchedOff("/Library/LaunchDaemons/com.example.on.plist", tool)).toBe(false);
  expect(await isSwitchedOff("/Library/LaunchDaemons/com.example off.plist", join(folder, "nothing"))).toBe(false);
});

test.each([
  [
    "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/disk3s5 482797652 301 0 100% /System/Volumes/Data\n",
    0,
  ],
  ["Filesystem 1024-blocks Used Available Capacity Mounted on\nmap auto home 64 0 64 0% /with space\n", 64],
  ["Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 100 120 -20 120% /\n", -20],
  ["", null],
])("readFree reads %j", (text, free) => {
  expect(readFree(text)).toBe(free);
});

test("isDiskFull is no for this disk, also for a log that is not there yet", async () => {
  expect(await isDiskFull(folder)).toBe(false);
  expect(await isDiskFull(join(folder, "new.log"))).toBe(false);
  expect(await isDiskFull(join(folder, "nowhere", "new.log"))).toBe(false);
});

test("ask gives what a program says whatever its status, and null where there is none", async () => {
  expect(await ask("/bin/sh", "-c", "echo said; exit 3")).toBe("said\n");
  expect(await ask("/bin/sh", "-c", "kill -9 $$")).toBeNull();
  expect(await ask(join(folder, "nothing"))).toBeNull();
});
