/** Asks launchd for sockets by name, and prints for each name its ports or the error: inside Bun for macOS only. */
import { dlopen, type Pointer, ptr, read } from "bun:ffi";

const { symbols: c } = dlopen("/usr/lib/libSystem.B.dylib", {
  launch_activate_socket: { args: ["ptr", "ptr", "ptr"], returns: "i32" },
  getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
});

function portOf(fd: number): number {
  const address = new Uint8Array(128);
  c.getsockname(fd, ptr(address), ptr(new Uint32Array([address.length])));
  return new DataView(address.buffer).getUint16(2);
}

for (const name of process.argv.slice(2)) {
  const [list, count] = [new BigUint64Array(1), new BigUint64Array(1)];
  const error = c.launch_activate_socket(ptr(Buffer.from(`${name}\0`)), ptr(list), ptr(count));
  const fds = Array.from({ length: Number(count[0]) }, (_, i) => read.i32(Number(list[0]) as Pointer, i * 4));
  console.log(`${name}: ${error === 0 ? fds.map(portOf).join(" ") : `error ${error}`}`);
}
