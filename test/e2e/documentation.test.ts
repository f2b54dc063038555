/**
 * Every command of README, docs and the man page, as it stands there, on a machine of stand-ins for launchd and launchctl
 * where `sam` is a user of the test's own. What a block of `text` after a command shows is what the command has to print.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, symlinkSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { examples } from "../../src/cli.ts";
import { compile } from "../support/compile.ts";
import { type Block, blocksOf, commandsOf, manPage, pages } from "../support/documentation.ts";
import { InstallFixture, isRoot } from "../support/install-fixture.ts";
import { peer } from "../support/peers.ts";
import { untilFree } from "../support/ports.ts";
import { type TemporaryUser, temporaryUser } from "../support/users.ts";

/** Commands that cannot be run here, by how they begin, and why. */
const notRun: [string, string][] = [
  ["brew ", "there is no Homebrew; formula.test.ts installs by a stand-in for it"],
  ["name=launch_socket_server-", "belongs to the download"],
  ["curl -fL --remote-name-all ", "needs a release that is published"],
  ["shasum -a 256 -c --ignore-missing ", "needs the download; dist.test.ts confirms the sums"],
  ["sudo tar -xzf ", "needs the download; dist.test.ts unpacks an archive"],
  ["gh attestation verify ", "needs a release that is published"],
  ["make", "builds what is tested here; install.test.ts has make install"],
  ["sudo make install", "install.test.ts"],
];
/** Pages, or folders of them, whose commands another test runs. */
const elsewhere: [string, string][] = [
  ["docs/linux.md", "test/e2e/systemd-units.test.ts"],
  ["docs/recipes/", "test/e2e/recipes.test.ts"],
];
/** Pages about a service that is there already. */
const aboutService = ["docs/reload.md", "docs/services.md", "docs/status.md", "docs/upgrading.md"];
const service = "sudo launch_socket_server --install com.example.hello node server.mjs";

const used = new Set<string>();
const node = peer("node", "nodejs");
const server = blocksOf("docs/install.md").find(({ text }) => text.startsWith("cat > server.mjs"))?.text ?? "";

function isRun(command: string): boolean {
  const [beginning] = notRun.find(([beginning]) => command.startsWith(beginning)) ?? [];
  if (beginning !== undefined) used.add(beginning);
  return beginning === undefined;
}

/** Ids of processes and users are the machine's, and the width of columns follows them. */
function withoutIds(text: string): string {
  return text.replace(/(?<![:.\w])\d{3,}(?![.\w])/g, "ID").replace(/ +/g, " ");
}

/** A server in the foreground ends when somebody ends it: here once it has answered. */
function runnable(command: string): string {
  // launchctl says so while the job is stopping, as the page does.
  if (command.startsWith("sudo launchctl bootout ")) return `${command} || [ $? -eq 36 ]`;
  const address = command.match(/^launch_socket_server --listen (\S+)/)?.[1];
  if (address === undefined || command.endsWith(" &")) return command;
  return `${command} &\nuntil curl --silent --output /dev/null http://${address}/; do sleep 0.05; done\nkill $!\nwait $!`;
}

describe("the documentation", () => {
  test.each(pages)("%s leads to files and headings that are there", async (page) => {
    const text = await Bun.file(page).text();
    for (const [, link = ""] of text.matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(link)) continue;
      const [path = "", anchor] = link.split("#");
      const target = path === "" ? page : join(dirname(page), path);
      expect({ link, exists: existsSync(target) }).toEqual({ link, exists: true });
      if (anchor === undefined) continue;
      const headings = [...(await Bun.file(target).text()).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
        heading
          .toLowerCase()
          .replace(/[^\w -]/g, "")
          .replaceAll(" ", "-"),
      );
      expect(headings).toContain(anchor);
    }
  });
});

