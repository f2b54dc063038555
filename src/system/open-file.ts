import { readlinkSync } from "node:fs";
import { linux, macos } from "./libc.ts";

/** `struct vnode_fdinfowithpath` of proc_pidfdinfo: the path comes after proc_fileinfo (24 bytes) and vnode_info (152); xnu's bsd/sys/proc_info.h. */
const vnodePath = { flavor: 2, length: 1_200, path: 176 };

/** The path of a descriptor's file, as far as the system knows it: another file may have that by now. Null where it has none. */
export function pathOf(fd: number): string | null {
  if (linux === null) return vnodePathOf(fd);
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return null;
  }
}

function vnodePathOf(fd: number): string | null {
  const information = Buffer.alloc(vnodePath.length);
  const found = macos?.proc_pidfdinfo(process.pid, fd, vnodePath.flavor, information, information.length) ?? 0;
  if (found < vnodePath.length) return null;
  const path = information.toString("utf8", vnodePath.path);
  return path.slice(0, path.indexOf("\0"));
}
