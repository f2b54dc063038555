import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import type { PlistValue } from "plist";
import { ask, Fixture, loopback, quietHost } from "./fixture.ts";
import type { Socket } from "./stand-in.ts";

const fixture = new Fixture();
const asRoot = test.skipIf(process.getuid?.() !== 0);
const withIPv6 = test.skipIf(
  !Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === "::1")),
);

/** The sockets of a job that is loaded but does not run, and then activates and prints them. */
async function bound(Socket: PlistValue, Label = "bound"): Promise<{ sockets: readonly Socket[]; printed: string[] }> {
  const ProgramArguments = fixture.probe("activate", "Socket");
  const job = await fixture.load({ Label, ProgramArguments, Sockets: { Socket } });
  job.start();
  await job.waitFor("the end of the run", () => job.exits.length > 0);
  const printed = (await job.stdout()).trim().split(" ").slice(2);
  return { sockets: job.sockets.get("Socket") ?? [], printed: printed.map((one) => one.replace(",cloexec", "")) };
}

const portOf = (socket: Socket | undefined) => (socket?.kind === "address" ? socket.port : 0);
const hosts = (printed: string[]) => printed.map((one) => one.split(",")[0]).sort();

test("binds the address and the port that are given, as a number or as a string", async () => {
  const { sockets: free } = await bound([loopback, loopback]);
  const [first = 0, second = 0] = free.map(portOf);
  expect(first).toBeGreaterThan(0);
  await fixture.launchd.close();
  const entries = [
    { SockNodeName: "127.0.0.1", SockServiceName: first },
    { SockNodeName: "127.0.0.1", SockServiceName: String(second), SockType: "stream", SockProtocol: "TCP" },
  ];
  const { printed } = await bound(entries, "again");
  expect(printed).toEqual([`127.0.0.1,${first},listening`, `127.0.0.1,${second},listening`]);
});

asRoot("binds a low port by its name in /etc/services", async () => {
  const { printed } = await bound({ SockNodeName: quietHost, SockServiceName: "http" });
  expect(printed).toEqual([`${quietHost},80,listening`]);
});

test("lets the kernel choose a port where there is none, and binds datagram sockets", async () => {
  const { printed, sockets } = await bound([
    { SockNodeName: "127.0.0.1" },
    { SockNodeName: "127.0.0.1", SockType: "dgram" },
    { SockNodeName: "127.0.0.1", SockProtocol: "UDP" },
  ]);
  const [tcp, udp, other] = sockets.map(portOf);
  expect(printed).toEqual([`127.0.0.1,${tcp},listening`, `127.0.0.1,${udp}`, `127.0.0.1,${other}`]);
});

withIPv6("binds both wildcards, or the one of SockFamily, or one socket for both", async () => {
  const families = ["IPv4", "IPv6", "IPv4v6"];
  const { printed } = await bound([{}, ...families.map((SockFamily) => ({ SockFamily }))]);
  expect(hosts(printed.slice(0, 2))).toEqual(["0.0.0.0", "::"]);
  expect(printed.slice(2).map((one) => one.split(",")[0])).toEqual(["0.0.0.0", "::", "::"]);

  const job = await fixture.load({
    Label: "families",
    ProgramArguments: fixture.probe("activate", "six", "activate", "both", "serve", "2"),
    Sockets: { six: { SockFamily: "IPv6" }, both: { SockFamily: "IPv4v6" } },
  });
  await expect(ask({ port: job.port("six") })).rejects.toThrow("ECONNREFUSED");
  for (const host of ["127.0.0.1", "::1"]) expect(await ask({ host, port: job.port("both") })).toMatch(/^\d+\n$/);
});

withIPv6("binds every address of a name", async () => {
  expect(hosts((await bound({ SockNodeName: "localhost" })).printed)).toEqual(["127.0.0.1", "::1"]);
});

test("binds a Unix path in place of what was there, for the owner unless SockPathMode says otherwise", async () => {
  const paths = ["private", "public"].map((name) => join(fixture.folder, name));
  await Bun.write(paths[0] ?? "", "left over");
  const { printed } = await bound([
    { SockPathName: paths[0] ?? "" },
    { SockPathName: paths[1] ?? "", SockPathMode: 0o666 },
  ]);
  expect(printed).toEqual(paths.map((path) => `${path},-,listening`));
  const modes = await Promise.all(paths.map(async (path) => (await stat(path)).mode & 0o777));
  expect(modes).toEqual([0o700, 0o666]);
});

test("tells why it cannot bind, and leaves nothing bound", async () => {
  const path = join(fixture.folder, "socket");
  const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  try {
    const conflict = { SockNodeName: "127.0.0.1", SockServiceName: taken.port };
    await expect(bound([{ SockPathName: path }, conflict])).rejects.toThrow(
      `cannot bind 127.0.0.1:${taken.port}: EADDRINUSE`,
    );
    expect(existsSync(path)).toBe(false);
  } finally {
    taken.stop(true);
  }
  const unknown = { ...loopback, SockServiceName: "no-such-service" };
  await expect(bound(unknown)).rejects.toThrow("unknown host or service name");
});
