import { describe, expect, test } from "bun:test";
import { Glob, YAML } from "bun";

interface Workflow {
  readonly permissions: Record<string, string>;
  readonly jobs: Record<
    string,
    {
      readonly uses?: string;
      readonly strategy?: { matrix: { runner: string[] } };
      readonly steps?: readonly { uses?: string; run?: string }[];
    }
  >;
}

const folder = ".github/workflows";
const files = [...new Glob("*.yml").scanSync(folder)].sort();
const read = async (file: string) => YAML.parse(await Bun.file(`${folder}/${file}`).text()) as Workflow;
const commandsOf = (workflow: Workflow, job: string) => (workflow.jobs[job]?.steps ?? []).map(({ run }) => run);

describe("the workflows", () => {
  test("use no action but by a commit's whole hash", async () => {
    expect(files).toEqual(["ci.yml", "release.yml"]);
    for (const file of files) {
      for (const job of Object.values((await read(file)).jobs)) {
        const used = [job.uses, ...(job.steps ?? []).map(({ uses }) => uses)].filter((uses) => uses !== undefined);
        for (const action of used) expect(action).toMatch(/^(\.\/|[\w.-]+\/[\w.-]+@[0-9a-f]{40}$)/);
      }
    }
  });

  test("may read the repository and no more; the release alone writes", async () => {
    for (const file of files) expect((await read(file)).permissions).toEqual({ contents: "read" });
  });

  test("run what has to pass on Linux, and the Mac's checks on both processors", async () => {
    const ci = await read("ci.yml");
    expect(commandsOf(ci, "linux")).toContain(".ci/run");
    expect(ci.jobs.macos?.strategy?.matrix.runner).toEqual(["macos-15", "macos-15-intel"]);
    for (const command of ["make", "make dist", "make verify-macos"])
      expect(commandsOf(ci, "macos")).toContain(command);
  });

  test("release what make dist made, once everything has passed", async () => {
    const release = await read("release.yml");
    expect(release.jobs.check?.uses).toBe("./.github/workflows/ci.yml");
    const commands = commandsOf(release, "release").join("\n");
    expect(commands).toContain("make dist");
    expect(commands).toContain("dist/*");
  });
});