// zshoptions(1): INTERACTIVE_COMMENTS is off where commands are typed.
test.each([...pages, manPage])(
  "what %s says to type has no comments: zsh, a Mac's shell, takes them for arguments",
  (page) => {
    const commands = blocksOf(page).filter(({ language }) => language === "sh");
    const typed = commands.map(({ text }) => text.replace(/<<'(\w+)'\n[\s\S]*?^\1$/gm, ""));
    for (const text of typed) expect(text).not.toMatch(/(^|\s)#/);
  },
);

const withCommands = [...pages, manPage].filter(
  (page) =>
    !elsewhere.some(([beginning]) => page.startsWith(beginning)) &&
    blocksOf(page).some(({ language }) => language === "sh"),
);

test("the examples of --help are among the commands that are run", () => {
  const run = [...pages, manPage]
    .flatMap((page) => blocksOf(page).flatMap(commandsOf))
    .map((command) => command.replace(/ &$/, ""));
  for (const [command] of examples) expect(run).toContain(command);
});

test("what other tests run has such a test", () => {
  for (const [beginning, file] of elsewhere) {
    expect(pages.some((page) => page.startsWith(beginning))).toBe(true);
    expect(existsSync(file)).toBe(true);
  }
});

describe.skipIf(!isRoot || node === null)("the commands (for root: port 80; node) of", () => {
  // The user goes after all jobs, which end behind each test.
  let sam: TemporaryUser;
  beforeAll(async () => {
    sam = await temporaryUser("/bin/bash");
  });
  afterAll(() => sam[Symbol.asyncDispose]());
  const fixture = new InstallFixture();

  test.each(withCommands)(
    "%s do what they say",
    async (page) => {
      fixture.start({ settle: 0 });
      const { folder, stage, launchctl } = fixture;
      const asSam = ["setpriv", `--reuid=${sam.uid}`, `--regid=${sam.uid}`, "--clear-groups"];
      const hello = join(folder, "hello");
      const programs = join(folder, "homebrew/bin");
      await mkdir(hello);
      await mkdir(join(folder, "out"));
      await mkdir(programs, { recursive: true });
      for (const logs of ["home/Library/Logs", "Library/Logs"]) await mkdir(join(folder, logs), { recursive: true });
      symlinkSync(node ?? "", join(programs, "node"));
      const sudo = compile("mac-tools/sudo", [], join(programs, "sudo"));
      chownSync(sudo, 0, sam.uid);
      chmodSync(sudo, 0o4750);

      const here: [string, string][] = [
        ["/Users/sam/Library", join(folder, "home/Library")],
        ["/Users/sam/hello", hello],
        ["/opt/homebrew/bin", programs],
        ["/opt/homebrew/sbin/launch_socket_server", stage.program],
        ["/Library/Launch", `${folder}/Library/Launch`],
        ["/Library/Logs/", `${folder}/Library/Logs/`],
      ];
      const adapt = (text: string) =>
        here.reduce((text, [there, place]) => text.replaceAll(new RegExp(`(?<![\\w~])${there}`, "g"), place), text);
      const restore = (text: string) =>
        here.reduce((text, [there, place]) => text.replaceAll(place, there), text).replaceAll(sam.name, "sam");

      const blocks = blocksOf(page);
      const parts: string[] = [`cd ${hello}`, server, aboutService.includes(page) ? service : ""];
      const shown: [number, Block][] = [];
      for (const [index, block] of blocks.entries()) {
        if (block.language === "sh") {
          const commands = commandsOf(block).filter(isRun).map(runnable);
          parts.push(`{\n${[":", ...commands].map(adapt).join("\n")}\n} > ${folder}/out/${index}`);
          const next = blocks[index + 1];
          if (next?.language === "text") shown.push([index, next]);
        } else if (block.language === "xml" && block.text.startsWith("<?xml")) {
          const label = block.text.match(/<key>Label<\/key>\s*<string>(.*?)<\/string>/)?.[1];
          await Bun.write(join(folder, "the.plist"), adapt(block.text).replace(">sam<", `>${sam.name}<`));
          const place = `${fixture.daemons}/${label}.plist`;
          parts.push(`sudo mkdir -p ${fixture.daemons}; sudo cp ${folder}/the.plist ${place}`);
        }
      }

      for (const port of [80, 3000, 8080]) await untilFree(port);
      await using _server = Bun.serve({ hostname: "127.0.0.1", port: 3000, fetch: () => new Response("from 3000\n") });
      await Bun.$`chown -R ${sam.uid} ${hello} ${join(folder, "home")} ${join(folder, "out")}`;
      const child = Bun.spawn([...asSam, "bash", "-euo", "pipefail", "-c", parts.join("\n")], {
        env: {
          ...{ PATH: `${programs}:${stage.folder}:${launchctl.bin}:/usr/bin:/bin`, HOME: join(folder, "home") },
          ...{ USER: sam.name, TEST_INSTALL_ROOT: folder, MACRUN_ROOT: folder },
        },
        stdout: "pipe",
        stderr: "pipe",
      });
      const [status, said] = await Promise.all([child.exited, new Response(child.stderr).text()]);
      const outputs = await Promise.all(
        blocks.map(async (_, index) => {
          const file = Bun.file(join(folder, `out/${index}`));
          return (await file.exists()) ? await file.text() : "";
        }),
      );
      const log = Bun.file(join(folder, "Library/Logs/com.example.hello.log"));
      const told = async () => `${outputs.join("")}${said}${(await log.exists()) ? await log.text() : ""}`;
      expect({ status, said: status === 0 ? "" : await told() }).toEqual({ status: 0, said: "" });
      for (const [index, { text }] of shown) {
        expect(withoutIds(restore(outputs[index] ?? ""))).toBe(withoutIds(text));
      }
    },
    120_000,
  );

  test("that are not run are those of the list", () => {
    expect(notRun.map(([beginning]) => beginning).filter((beginning) => !used.has(beginning))).toEqual([]);
  });
});
