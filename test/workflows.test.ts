import { describe, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Glob, YAML } from "bun";
import { version } from "../package.json";
import { project, repository } from "../scripts/repository.ts";
import { runIn } from "./support/checkout.ts";

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly env?: Record<string, string>;
  readonly with?: Record<string, string>;
  readonly "working-directory"?: string;
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

  test("publish what CHANGELOG.md says of the version as notes, and nothing where it says nothing", async () => {
    const steps = (await read("release.yml")).jobs.release?.steps ?? [];
    const script = steps.find(({ run }) => run?.includes("CHANGELOG.md"))?.run ?? "";
    expect(steps.find(({ run }) => run?.startsWith("gh release create"))?.run).toContain(" --notes-file notes.md ");
    const folder = await mkdtemp(join(tmpdir(), "release-"));
    try {
      const log = "# Changelog\n\n## 2.0.1\n\n- newer\n\n## 2.0.0\n\n- older\n\n## 1.0.0\n";
      await Bun.write(join(folder, "CHANGELOG.md"), log);
      const notes = async (tag: string) => {
        const { status } = await runIn(folder, ["bash", "-e", "-c", script], { GITHUB_REF_NAME: tag });
        return status === 0 ? (await Bun.file(join(folder, "notes.md")).text()).trim() : null;
      };
      expect(await notes("v2.0.0")).toBe("- older");
      expect(await notes("v2.0.1")).toBe("- newer");
      for (const tag of ["v2.0", "v1.0.0", "v3.0.0"]) expect(await notes(tag)).toBeNull();
      await Bun.write(join(folder, "CHANGELOG.md"), Bun.file("CHANGELOG.md"));
      expect(await notes(`v${version}`)).not.toBeNull();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test("release only from the repository that package.json names", async () => {
    const steps = (await read("release.yml")).jobs.release?.steps ?? [];
    const script = steps.find(({ run }) => run?.includes("repository"))?.run ?? "";
    const check = (GITHUB_REPOSITORY: string) => {
      const { origin } = new URL(repository);
      const variables = { GITHUB_REF_NAME: `v${version}`, GITHUB_SERVER_URL: origin, GITHUB_REPOSITORY };
      return runIn(
        ".",
        ["bash", "-e", "-c", script.replaceAll("node --print", `${process.execPath} --print`)],
        variables,
      );
    };
    expect((await check(project)).status).toBe(0);
    expect((await check("somebody/else")).status).not.toBe(0);
  });

  test("commit the formula of what is published to main, nothing else, and once", async () => {
    const job = (await read("release.yml")).jobs.formula;
    expect(job?.needs).toBe("release");
    expect(job?.permissions).toEqual({ contents: "write" });
    const folder = await mkdtemp(join(tmpdir(), "tap-"));
    try {
      const git = async (...words: string[]) => (await runIn(folder, ["git", ...words])).stdout.trim();
      await git("init", "-q", "--bare", "-b", "main", "origin");
      await git("clone", "-q", "origin", "main");
      await Bun.write(join(folder, "main/README.md"), "first\n");
      await git("-C", "main", "add", ".");
      await git("-C", "main", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "First");
      await git("-C", "main", "push", "-q", "origin", "HEAD:main");
      // Not to be committed, although it lies there.
      await Bun.write(join(folder, "main/README.md"), "changed\n");
      await symlink(process.cwd(), join(folder, "released"));
      const sum = (target: string) => `${"a".repeat(64)}  launch_socket_server-9.1.0-${target}.tar.gz\n`;
      const sums = sum("darwin-arm64") + sum("darwin-x64");
      await Bun.write(
        join(folder, "bin/gh"),
        '#!/bin/sh\n[ "$1 $2 $3" = "release download $GITHUB_REF_NAME" ] && cp sums SHA256SUMS\n',
      );
      await chmod(join(folder, "bin/gh"), 0o755);
      const publish = async (sums: string, tag = "v9.1.0") => {
        await Bun.write(join(folder, "sums"), sums);
        const variables = {
          PATH: `${folder}/bin:${process.env.PATH}`,
          GITHUB_REF_NAME: tag,
          GITHUB_REPOSITORY: project,
        };
        for (const { run, "working-directory": place = "." } of job?.steps ?? []) {
          // The parts that Debian may not have here: Ruby reads what it has been given elsewhere (formula.test.ts).
          const script = (run ?? "").replace(/^ruby -c .*$/m, Bun.which("ruby") ? "$&" : "");
          const { status } = await runIn(join(folder, place), ["bash", "-e", "-c", script], variables);
          if (status !== 0) return status;
        }
        return 0;
      };
      const commits = async () => (await git("-C", "origin", "log", "--format=%s", "main")).split("\n");

      expect(await publish(sum("darwin-arm64"))).not.toBe(0);
      expect(await commits()).toEqual(["First"]);
      expect(await publish(sums)).toBe(0);
      expect(await commits()).toEqual(["Install v9.1.0 by Homebrew", "First"]);
      expect(await git("-C", "origin", "show", "--format=", "--name-only", "main")).toBe(
        "Formula/launch_socket_server.rb",
      );
      expect(await git("-C", "origin", "show", "main:Formula/launch_socket_server.rb")).toContain(
        `url "${repository}/releases/download/v9.1.0/launch_socket_server-9.1.0-darwin-arm64.tar.gz"`,
      );
      expect(await publish(sums)).toBe(0);
      expect(await publish(sums.replaceAll("9.1.0", "9.0.12"), "v9.0.12")).not.toBe(0);
      expect(await commits()).toHaveLength(2);
      expect(await publish(sums.replaceAll("9.1.0", "9.10.0"), "v9.10.0")).toBe(0);
      expect(await commits()).toHaveLength(3);
      await rm(join(folder, "origin"), { recursive: true });
      expect(await publish(sums.replaceAll("9.1.0", "9.11.0"), "v9.11.0")).not.toBe(0);
    } finally {
      await rm(folder, { recursive: true });
    }
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
