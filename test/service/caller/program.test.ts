import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findForJob, notFound, pathFor } from "../../../src/service/caller/program.ts";

let folder: string;
const at = (name: string) => join(folder, name);
const find = (name: string, path = at("bin"), sudo = false) => findForJob(name, { path, folder, sudo });

async function write(name: string, text: string, mode = 0o755): Promise<void> {
  await mkdir(dirname(at(name)), { recursive: true });
  await Bun.write(at(name), text);
  await chmod(at(name), mode);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "caller-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("a bare name is what PATH finds, with links kept and its folder first in PATH", async () => {
  await write("Cellar/1.2/server", "\0");
  await mkdir(at("bin"));
  await symlink("../Cellar/1.2/server", at("bin/server"));
  expect(find("server")).toEqual({ path: at("bin/server"), folders: [at("bin")], notes: [] });
  expect(find("server", "bin")).toMatchObject({ path: at("bin/server") });
  expect(find("none")).toBeNull();
  expect(find("sh", "/usr/bin:/bin")).toMatchObject({ folders: [] });
});

test("what may not be executed and folders are passed over", async () => {
  await write("first/server", "\0", 0o644);
  await mkdir(at("second/server"), { recursive: true });
  await write("third/server", "\0");
  const path = ["first", "second", "third"].map(at).join(":");
  expect(find("server", path)?.path).toBe(at("third/server"));
});

test("a path is taken from the caller's folder", async () => {
  await write("bin/server", "\0");
  expect(find("./bin/server")).toEqual({ path: at("bin/server"), folders: [], notes: [] });
});

test("the interpreter that env looks up is found beside the script, or in PATH", async () => {
  await write("node/npm", "#!/usr/bin/env node\n");
  await write("node/node", "\0");
  expect(find(at("node/npm"), "/usr/bin", true)?.folders).toEqual([at("node")]);
  await write("bin/rails", "#!/usr/bin/env my-ruby\n");
  await write("ruby/my-ruby", "\0");
  expect(find("rails", `${at("bin")}:${at("ruby")}`)?.folders).toEqual([at("bin"), at("ruby")]);
  expect(() => find("rails")).toThrow(
    `cannot run ${at("bin/rails")} in a job: it is a script for my-ruby (#!/usr/bin/env), which is not in PATH`,
  );
});

test("a script whose interpreter only sudo's PATH lacks gets the way out", async () => {
  await write("bin/rails", "#!/usr/bin/env my-ruby\n");
  expect(() => find("rails", at("bin"), true)).toThrow(
    `which is not in the PATH that sudo leaves (${at("bin")}); write "$(command -v my-ruby)" before ${at("bin/rails")}`,
  );
});

test("a program that is not found may be a slip, which has a sentence of its own", async () => {
  await write("server.mjs", "", 0o644);
  await mkdir(at("dist"));
  const sentence = (name: string) => notFound(name, { path: "/bin", folder, sudo: true }).message;
  expect(sentence("none")).toContain('write "$(command -v none)" in its place');
  expect(sentence("server.mjs")).toBe(
    'cannot find the program "server.mjs": it is not in PATH (/bin), but in this folder; write ./server.mjs and make it executable, or write what runs it first',
  );
  expect(sentence("node server.mjs")).toBe(
    'cannot find the program "node server.mjs": it is several words in one; write each as a word of its own',
  );
  expect(sentence("dist")).toBe('cannot find the program "dist": it is a folder; name the program in it');
});

test.each([
  [".asdf/shims", "is a shim of asdf"],
  [".pyenv/shims", "is a shim of pyenv"],
  [".volta/bin", "it needs the user's HOME"],
  [".nvm/versions/node/v22.1.0/bin", "is one version of nvm or fnm"],
])("a program in %s gets a note", async (place, note) => {
  await write(`${place}/node`, "\0");
  expect(find("node", at(place))?.notes).toEqual([expect.stringContaining(note)]);
  await write("bin/serve", "#!/usr/bin/env node\n");
  expect(find("serve", `${at("bin")}:${at(place)}`)?.notes).toEqual([expect.stringContaining(note)]);
});

test("launchd's PATH follows the folders, and stays where there are none", () => {
  expect(pathFor([])).toBeUndefined();
  expect(pathFor(["/opt/homebrew/bin"])).toBe("/opt/homebrew/bin:/usr/bin:/bin:/usr/sbin:/sbin");
});
