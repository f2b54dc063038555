import { describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Glob, YAML } from "bun";
import { runIn } from "./support/checkout.ts";

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly env?: Record<string, string>;
  readonly with?: Record<string, string>;
}

interface Workflow {
  readonly on: { workflow_call?: { outputs?: Record<string, { value: string }> } };
  readonly permissions: Record<string, string>;
  readonly jobs: Record<
    string,
    {
      readonly uses?: string;
      readonly strategy?: { matrix: { runner: string[] } };
      readonly needs?: string;
      readonly permissions?: Record<string, string>;
      readonly outputs?: Record<string, string>;
      readonly env?: Record<string, string>;
      readonly steps?: readonly Step[];
    }
  >;
}

const folder = ".github/workflows";
const files = [...new Glob("*.yml").scanSync(folder)].sort();
const read = async (file: string) => YAML.parse(await Bun.file(`${folder}/${file}`).text()) as Workflow;
const commandsOf = (workflow: Workflow, job: string) => (workflow.jobs[job]?.steps ?? []).map(({ run }) => run);

/** What GitHub puts a value in place of. */
const value = (expression: string) => `\${{ ${expression} }}`;

function stepBy(workflow: Workflow, job: string, action: string): Step {
  const step = workflow.jobs[job]?.steps?.find(({ uses }) => uses?.startsWith(action));
  if (step === undefined) throw new Error(`${job} has no step by ${action}`);
  return step;
}

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

  test("publish the archives that the Macs compared, once everything has passed, and build none", async () => {
    const [ci, release] = [await read("ci.yml"), await read("release.yml")];
    expect(release.jobs.check?.uses).toBe("./.github/workflows/ci.yml");
    expect(release.jobs.release?.needs).toBe("check");
    expect(stepBy(ci, "dist", "actions/upload-artifact@").with).toMatchObject({ name: "dist", path: "dist/" });
    expect(stepBy(release, "release", "actions/download-artifact@").with).toEqual({ name: "dist", path: "dist" });

    // The sums reach the Macs and the release from the job that built, not with the archives.
    const sums = value("needs.dist.outputs.sums");
    expect(ci.jobs.dist?.outputs?.sums).toBe(value("steps.sums.outputs.sums"));
    expect(
      ci.jobs.macos?.steps?.some(({ env, run }) => env?.SUMS === sums && run?.includes("diff - dist/SHA256SUMS")),
    ).toBe(true);
    expect(ci.on.workflow_call?.outputs?.sums?.value).toBe(value("jobs.dist.outputs.sums"));
    const steps = release.jobs.release?.steps ?? [];
    const compared = steps.findIndex(({ run }) => run?.includes("diff - SHA256SUMS"));
    expect(steps[compared]?.env?.SUMS).toBe(value("needs.check.outputs.sums"));
    expect(steps[compared]?.run).toContain("sha256sum --check --strict");
    const published = steps.findIndex(({ run }) => run?.startsWith("gh release create"));
    expect(steps[published]?.run).toEndWith(" dist/*");
    expect(compared).toBeLessThan(published);
    for (const { run } of steps) expect(run ?? "").not.toMatch(/\bmake\b|\bbun\b/);
  });

  test("name in the formula where the release will be", async () => {
    const build = (await read("ci.yml")).jobs.dist?.steps?.find(({ run }) => run === "make dist");
    const project = `${value("github.server_url")}/${value("github.repository")}`;
    expect(build?.env?.RELEASE_URL).toBe(`${project}/releases/download/${value("github.ref_name")}`);
  });

  test("attest every file that is published, after the comparison, with no other rights", async () => {
    const release = await read("release.yml");
    const steps = release.jobs.release?.steps ?? [];
    const attested = steps.findIndex(({ uses }) => uses?.startsWith("actions/attest@"));
    expect(steps[attested]?.with).toEqual({ "subject-path": "dist/*" });
    expect(attested).toBeGreaterThan(steps.findIndex(({ run }) => run?.includes("diff - SHA256SUMS")));
    expect(attested).toBeLessThan(steps.findIndex(({ run }) => run?.startsWith("gh release create")));
    const rights = { contents: "write", "id-token": "write", attestations: "write" };
    expect(release.jobs.release?.permissions).toEqual(rights);
  });

  test("compare the sums in a way that fails on one changed archive", async () => {
    const folder = await mkdtemp(join(tmpdir(), "release-"));
    try {
      await mkdir(join(folder, "dist"));
      await Bun.write(join(folder, "dist/a.tar.gz"), "an archive");
      const sums = `${Bun.SHA256.hash("an archive", "hex")}  a.tar.gz`;
      await Bun.write(join(folder, "dist/SHA256SUMS"), `${sums}\n`);
      const steps = (await read("release.yml")).jobs.release?.steps ?? [];
      const script = steps.find(({ run }) => run?.includes("diff - SHA256SUMS"))?.run ?? "";
      // As a runner calls it where no shell is named.
      const compare = () => runIn(folder, ["bash", "-e", "-c", script], { SUMS: sums });
      expect((await compare()).status).toBe(0);
      await Bun.write(join(folder, "dist/a.tar.gz"), "An archive");
      expect((await compare()).status).not.toBe(0);
      await Bun.write(join(folder, "dist/SHA256SUMS"), `${Bun.SHA256.hash("An archive", "hex")}  a.tar.gz\n`);
      expect((await compare()).status).not.toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
