import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmod,
  copyFile,
  link,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { interpreters, makeFolder, removeFolder, run } from "../support/login-shells.ts";
import { peer } from "../support/peers.ts";

const checkout = join(import.meta.dir, "../..");
const environment = { PATH: "/usr/bin:/bin" };

// A small checkout: what `make` builds takes a while, and installing does not care what is in the files.
const built = ["sbin/launch_socket_server", "scripts/login_wrapper"];
const program = "sbin/launch_socket_server";
const login = "libexec/launch_socket_server/login_wrapper";
const manual = "share/man/man8/launch_socket_server.8";
const examples = [
  "share/launch_socket_server/examples/a.plist",
  "share/launch_socket_server/examples/for nginx/b c.conf",
];
const completions = [
  "share/bash-completion/completions/launch_socket_server",
  "share/zsh/site-functions/_launch_socket_server",
  "share/fish/vendor_completions.d/launch_socket_server.fish",
];
const command = "bin/launch_socket_server";
const everything = [login, program, command, ...examples, ...completions, manual].sort();
/** Folders that other programs may use stay. */
const shared = [
  ...["bin/", "libexec/", "sbin/", "share/man/man8/"],
  ...["share/bash-completion/completions/", "share/fish/vendor_completions.d/", "share/zsh/site-functions/"],
].sort();
const hint = (root: string) =>
  `${root}/bin is not in PATH: write ${root}/bin/launch_socket_server, or add the folder in your shell's profile`;

let folder: string;
let tree: string;
let root: string;

const write = async (file: string, text: string) => {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
};

beforeEach(async () => {
  folder = await makeFolder();
  tree = join(folder, "the checkout");
  root = join(folder, "root with spaces/usr/local");
  for (const file of [...built, manual, ...examples, ...completions])
    await write(join(tree, file), `contents of ${file}\n`);
  for (const file of ["Makefile", "package.json"]) await copyFile(join(checkout, file), join(tree, file));
  // Modes come from the script, not from the checkout.
  for (const file of built) await chmod(join(tree, file), 0o600);
  await copyFile(join(checkout, "scripts/install"), join(tree, "scripts/install"));
});
afterEach(async () => {
  await run(["/bin/chmod", "-R", "u+w", folder], {});
  await removeFolder(folder);
});

const install = (...words: string[]) => run([join(tree, "scripts/install"), ...words], environment);

/** All files below `path`, relative to it; an empty folder has a slash behind its name. */
async function listing(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const names = entries.map(
    (entry) => join(entry.parentPath, entry.name).slice(path.length + 1) + (entry.isDirectory() ? "/" : ""),
  );
  return names
    .filter((name) => !name.endsWith("/") || !names.some((other) => other !== name && other.startsWith(name)))
    .sort();
}

describe.each(interpreters)("run by %s", (interpreter) => {
  const runIt = (...args: string[]) =>
    run([...interpreter.split(" "), join(tree, "scripts/install"), ...args], environment);

  test("installs everything with its mode, and removes it again", async () => {
    const { status, stdout, stderr } = await runIt(root);
    expect(stderr).toBe("");
    const lines = stdout.trimEnd().split("\n");
    expect(lines.pop()).toBe(hint(root));
    expect(lines.sort()).toEqual(everything.map((file) => `Installed ${root}/${file}`));
    expect(status).toBe(0);
    expect(await listing(root)).toEqual(everything);
    expect(await readlink(join(root, command))).toBe("../sbin/launch_socket_server");
    for (const file of everything.filter((file) => file !== command)) {
      const source = file === login ? "scripts/login_wrapper" : file;
      expect(await readFile(join(root, file), "utf8")).toBe(`contents of ${source}\n`);
      expect((await stat(join(root, file))).mode & 0o7777).toBe(file === program || file === login ? 0o755 : 0o644);
    }

    const removed = await runIt("--remove", root);
    expect(removed.stdout.trimEnd().split("\n").sort()).toEqual(everything.map((file) => `Removed ${root}/${file}`));
    expect(removed).toMatchObject({ status: 0, stderr: "" });
    expect(await listing(root)).toEqual(shared);
    expect(await runIt("--remove", root)).toEqual({ status: 0, stdout: "", stderr: "" });
  });
});

test("folders that it makes may be entered by all, whatever the umask", async () => {
  await run(["/bin/sh", "-c", 'umask 077; "$@"', "sh", join(tree, "scripts/install"), root], environment);
  for (const made of [root, dirname(join(root, login)), dirname(join(root, examples[1] ?? ""))]) {
    expect((await stat(made)).mode & 0o777).toBe(0o755);
  }
});

test("keeps the mode of folders that are there", async () => {
  await mkdir(join(root, "sbin"), { recursive: true });
  await chmod(join(root, "sbin"), 0o775);
  await install(root);
  expect((await stat(join(root, "sbin"))).mode & 0o777).toBe(0o775);
});

test("without manual and examples it installs the programs", async () => {
  await rm(join(tree, "share"), { recursive: true });
  expect(await install(root)).toMatchObject({ status: 0, stderr: "" });
  expect(await listing(root)).toEqual([login, program, command].sort());
});

test.each(["bin", "sbin"])("says nothing of PATH where %s is in it", async (part) => {
  const PATH = `/usr/bin:${root}/${part}:/bin`;
  expect((await run([join(tree, "scripts/install"), root], { PATH })).stdout).not.toContain("PATH");
});

test("leaves out hidden files, such as a Finder's", async () => {
  await write(join(tree, "share/launch_socket_server/examples/.DS_Store"), "");
  await install(root);
  expect(await listing(root)).toEqual(everything);
});

