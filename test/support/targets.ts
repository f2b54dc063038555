import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Address, formatAddress } from "../../src/address.ts";
import { freePort } from "./ports.ts";

/** A place for a backend that nothing else uses, and how the daemon is told of it. */
export interface Target extends Disposable {
  address: Address;
  /** The address as people write it. */
  name: string;
  options: string[];
}

/** A Unix socket in a folder of its own, or a free TCP port. */
export function freeTarget(kind: "unix" | "tcp"): Target {
  if (kind === "tcp") {
    const address: Address = { kind: "tcp", host: "127.0.0.1", port: freePort() };
    const name = formatAddress(address);
    return { address, name, options: ["--tcp-address", name], [Symbol.dispose]: () => {} };
  }
  const folder = mkdtempSync(join(tmpdir(), "target-"));
  const address: Address = { kind: "unix", path: join(folder, "socket") };
  return {
    address,
    name: address.path,
    options: ["--socket-path", address.path],
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}
