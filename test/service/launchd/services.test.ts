import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, type PlistValue } from "plist";
import { addressesAre } from "../../../src/service/launchd/addresses.ts";
import type { Domain } from "../../../src/service/launchd/domain.ts";
import { servicesIn } from "../../../src/service/launchd/services.ts";

let folder: string;
let daemons: Domain;
let agents: Domain;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "services-"));
  daemons = { kind: "daemon", folder: join(folder, "LaunchDaemons"), name: "system" };
  agents = { kind: "agent", folder: join(folder, "LaunchAgents"), name: "gui/501" };
  await mkdir(daemons.folder);
});
afterEach(() => rm(folder, { recursive: true }));

const write = (name: string, keys: { [key: string]: PlistValue }) => Bun.write(join(folder, name), build(keys));
const found = () => servicesIn([daemons, agents]).map(({ label, path }) => [label, path.replace(`${folder}/`, "")]);

test("are the property lists that run this program, links followed, and no others", async () => {
  const ours = "/usr/local/sbin/launch_socket_server";
  await Bun.write(join(folder, "launch_socket_server"), "");
  await symlink(join(folder, "launch_socket_server"), join(folder, "relay"));
  await write("LaunchDaemons/web.plist", { Label: "web", ProgramArguments: [ours, "server"] });
  await write("LaunchDaemons/linked.plist", { Label: "linked", Program: join(folder, "relay") });
  await write("LaunchDaemons/apache.plist", { Label: "apache", ProgramArguments: ["/usr/sbin/httpd", ours] });
  await write("LaunchDaemons/unnamed.plist", { ProgramArguments: [ours] });
  await write("LaunchDaemons/.hidden.plist", { Label: "hidden", ProgramArguments: [ours] });
  await write("LaunchDaemons/web.plist.replaced", { Label: "replaced", ProgramArguments: [ours] });
  await Bun.write(join(daemons.folder, "broken.plist"), "no property list");
  await mkdir(join(daemons.folder, "folder.plist"));
  await symlink("nowhere", join(daemons.folder, "dangling.plist"));
  expect(found()).toEqual([
    ["linked", "LaunchDaemons/linked.plist"],
    ["web", "LaunchDaemons/web.plist"],
  ]);
});

test("come from every folder, under their labels whatever their files are called", async () => {
  const ProgramArguments = ["/opt/homebrew/opt/launch_socket_server/sbin/launch_socket_server", "-"];
  await write("LaunchAgents/homebrew.mxcl.web.plist", { Label: "a.agent", ProgramArguments });
  await write("LaunchDaemons/z.plist", { Label: "z.daemon", ProgramArguments });
  expect(found()).toEqual([
    ["a.agent", "LaunchAgents/homebrew.mxcl.web.plist"],
    ["z.daemon", "LaunchDaemons/z.plist"],
  ]);
  expect(servicesIn([agents])[0]?.domain).toBe(agents);
  expect(servicesIn([{ ...agents, folder: join(folder, "nothing") }])).toEqual([]);
});

test("addressesAre names where clients reach a service, for a sentence", () => {
  const Sockets = { Socket: { SockNodeName: "127.0.0.1", SockServiceName: "80" } };
  const job = { Label: "a", ProgramArguments: ["/usr/local/sbin/launch_socket_server", "server"], Sockets };
  expect(addressesAre(job)).toBe("127.0.0.1:80 is");
  const two = { ...job, Sockets: { Socket: [Sockets.Socket, { SockPathName: "/tmp/a.sock" }] } };
  expect(addressesAre(two)).toBe("127.0.0.1:80, /tmp/a.sock are");
  expect(addressesAre(null)).toBe("its port is");
  expect(addressesAre({ ...job, ProgramArguments: ["/usr/local/sbin/launch_socket_server"] })).toBe("its port is");
});