test("puts new files in place of old ones, whose contents live on for programs that run", async () => {
  await install(root);
  await link(join(root, program), join(folder, "as it runs"));
  await writeFile(join(tree, program), "newer\n");
  await install(root);
  expect(await readFile(join(root, program), "utf8")).toBe("newer\n");
  expect(await readFile(join(folder, "as it runs"), "utf8")).toBe(`contents of ${program}\n`);
  expect(await listing(root)).toEqual(everything);
});

test("replaces a symbolic link, not what it leads to", async () => {
  await write(join(folder, "another package's"), "untouched\n");
  await mkdir(join(root, "sbin"), { recursive: true });
  await symlink(join(folder, "another package's"), join(root, program));
  await install(root);
  expect((await lstat(join(root, program))).isFile()).toBe(true);
  expect(await readFile(join(folder, "another package's"), "utf8")).toBe("untouched\n");
});

test("removes only its own files, and no folder that has others", async () => {
  await install(root);
  const others = ["sbin/other", "share/launch_socket_server/examples/mine.plist", "libexec/launch_socket_server/mine"];
  for (const other of others) await write(join(root, other), "mine\n");
  await install("--remove", root);
  expect(await listing(root)).toEqual(
    [...others, ...shared.filter((path) => path !== "sbin/" && path !== "libexec/")].sort(),
  );
});

test("make install and make uninstall, with DESTDIR and PREFIX", async () => {
  const make = (target: string) =>
    run(
      ["/usr/bin/make", "-C", tree, target, `DESTDIR=${join(folder, "stage of mine")}`, "PREFIX=/opt/it"],
      environment,
    );
  const installed = await make("install");
  expect(installed).toMatchObject({ status: 0, stderr: "" });
  expect(installed.stdout).not.toContain("PATH");
  expect(await listing(join(folder, "stage of mine/opt/it"))).toEqual(everything);
  expect(await make("uninstall")).toMatchObject({ status: 0, stderr: "" });
  expect(await listing(join(folder, "stage of mine/opt/it"))).toEqual(shared);
});

test("takes a relative root, also one that looks like an option", async () => {
  const child = Bun.spawn([join(tree, "scripts/install"), "-root/"], {
    cwd: folder,
    env: environment,
    stdout: "ignore",
  });
  expect(await child.exited).toBe(0);
  expect(await listing(join(folder, "-root"))).toEqual(everything);
});

describe("fails in a sentence and changes nothing", () => {
  const failure = (attempt: string, why: string) => ({
    status: 1,
    stdout: "",
    stderr: `launch_socket_server: error ${attempt}: ${why}\n`,
  });

  test("when the program is not built", async () => {
    await rm(join(tree, program));
    const why = `${program} is not there (run make first, without sudo)`;
    expect(await install(root)).toEqual(failure("installing", why));
    expect(await listing(folder)).not.toContain("root with spaces/");
  });

  test("when a folder is in the way, also at the end of a link", async () => {
    await mkdir(join(folder, "elsewhere"));
    await mkdir(dirname(join(root, manual)), { recursive: true });
    await symlink(join(folder, "elsewhere"), join(root, manual));
    expect(await install(root)).toEqual(
      failure("installing", `${root}/${manual} is a folder (move it out of the way)`),
    );
    expect(await listing(join(folder, "elsewhere"))).toEqual([]);
    expect(await listing(root)).toEqual(["bin/", "libexec/", "sbin/", manual].sort());
  });

  test("when a file is where a folder must be", async () => {
    await write(join(root, "libexec"), "a file\n");
    const { status, stderr } = await install(root);
    expect(stderr).toStartWith("launch_socket_server: error installing: mkdir: ");
    expect(stderr).toEndWith(" (choose another PREFIX)\n");
    expect(status).toBe(1);
    expect(await listing(root)).toEqual(["bin/", "libexec", "sbin/"]);
  });

  // Root may write anywhere, so another user has to try.
  const asNobody =
    process.getuid?.() === 0 ? ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
  const installAsNobody = (...words: string[]) =>
    run([...asNobody, join(tree, "scripts/install"), ...words], environment);

  test("when a folder may not be written", async () => {
    for (const file of built) await chmod(join(tree, file), 0o644);
    await install(root);
    const before = await readFile(join(root, program), "utf8");
    await writeFile(join(tree, program), "newer\n");
    // The program and the link could be copied, login_wrapper could not.
    for (const part of ["sbin", "bin"]) await chmod(join(root, part), 0o777);
    await chmod(dirname(join(root, login)), 0o555);
    const why = (target: string) =>
      `no permission to write in ${dirname(join(root, login))} (run: sudo make ${target}, or choose a PREFIX of your own)`;
    expect(await installAsNobody(root)).toEqual(failure("installing", why("install")));
    expect(await readFile(join(root, program), "utf8")).toBe(before);
    expect(await listing(root)).toEqual(everything);

    await chmod(join(root, "sbin"), 0o555);
    const { stderr, status } = await installAsNobody("--remove", root);
    expect(stderr).toBe(failure("uninstalling", why("uninstall").replace(dirname(login), "sbin")).stderr);
    expect(status).toBe(1);
    expect(await listing(root)).toEqual(everything);
  });

  test.each([[[]], [[""]], [["--remove"]], [["one", "two"]]])("when it is called as %j", async (words: string[]) => {
    const usage = "usage: scripts/install [--remove] <root>\n";
    expect(await install(...words)).toEqual({ status: 1, stdout: "", stderr: usage });
  });
});

const shellcheck = peer("shellcheck", "shellcheck");
test.skipIf(shellcheck === null)("shellcheck (Debian package shellcheck) finds nothing", async () => {
  const { stdout } = await run([shellcheck ?? "", "--shell=sh", join(checkout, "scripts/install")], {});
  expect(stdout).toBe("");
});
