import { expect, test } from "bun:test";
import { join } from "node:path";
import { blocksOf, pages } from "../../support/documentation.ts";
import { CheckFixture } from "./fixture.ts";

const fixture = new CheckFixture();

/** The plist of the documentation that the original came with, in 2014, and the parts that it says to change. */
const original = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
  <dict>
    <key>Label</key>
    <string>com.example.myserver</string>
    <key>RunAtLoad</key>
    <true/>
    <key>KeepAlive</key>
    <true/>
    <key>UserName</key>
    <string>sam</string>
    <key>GroupName</key>
    <string>staff</string>
    <key>StandardOutPath</key>
    <string>/usr/local/var/log/myserver.log</string>
    <key>StandardErrorPath</key>
    <string>/usr/local/var/log/myserver.log</string>
    <key>ProgramArguments</key>
    ARGUMENTS
    VARIABLES
    <key>Sockets</key>
    <dict>
      <key>Socket</key>
      <dict>
        <key>SockNodeName</key>
        <string>0.0.0.0</string>
        <key>SockServiceName</key>
        <string>80</string>
      </dict>
    </dict>
  </dict>
</plist>`;

const array = (...words: string[]) => `<array>${words.map((word) => `<string>${word}</string>`).join("\n")}</array>`;
const variable = (name: string, value: string) =>
  `<key>EnvironmentVariables</key><dict><key>${name}</key><string>${value}</string></dict>`;

const program = "/usr/local/sbin/launch_socket_server";
const server = ["/usr/local/bin/myserver", "argument1", "argument2"];
const socketPath = variable("LAUNCH_PROGRAM_SOCKET_PATH", "/tmp/myserver.sock");
const tcpAddress = variable("LAUNCH_PROGRAM_TCP_ADDRESS", "127.0.0.1:8000");
const wrapper = "/usr/local/libexec/launch_socket_server/login_wrapper";

test.each([
  ["the first", array(program, ...server), ""],
  ["a path of one's own", array(program, ...server), socketPath],
  ["a TCP address", array(program, ...server), tcpAddress],
  ["no program, and a path", array(program, "-"), socketPath],
  ["no program, and a TCP address", array(program, "-"), tcpAddress],
  ["login_wrapper", array(program, wrapper, ...server), ""],
])("the original's documented plist with %s has no error", async (_, words, variables) => {
  const plist = original
    .replace("ARGUMENTS", words)
    .replace("VARIABLES", variables)
    // Its user and programs are the fixture's.
    .replace(program, join(fixture.folder, "bin/launch_socket_server"))
    .replace(server[0] ?? "", join(fixture.folder, "bin/server"))
    .replace(wrapper, join(fixture.folder, "bin/login_wrapper"))
    .replaceAll("/usr/local/var/log", join(fixture.folder, "shared"));
  const findings = await fixture.check(plist, { path: "/Library/LaunchDaemons/com.example.myserver.plist" });
  expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);
  expect(findings.map(({ key }) => key)).toContain("Sockets.Socket.SockNodeName");
});

test.each(pages)("the plists of %s have nothing against them", async (page) => {
  for (const { language, text: plist } of blocksOf(page)) {
    if (language !== "xml" || !plist.startsWith("<?xml")) continue;
    const [, label] = plist.match(/<key>Label<\/key>\s*<string>(.*?)<\/string>/) ?? [];
    const adapted = plist
      .replace(
        /<string>\/opt\/homebrew\/sbin\/launch_socket_server</,
        `<string>${fixture.folder}/bin/launch_socket_server<`,
      )
      .replace(/<string>\/opt\/homebrew\/bin\/\w+</, `<string>${fixture.folder}/bin/server<`)
      .replaceAll("/Users/sam/Library/Logs", join(fixture.folder, "shared"));
    expect(adapted).toContain("<key>ExitTimeOut</key>");
    expect(await fixture.check(adapted, { path: `/Library/LaunchDaemons/${label}.plist` })).toEqual([]);
  }
});

test("the examples have nothing against them", async () => {
  const folder = join(import.meta.dir, "../../../share/launch_socket_server/examples");
  const plists = [...new Bun.Glob("*/*.plist").scanSync(folder)];
  expect(plists).not.toBeEmpty();
  for (const path of plists) {
    const adapted = (await Bun.file(join(folder, path)).text())
      .replace(program, join(fixture.folder, "bin/launch_socket_server"))
      .replace(/\/opt\/homebrew\/bin\/[\w-]+/, join(fixture.folder, "bin/server"))
      .replaceAll("/Users/sam/hello", join(fixture.folder, "shared"));
    expect(adapted).toContain("<key>ExitTimeOut</key>");
    const findings = await fixture.check(adapted, { path: `/Library/LaunchDaemons/${path.split("/").at(-1)}` });
    expect(findings.filter(({ key }) => key !== "EnvironmentVariables.LAUNCH_PROGRAM_SOCKET_PATH")).toEqual([]);
  }
});
